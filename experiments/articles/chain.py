"""A worked example: every derivative of a chain by name, by hand, from both engines and by finite differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from experiments.articles.article import Figure, GradientCheck, gradient_check

ROUNDINGS = 1e-12  # a few hundred float64 roundings: allowed between an engine and the derivation by hand


def chain_findings(
    loss: Callable[..., float],
    values: Mapping[str, np.ndarray],
    by_hand: Mapping[str, np.ndarray],
    found: Mapping[str, Mapping[str, np.ndarray]],
    names: Mapping[str, tuple[str, tuple[int, ...]]],
) -> tuple[list[Figure], list[GradientCheck]]:
    """Figures of each named derivative, by hand and as each engine finds it, and a gradient check of each by hand.

    `loss(name=value)` computes the loss from there on: a value between the layers may be moved as a weight may.
    `names` gives, for each derivative, the array of the engines that holds it, and its place there.
    """
    figures, checks = [], []
    for what, (name, place) in names.items():
        exact = float(by_hand[name][place])
        low, high = sorted((exact * (1 - ROUNDINGS), exact * (1 + ROUNDINGS)))
        numbers = {engine: float(derivatives[name][place]) for engine, derivatives in found.items()}
        figures.append(Figure.of(what, f"{exact:.6g} by hand", numbers, low, high, ".6g"))
    for name, derivative in by_hand.items():

        def moved(value: np.ndarray, name: str = name) -> float:
            return loss(**{name: value})

        checks.append(GradientCheck(f"dL/d{name} by the chain rule", gradient_check(moved, values[name], derivative)))
    return figures, checks
