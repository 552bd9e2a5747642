"""Optimizers, compared step by step on the same gradients.

The gradients are those of the right side's training. Both optimizers get them three times: on the parameters as they
are; on parameters that start at zero, which are sums of updates, so that a tiny one is judged at its own size; and so
with the rate dropped to a tenth on the way, which tells forms of momentum apart that agree at a constant rate. The
truth is the right side's optimizer in float64; U its own float32 error over five draws of gradients.

The two sides also train freely, each with its own gradients; their losses are reported, not judged.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import scratch
from parity_tests.comparer.case import Case
from parity_tests.comparer.conventions.optimizers import RULES, deviations
from parity_tests.comparer.findings import Cause, CompareError, Measurement, StepLine, first_element
from parity_tests.comparer.side import Side
from parity_tests.comparer.torch_side import TorchSide
from parity_tests.comparer.values import Numbers, array, moved
from parity_tests.rule import DRAWS, distance, float32_limit, ulp

DROP = 0.5  # the rate drops to a tenth when this share of the steps is over


@dataclass(frozen=True)
class Pass:
    """One way to run an optimizer over the recorded gradients."""

    text: str
    zeros: bool
    drop: bool


PASSES = (
    Pass("", False, False),
    Pass("from parameters at zero, where updates show at their own size", True, False),
    Pass("from zero with the rate dropped to a tenth on the way", True, True),
)


def compare_steps(owner: Case, optimizer: Any, steps: int) -> None:
    """Adds measurements of every step to the report."""
    makers = optimizer if isinstance(optimizer, tuple | list) else (optimizer, optimizer)
    sides = owner.left, owner.right
    names = [name for name in owner.right.parameter_names() if name in owner.pairing.names.values()]
    starts = {name: np.array(owner.right.state()[name]) for name in names}
    saved = [{name: np.array(value) for name, value in side.state().items()} for side in sides]
    try:
        gradients, losses = _train(owner, makers[1], owner.right, names, steps)
        _, own_losses = _train(owner, makers[0], owner.left, names, steps) if owner.left.can_backward() else ([], [])
    finally:
        for side, values in zip(sides, saved, strict=True):
            for name, value in values.items():
                side.load(name, value)
    owner.report.steps = [
        StepLine(t + 1, 0.0, 4.0, "", own_losses[t] if t < len(own_losses) else None, losses[t] if losses else None)
        for t in range(steps)
    ]
    if not gradients:
        owner.report.note("no gradients: the optimizers were not compared")
        return
    judge = Judge(owner, makers, starts, gradients)
    for way in PASSES:
        if not way.drop or steps >= 3:
            judge.run(way)
    judge.close()


class Judge:
    """Optimizers of both sides in lockstep, so that no trajectory has to be kept."""

    def __init__(self, owner: Case, makers: Any, starts: Numbers, gradients: list[Numbers]) -> None:
        self.owner, self.makers, self.starts, self.gradients = owner, makers, starts, gradients
        self.kind, self.plain = "", False
        self.failures: dict[str, tuple[tuple[bool, int, bool], Measurement]] = {}
        self.agreed: dict[str, Measurement] = {}
        self.passes: list[Pass] = []
        self.optimizer: Any = None
        self.limits: dict[tuple[Pass, str], float] = {}

    def run(self, way: Pass) -> None:
        """First the right side's own error over the draws, then the left side's against the limits that follow."""
        self.passes.append(way)
        u: list[dict[str, float]] = [{} for _ in self.gradients]
        left, right = self.owner.left, self.owner.right
        for draw in range(DRAWS):
            rough, exact = (self.walk(self.makers[1], right, way, dtype, draw) for dtype in (np.float32, np.float64))
            largest: dict[str, float] = {}
            for t, ((ours, _), (truth, _)) in enumerate(zip(rough, exact, strict=True)):
                for what, error in _errors(ours, truth, ours, largest).items():
                    u[t][what] = max(u[t].get(what, 0.0), u[t - 1].get(what, 0.0) if t else 0.0, error)
        rough, exact = (self.walk(self.makers[1], right, way, dtype) for dtype in (np.float32, np.float64))
        largest = {}
        walks = zip(self.walk(self.makers[0], left, way, np.float32), rough, exact, strict=True)
        for t, ((ours, optimizer), (like, self.optimizer), (truth, _)) in enumerate(walks):
            self.kind = type(self.optimizer).__name__
            self.plain = not isinstance(optimizer, torch.optim.Optimizer | scratch.optim.Optimizer)
            for what, error in _errors(ours, truth, like, largest).items():
                limit = float32_limit(u[t].get(what, 0.0))
                self.limits[way, what] = limit
                self.judge(way, t, what, error, limit, ours, truth, largest)

    def judge(
        self,
        way: Pass,
        t: int,
        what: str,
        error: float,
        limit: float,
        ours: Numbers,
        truth: Numbers,
        largest: dict[str, float],
    ) -> None:
        """The first step at which a parameter or state entry parts; where it agrees, its worst step."""
        entry, _, name = what.partition(" ")
        if what not in ours and self.plain and entry != "theta":
            self.owner.report.note("the left optimizer shows no state: parameters alone are compared")
            return
        line = self.owner.report.steps[t]
        if error / limit >= line.error / line.limit:
            line.error, line.limit, line.what = error, limit, f"{entry} of {name}"
        m = Measurement(name, self.kind, "step", f"{entry} after step {t + 1}", error, limit, note=way.text)
        if m.ok:
            kept = self.agreed.setdefault(what, m)
            self.agreed[what] = m if error / limit > kept.error / kept.limit else kept
            return
        order = way.drop, t, entry == "theta"
        if what in self.failures and self.failures[what][0] <= order:
            return
        if what in ours and what in truth:
            own = ulp(truth[what].astype(np.float64), np.float32) if truth[what].size else 1.0
            m.first = first_element(ours[what], truth[what], limit * largest.get(what, own) / own)
        else:
            m.note = f"{entry} is missing on the {'left' if what not in ours else 'right'}"
        self.failures[what] = order, m

    def close(self) -> None:
        """Hand over what was measured, and the cause of what parts."""
        measured = self.owner.report.measurements
        measured += [m for what, m in self.agreed.items() if what not in self.failures]
        failures = [m for _, m in sorted(self.failures.values(), key=lambda item: item[0])]
        if failures:
            cause = self.explain(failures[0].where)
            for m in failures:
                m.cause = cause
        measured += failures

    def walk(self, maker: Any, side: Side, way: Pass, dtype: Any, draw: int = 0) -> Iterator[tuple[Numbers, Any]]:
        """Parameters and state after every step, on parameters of its own. The arrays are live."""
        values = {name: np.zeros(v.shape, dtype) if way.zeros else v.astype(dtype) for name, v in self.starts.items()}
        make = (
            (lambda v: torch.nn.Parameter(torch.from_numpy(v))) if isinstance(side, TorchSide) else scratch.nn.Parameter
        )
        parameters = {name: make(value) for name, value in values.items()}
        optimizer = _make(maker, list(parameters.values()))
        rng = np.random.default_rng([self.owner.seed, draw])
        for t, found in enumerate(self.gradients):
            if way.drop and t == int(DROP * len(self.gradients)):
                _scale_rate(optimizer, 0.1)
            found = moved(found, rng) if draw else found
            for name, parameter in parameters.items():
                _set_gradient(parameter, found.get(name))
            optimizer.step()
            yield dict(_entries(optimizer, parameters, dtype)), optimizer

    def explain(self, name: str) -> Cause | None:
        """The deviation of the rule that gives what the left gives, in all passes, for the parameter named."""
        rule = RULES.get(self.kind)
        if rule is None or not all(name in g for g in self.gradients):
            return None
        options = {key: value for key, value in self.optimizer.param_groups[0].items() if key != "params"}
        lr = float(options["lr"]) / (0.1 if self.passes[-1].drop else 1)  # the last pass has dropped it
        grads = [g[name].astype(np.float64) for g in self.gradients]
        what = f"theta {name}"
        paths = {
            (way, side): [np.array(n[what]) for n, _ in self.walk(self.makers[i], side, way, dtype)]
            for way in self.passes
            for i, (side, dtype) in enumerate(((self.owner.left, np.float32), (self.owner.right, np.float64)))
        }
        best: tuple[float, Cause] | None = None
        for cause, text, changed in deviations(self.kind, options):
            worst = before = after = 0.0
            for way in self.passes:
                ours, truth = paths[way, self.owner.left], paths[way, self.owner.right]
                start = np.zeros_like(grads[0]) if way.zeros else self.starts[name].astype(np.float64)
                drop = int(DROP * len(grads)) if way.drop else len(grads)
                rates = [lr * changed.get("rate_factor", 1.0) * (0.1 if t >= drop else 1.0) for t in range(len(grads))]
                with np.errstate(all="ignore"):
                    path = list(rule(start, grads, rates, changed))
                largest: dict[str, float] = {}
                errors = [
                    _errors({what: a}, {what: b}, {what: a}, largest)[what] for a, b in zip(ours, path, strict=True)
                ]
                worst, after = max(worst, max(errors) / self.limits[way, what]), max(after, *errors)
                before = max(before, *(float(np.abs(a - b).max(initial=0.0)) for a, b in zip(ours, truth, strict=True)))
            if worst <= 1 and (best is None or worst < 0.5 * best[0] - 0.02):
                best = worst, Cause(cause, text, before, after)
        return best[1] if best else None


def _entries(optimizer: Any, parameters: dict[str, Any], dtype: Any) -> Iterator[tuple[str, np.ndarray]]:
    """State by name, then the parameter: what parts first is the state. Python's numbers take the parameter's dtype."""
    state = getattr(optimizer, "state", {})
    for name, parameter in parameters.items():
        for key, value in (state.get(parameter, {}) if isinstance(state, dict) else {}).items():
            if value is not None and not isinstance(value, list | tuple):
                yield f"{key} {name}", np.asarray(array(value), dtype if isinstance(value, int | float) else None)
        yield f"theta {name}", np.asarray(array(parameter.data))


def _errors(ours: Numbers, truth: Numbers, like: Numbers, largest: dict[str, float]) -> dict[str, float]:
    """The distance of every quantity, in ulp of the largest value that it has had so far."""
    found = {}
    for what in dict.fromkeys((*truth, *ours)):
        if what not in ours or what not in truth:
            found[what] = math.inf
            continue
        value, exact = ours[what], truth[what]
        if value.dtype != like[what].dtype or value.shape != exact.shape:
            found[what] = math.inf
            continue
        unit = ulp(exact, value.dtype) if exact.size and value.dtype.kind == "f" else 1.0
        largest[what] = max(largest.get(what, 0.0), unit)
        found[what] = distance(value, exact) * unit / largest[what]
    return found


def _train(owner: Case, maker: Any, side: Side, names: list[str], steps: int) -> tuple[list[Numbers], list[float]]:
    """Free training of one side: the gradients of every step under the right's names, and the losses."""
    left = side is owner.left
    back = {theirs: ours for ours, theirs in owner.pairing.names.items()} if left else {}
    own = {name: back.get(name, name) for name in names}
    parameters = {name: _live(side, own[name]) for name in names}
    optimizer = _make(maker, list(parameters.values()))
    gradients, losses = [], []
    for t in range(steps):
        numbers = side.run(owner.given, owner.target, True, owner.seed + t, owner.cotangent(), wanted=set(own.values()))
        found = {name: numbers[f"grad {own[name]}"] for name in names if f"grad {own[name]}" in numbers}
        if owner.pairing.transposed and left:
            gradients.append({n: g.T if n in owner.pairing.transposed else g for n, g in found.items()})
        else:
            gradients.append(found)
        if numbers["output"].ndim == 0:
            losses.append(float(numbers["output"]))
        for name, parameter in parameters.items():
            _set_gradient(parameter, found.get(name))
        optimizer.step()
        if not isinstance(side, TorchSide):
            for name, parameter in parameters.items():
                if side.state()[own[name]] is not parameter.data:
                    side.load(own[name], parameter.data)
    return [g for g in gradients if g], losses


