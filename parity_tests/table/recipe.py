"""Recipes: how the arrays of a row are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Recipe:
    """How to draw one array. Floats are rounded to float32, so that both precisions start from the same numbers."""

    draw: Callable[[np.random.Generator], np.ndarray]
    differentiable: bool = True

    def __call__(self, rng: np.random.Generator, dtype: Any) -> np.ndarray:
        values = np.asarray(self.draw(rng))
        return single(values).astype(dtype) if values.dtype.kind == "f" else values


def single(values: np.ndarray) -> np.ndarray:
    """Numbers that both precisions hold."""
    return values.astype(np.float32)


def normal(*shape: int, loc: float = 0.0, scale: float = 1.0) -> Recipe:
    return Recipe(lambda rng: rng.normal(loc, scale, shape))


def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Recipe:
    return Recipe(lambda rng: rng.uniform(low, high, shape))


def log_probabilities(*shape: int, axis: int = 1) -> Recipe:
    """Logarithms of probabilities that sum to 1 along an axis."""
    return Recipe(lambda rng: _log_softmax(rng.normal(size=shape), axis))


def probabilities(*shape: int, axis: int = 1) -> Recipe:
    return Recipe(lambda rng: np.exp(_log_softmax(rng.normal(size=shape), axis)))


def integers(*shape: int, low: int = 0, high: int) -> Recipe:
    """int64 in [low, high): class labels, indices, lengths."""
    return Recipe(lambda rng: rng.integers(low, high, shape), differentiable=False)


def booleans(*shape: int, p: float = 0.5) -> Recipe:
    return Recipe(lambda rng: rng.random(shape) < p, differentiable=False)


def signs(*shape: int) -> Recipe:
    """-1.0 and 1.0, as the margin losses want their targets."""
    return Recipe(lambda rng: rng.choice([-1.0, 1.0], shape), differentiable=False)


def given(values: Any) -> Recipe:
    """These values in every draw: kinks, ties, special cases. Integer lists become int64."""
    array = np.asarray(values)
    return Recipe(lambda rng: array, differentiable=array.dtype.kind == "f")


def fixed(recipe: Recipe) -> Recipe:
    """The same draw without a gradient, for targets."""
    return replace(recipe, differentiable=False)


def _log_softmax(x: np.ndarray, axis: int) -> np.ndarray:
    return x - np.log(np.exp(x).sum(axis=axis, keepdims=True))
