"""How a figure is judged: against the formula up to roundings, or within the range of chance."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from experiments.articles.article import Figure

SLACK = 64 * float(np.finfo(np.float64).eps)  # a few dozen roundings in float64
DEVIATIONS = 4.0  # of a normal error once in 16 000 is further out


def equal_to(
    what: str,
    expected: float,
    values: Mapping[str, float],
    form: str = ".4f",
    text: str = "",
    place: str = "",
    errs: bool = False,
) -> Figure:
    """The value of the formula, up to roundings; beside it the number of a text, which must be right, or wrong.

    `errs` says that the text's number is a mistake: then the figure is judged right only if it is one.
    """
    slack = SLACK * max(1.0, abs(expected))
    figure = Figure.of(what, "", values, expected - slack, expected + slack, form)
    shown = {name: _text(value, form) for name, value in (("expected", expected), *values.items())}
    figure = replace(figure, expected=shown["expected"], scratch=shown["scratch"], torch=shown["torch"])
    if not text:
        return figure
    right = agrees(text, expected)
    return replace(figure, text=text, place=place, text_ok=right, ok=bool(figure.ok) and right != errs)


def agrees(text: str, value: float) -> bool:
    """The number in the text, such as "2.01", "50.3%" or "1/26", is the value rounded to its last digit."""
    numerator, _, denominator = text.partition("/")
    if denominator:
        return abs(float(numerator) / float(denominator) - value) <= SLACK
    digits = text.rstrip("% ")
    unit = 10.0 ** -len(digits.partition(".")[2]) * (0.01 if "%" in text else 1.0)
    return abs(float(digits) * (0.01 if "%" in text else 1.0) - value) <= (0.5 + SLACK) * unit


def drawn_around(what: str, expected: float, values: Mapping[str, float], error: float, form: str = ".4f") -> Figure:
    """An average of random draws whose standard error is `error`."""
    low, high = expected - DEVIATIONS * error, expected + DEVIATIONS * error
    return Figure.of(what, f"{expected:{form}} ± {error:{form}}", values, low, high, form)


def same_bits(what: str, arrays: Mapping[str, np.ndarray]) -> Figure:
    """Both engines drew the same bits; shown as the start of their sha256."""
    scratch, torch = (
        hashlib.sha256(np.ascontiguousarray(arrays[name]).data).hexdigest()[:12] for name in ("scratch", "torch")
    )
    return Figure(what, expected="the same bits", scratch=scratch, torch=torch, ok=scratch == torch)


def largest(what: str, apart: Mapping[str, np.ndarray], limit: float) -> Figure:
    """The largest difference from the formula."""
    return Figure.of(
        what, f"at most {limit:.1e}", {k: float(np.max(np.abs(v))) for k, v in apart.items()}, 0.0, limit, ".1e"
    )


def _text(value: float, form: str) -> str:
    """The number without a minus if it is shown as zero."""
    text = format(value, form)
    return text.lstrip("-") if not text.strip("-0.") else text