def _live(side: Side, name: str) -> Any:
    """The parameter that the side computes with, or one that stands for a plain array."""
    if isinstance(side, TorchSide):
        return dict(side.model.named_parameters())[name]
    slot = side.slots[name]  # type: ignore[attr-defined]
    holder = slot.holder()
    return holder if hasattr(holder, "grad") else scratch.nn.Parameter(np.array(holder))


def _make(maker: Any, parameters: list[Any]) -> Any:
    if isinstance(maker, str):
        package = torch.optim if isinstance(parameters[0], torch.nn.Parameter) else scratch.optim
        return getattr(package, maker)(parameters)
    try:
        return maker(parameters)
    except TypeError as error:
        raise CompareError(
            f"compare: the optimizer cannot take {type(parameters[0]).__module__} parameters: {error} "
            "Give a pair, (of the left's parameters, of the right's)."
        ) from error


def _set_gradient(parameter: Any, gradient: np.ndarray | None) -> None:
    if gradient is None:
        parameter.grad = None
    elif isinstance(parameter, torch.nn.Parameter):
        parameter.grad = torch.tensor(gradient, dtype=parameter.dtype, device=parameter.device)
    else:
        parameter.grad = np.array(gradient, parameter.data.dtype)


def _scale_rate(optimizer: Any, factor: float) -> None:
    if hasattr(optimizer, "param_groups"):
        for group in optimizer.param_groups:
            group["lr"] *= factor
    elif hasattr(optimizer, "lr"):
        optimizer.lr *= factor
