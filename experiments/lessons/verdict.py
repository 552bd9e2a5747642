"""The verdict on an answer, and how one array differs from another in words."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from experiments.lessons.trace import decimal

FACTORS = {-1.0: "its sign is wrong", 2.0: "it is twice too large", 0.5: "it is half of what it should be"}
TELLING = (*FACTORS.values(), "nothing was returned")  # no search for a mistake is needed
TOLERANCE = {"rtol": 1e-7, "atol": 1e-9}


@dataclass
class Verdict:
    """Whether a backward is right, which gradients are, and what is wrong with the others, in words."""

    ok: bool = True
    right: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"right: {', '.join(self.right)}"] if self.right else []
        return "\n".join([*lines, *(f"WRONG: {text}" for text in self.wrong), *(["All right."] if self.ok else [])])


def close(ours: np.ndarray, expected: np.ndarray) -> bool:
    """The same numbers, up to rounding."""
    return ours.shape == expected.shape and np.allclose(ours, expected, **TOLERANCE, equal_nan=True)


def failed(what: str, error: Exception) -> Verdict:
    """The verdict on an answer that raised."""
    if isinstance(error, NotImplementedError):
        return Verdict(False, wrong=[f"{what} is not written yet: {error}. `hint` shows how to begin."])
    where = traceback.extract_tb(error.__traceback__)[-1]
    text = f"{what} raises {type(error).__name__} in line {where.lineno}, `{where.line}`: {error}"
    return Verdict(False, wrong=[text])


def is_told(verdict: Verdict) -> bool:
    """Whether the words say what the mistake is, so that none has to be searched for."""
    return all(any(pattern in text for pattern in TELLING) for text in verdict.wrong)


def told(what: str, ours: np.ndarray | None, expected: np.ndarray) -> str:
    """How one gradient differs."""
    if ours is None:
        return f"{what} was not returned"
    if ours.shape != expected.shape:
        turned = ", which is its transpose" if ours.shape == expected.shape[::-1] else ""
        return f"{what} has the shape {ours.shape}{turned}; it must have {expected.shape}"
    if not ours.any():
        return f"{what} is zero everywhere: nothing was returned or added for it"
    place = np.unravel_index(np.argmax(np.abs(ours - expected)), expected.shape)
    at = str(list(map(int, place))) if place else ""
    said = f"{what}{at} is {decimal(ours[place])}, torch has {decimal(expected[place])}"
    return f"{said}{''.join(f'; {text}' for text in _pattern(ours, expected))}"


def _pattern(ours: np.ndarray, expected: np.ndarray) -> Iterator[str]:
    """What a difference looks like: one factor for all, or one number for each row."""
    nonzero = np.abs(expected) > 1e-9
    ratios = ours[nonzero] / expected[nonzero]
    if ratios.size and np.allclose(ratios, ratios.flat[0], rtol=1e-7) and np.allclose(ours[~nonzero], 0, atol=1e-9):
        factor = round(float(ratios.flat[0]), 9)
        if factor in FACTORS or ours.size > 1:
            yield FACTORS.get(factor, f"every number is {decimal(factor)} times what it should be")
    elif ours.ndim and ours.shape[-1] > 1:
        apart = ours - expected
        if np.allclose(apart, apart[..., :1], rtol=1e-7, atol=1e-9):
            yield "in each row every number is off by the same amount: a sum or a mean over the row is missing or wrong"
