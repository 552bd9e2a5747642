"""Is a backward right? On the example's numbers against torch's autograd, then by `compare`; a mistake is named."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

import scratch
from experiments.lessons import exercise
from experiments.lessons.example import Example, given, prepared, run
from experiments.lessons.judge_rule import judge_rule
from experiments.lessons.mistakes import alike, mistakes
from experiments.lessons.small import small
from experiments.lessons.verdict import Verdict, close, failed, is_told, told
from parity_tests import compare
from parity_tests.checks.sides import differentiable
from parity_tests.comparer.findings import CompareError
from parity_tests.engine import SCRATCH, TORCH, find
from parity_tests.table.row import Layer


def judge(name: str, kind: Any) -> Verdict:
    """Judge an answer: the layer `name` with another backward, or another rule or function of that name."""
    row = small(name)
    if row is None:
        return judge_rule(name, kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            got = run(row, kind)
        except Exception as error:
            return failed("backward", error)
        verdict = _numbers(got)
        if verdict.ok:
            verdict = _compared(row, kind, verdict)
        elif not is_told(verdict):
            verdict.wrong += list(_named(row, name, got))
    return verdict


def _numbers(got: Example) -> Verdict:
    """Each gradient of the example beside torch's."""
    verdict = Verdict()
    for what, expected in got.torch.items():
        if not what.startswith("d"):
            continue
        ours = got.scratch.get(what)
        if ours is not None and close(ours, expected):
            verdict.right.append(what)
        else:
            verdict.ok = False
            verdict.wrong.append(told(what, ours, expected))
    return verdict


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
