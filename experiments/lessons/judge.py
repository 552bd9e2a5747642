"""Is a backward right? On the example's numbers against torch's autograd, then by `compare`; a mistake is named."""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

import scratch
from experiments.lessons import exercise
from experiments.lessons.example import Example, given, prepared, run
from experiments.lessons.mistakes import alike, mistakes
from experiments.lessons.small import small
from experiments.lessons.trace import decimal
from parity_tests import compare
from parity_tests.checks.sides import differentiable
from parity_tests.comparer.findings import CompareError
from parity_tests.engine import SCRATCH, TORCH, find
from parity_tests.table.row import Layer

FACTORS = {-1.0: "its sign is wrong", 2.0: "it is twice too large", 0.5: "it is half of what it should be"}
TELLING = (*FACTORS.values(), "times what it should be", "nothing was returned")  # no search for a mistake is needed
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


def judge(name: str, kind: Any) -> Verdict:
    """Judge the backward of this class, which is the layer `name` with another backward."""
    row = small(name)
    assert row is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            got = run(row, kind)
        except NotImplementedError as error:
            return Verdict(False, wrong=[f"backward is not written yet: {error}. `hint` shows how to begin."])
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            text = f"backward raises {type(error).__name__} in line {where.lineno}, `{where.line}`: {error}"
            return Verdict(False, wrong=[text])
        verdict = _numbers(got)
        if verdict.ok:
            verdict = _compared(row, kind, verdict)
        elif not all(any(pattern in text for pattern in TELLING) for text in verdict.wrong):
            verdict.wrong += list(_named(row, name, got))
    return verdict


def _numbers(got: Example) -> Verdict:
    """Each gradient of the example beside torch's."""
    verdict = Verdict()
    for what, expected in got.torch.items():
        if not what.startswith("d"):
            continue
        ours = got.scratch.get(what)
        if (
            ours is not None
            and ours.shape == expected.shape
            and np.allclose(ours, expected, **TOLERANCE, equal_nan=True)
        ):
            verdict.right.append(what)
        else:
            verdict.ok = False
            verdict.wrong.append(_told(what, ours, expected))
    return verdict


def _told(what: str, ours: np.ndarray | None, expected: np.ndarray) -> str:
    """How one gradient differs."""
    if ours is None:
        return f"{what} was not returned"
    if ours.shape != expected.shape:
        turned = ", which is its transpose" if ours.shape == expected.shape[::-1] else ""
        return f"{what} has the shape {ours.shape}{turned}; it must have {expected.shape}"
    if not ours.any():
        return f"{what} is zero everywhere: nothing was returned or added for it"
    place = np.unravel_index(np.argmax(np.abs(ours - expected)), expected.shape)
    said = f"{what}{list(map(int, place))} is {decimal(ours[place])}, torch has {decimal(expected[place])}"
    return f"{said}{''.join(f'; {text}' for text in _pattern(ours, expected))}"


def _pattern(ours: np.ndarray, expected: np.ndarray) -> Iterator[str]:
    """What a difference looks like: one factor for all, or one number for each row."""
    nonzero = np.abs(expected) > 1e-9
    ratios = ours[nonzero] / expected[nonzero]
    if ratios.size and np.allclose(ratios, ratios.flat[0], rtol=1e-7) and np.allclose(ours[~nonzero], 0, atol=1e-9):
        factor = round(float(ratios.flat[0]), 9)
        yield FACTORS.get(factor, f"every number is {decimal(factor)} times what it should be")
    elif ours.ndim and ours.shape[-1] > 1:
        apart = ours - expected
        if np.allclose(apart, apart[..., :1], rtol=1e-7, atol=1e-9):
            yield "in each row every number is off by the same amount: a sum or a mean over the row is missing or wrong"


def _named(row: Layer, name: str, got: Example) -> Iterator[str]:
    """The mistake that gives the same numbers, if one of the known ones does."""
    gradients = _gradients(got)
    for mistake in mistakes(find(scratch, name)):
        try:
            if alike(_gradients(run(row, mistake.kind)), gradients):
                yield mistake.words
                return
        except Exception:  # such a backward does not run
            continue


def _gradients(one: Example) -> dict[str, np.ndarray]:
    return {name: array for name, array in one.scratch.items() if name.startswith("d")}


def _compared(row: Layer, kind: Any, verdict: Verdict) -> Verdict:
    """The verdict of `compare`, in training mode on the example; what it cannot compare is left at the numbers."""
    ours, theirs, inputs = prepared(SCRATCH.replacing(row.name, kind), row), prepared(TORCH, row), given(row)
    free = [place for place, x in enumerate(inputs) if x.dtype.kind != "f" or differentiable(row)[place]]
    if len(free) < len(inputs):  # a target of floats, which has no gradient
        ours, theirs = _Fixed(ours, inputs, free), _FixedTorch(theirs, inputs, free)
        inputs = tuple(inputs[place] for place in free)
    try:
        report = compare(ours, theirs, inputs, mode="train")
    except CompareError:
        return verdict
    if not report.ok:
        verdict.ok = False
        verdict.wrong.append(f"{report.verdict()}; {report.cause or 'no known convention explains it'}")
    return verdict


class _Fixed:
    """A layer of scratch whose other inputs are given."""

    def __init__(self, layer: Any, inputs: tuple[Any, ...], free: list[int]) -> None:
        self.layer, self.inputs, self.free = layer, [*inputs], free

    def forward(self, *given: Any) -> Any:
        return self.layer(*_merged(self.inputs, self.free, given))

    def backward(self, dy: Any) -> Any:
        gradients = self.layer.backward(dy)
        if not isinstance(gradients, tuple):
            return gradients
        found = [gradient for gradient in gradients if gradient is not None]
        return found[0] if len(found) == 1 else tuple(found)


class _FixedTorch(torch.nn.Module):
    """The same for torch's."""

    def __init__(self, layer: Any, inputs: tuple[Any, ...], free: list[int]) -> None:
        super().__init__()
        self.layer, self.inputs, self.free = layer, [TORCH.native(x) for x in inputs], free

    def forward(self, *given: Any) -> Any:
        kind = given[0].dtype
        inputs = [x.to(kind) if x.is_floating_point() else x for x in self.inputs]
        return self.layer(*_merged(inputs, self.free, given))


def _merged(inputs: list[Any], free: list[int], given: tuple[Any, ...]) -> list[Any]:
    merged = [*inputs]
    for place, value in zip(free, given, strict=True):
        merged[place] = value
    if isinstance(given[0], np.ndarray):
        merged = [x.astype(given[0].dtype) if x.dtype.kind == "f" else x for x in merged]
    return merged


def main(name: str, kind: Any, arguments: list[str]) -> int:
    """The exercise's own command: judge, or show a hint."""
    if arguments[:1] == ["hint"]:
        level = arguments[1] if len(arguments) > 1 else "1"
        if level not in ("1", "2", "3"):
            print(f"hint: 1, 2 or 3, got {level!r}.", file=sys.stderr)
            return 2
        print(exercise.hint(name, int(level)))
        return 0
    verdict = judge(name, kind)
    print(f"{name}\n{verdict}")
    return 0 if verdict.ok else 1
