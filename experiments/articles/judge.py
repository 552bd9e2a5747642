"""How a figure is judged: against the formula up to roundings, or within the range of chance."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from experiments.articles.article import Figure

SLACK = 64 * float(np.finfo(np.float64).eps)  # a few dozen roundings in float64
DEVIATIONS = 4.0  # of a normal error once in 16 000 is further out


def equal_to(what: str, expected: float, values: Mapping[str, float], form: str = ".4f") -> Figure:
    """The value of the formula, up to roundings."""
    slack = SLACK * max(1.0, abs(expected))
    figure = Figure.of(what, "", values, expected - slack, expected + slack, form)
    shown = {name: _text(value, form) for name, value in (("text", expected), *values.items())}
    return Figure(what, shown["text"], shown["scratch"], shown["torch"], figure.ok)


def drawn_around(what: str, expected: float, values: Mapping[str, float], error: float, form: str = ".4f") -> Figure:
    """An average of random draws whose standard error is `error`."""
    low, high = expected - DEVIATIONS * error, expected + DEVIATIONS * error
    return Figure.of(what, f"{expected:{form}} ± {error:{form}}", values, low, high, form)


def same_bits(what: str, arrays: Mapping[str, np.ndarray]) -> Figure:
    """Both engines drew the same bits; shown as the start of their sha256."""
    scratch, torch = (
        hashlib.sha256(np.ascontiguousarray(arrays[name]).data).hexdigest()[:12] for name in ("scratch", "torch")
    )
    return Figure(what, "the same bits", scratch, torch, scratch == torch)


def largest(what: str, apart: Mapping[str, np.ndarray], limit: float) -> Figure:
    """The largest difference from the text's formula."""
    return Figure.of(
        what, f"at most {limit:.1e}", {k: float(np.max(np.abs(v))) for k, v in apart.items()}, 0.0, limit, ".1e"
    )


def _text(value: float, form: str) -> str:
    """The number without a minus if it is shown as zero."""
    text = format(value, form)
    return text.lstrip("-") if not text.strip("-0.") else text
