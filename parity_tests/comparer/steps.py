"""Optimizers, compared step by step on the same gradients.

The gradients are those of the right side's training. Both optimizers get them three times: on the parameters as they
are; on parameters that start at zero, which are sums of updates, so that a tiny update is judged at its own size; and so
with the rate dropped to a tenth on the way, which tells forms of momentum apart that agree at a constant rate. The truth
is the right side's optimizer in float64; U its own float32 error over five draws of gradients.

The two sides also train freely, each with its own gradients; their losses are reported, not judged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import scratch
from parity_tests.comparer.conventions.optimizers import RULES, deviations
from parity_tests.comparer.report import Cause, Measurement, StepLine, first_element
from parity_tests.comparer.sides import Side, TorchSide
from parity_tests.comparer.values import array, moved
from parity_tests.sides import Numbers
from parity_tests.tolerance import DRAWS, distance, float32_limit, ulp

if TYPE_CHECKING:
    from parity_tests.comparer.comparison import Comparison

DROP = 0.5  # the rate drops to a tenth when this share of the steps is over
Trajectory = list[Numbers]


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


def compare_steps(owner: Comparison, optimizer: Any, steps: int) -> None:
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
                side.load(name, value)  # type: ignore[attr-defined]
    owner.report.steps = [
        StepLine(t + 1, 0.0, 4.0, "", own_losses[t] if t < len(own_losses) else None, losses[t] if losses else None) for t in range(steps)
    ]
    if not gradients:
        owner.report.note("no gradients: the optimizers were not compared")
        return
    failures: list[tuple[tuple[int, int], Measurement]] = []
    evidence: list[tuple[Pass, Trajectory, Trajectory, dict[str, float]]] = []
    kind = ""
    for number, way in enumerate(PASSES):
        if way.drop and steps < 3:
            continue
        ours, left_optimizer = _run(makers[0], owner.left, starts, gradients, way, np.float32)
        u: list[dict[str, float]] = [{} for _ in range(steps)]
        for draw in range(DRAWS):
            sample = moved(gradients, np.random.default_rng([owner.seed, draw])) if draw else gradients
            rough, right_optimizer = _run(makers[1], owner.right, starts, sample, way, np.float32)
            exact, _ = _run(makers[1], owner.right, starts, sample, way, np.float64)
            truth, like = (exact, rough) if draw == 0 else (truth, like)
            for t, error in enumerate(_distances(rough, exact, rough)):
                for what, value in error.items():
                    u[t][what] = max(u[t].get(what, 0.0), u[t - 1].get(what, 0.0) if t else 0.0, value)
        kind = type(right_optimizer).__name__
        plain = not isinstance(left_optimizer, torch.optim.Optimizer | scratch.optim.Optimizer)
        failures += _judge(owner, number, way, kind, ours, truth, like, u, plain)
        limits = {what: float32_limit(value) for what, value in u[-1].items()}
        evidence.append((way, ours, truth, limits))
    failures.sort(key=lambda item: item[0])
    if failures:
        first = failures[0][1]
        cause = explain(kind, right_optimizer, first.where, starts, gradients, evidence)
        for _, m in failures:
            m.cause = cause
    owner.report.measurements += [m for _, m in failures]


def _judge(
    owner: Comparison, number: int, way: Pass, kind: str, ours: Trajectory, truth: Trajectory, like: Trajectory,
    u: list[dict[str, float]], plain: bool,
) -> list[tuple[tuple[int, int], Measurement]]:
    """The first step at which each parameter or state entry parts; the others become one line of agreement."""
    failures: dict[str, tuple[tuple[int, int], Measurement]] = {}
    agreed: dict[str, Measurement] = {}
    for t, errors in enumerate(_distances(ours, truth, like)):
        line = owner.report.steps[t]
        for what, error in errors.items():
            entry, _, name = what.partition(" ")
            if what not in ours[t] and plain and entry != "theta":
                owner.report.note("the left optimizer shows no state: parameters alone are compared")
                continue
            limit = float32_limit(u[t].get(what, 0.0))
            m = Measurement(name, kind, "step", f"{entry} after step {t + 1}", error, limit, note=way.text)
            if error / limit >= line.error / line.limit:
                line.error, line.limit, line.what = error, limit, f"{entry} of {name}"
            if m.ok:
                agreed.setdefault(what, m)
                if error / limit > agreed[what].error / agreed[what].limit:
                    agreed[what] = m
            elif what not in failures:
                if what in ours[t] and what in truth[t]:
                    unit = ulp(truth[t][what].astype(np.float64), np.float32) if truth[t][what].size else 1.0
                    history = max(float(ulp(n[what].astype(np.float64), np.float32)) for n in truth[: t + 1] if what in n)
                    m.first = first_element(ours[t][what], truth[t][what], limit * history / unit)
                else:
                    m.note = f"{entry} is missing on the {'left' if what not in ours[t] else 'right'}"
                failures[what] = (2 * (way.drop * 1) * 10**6 + t, entry == "theta"), m
    owner.report.measurements += [m for what, m in agreed.items() if what not in failures]
    return list(failures.values())


def _train(owner: Comparison, maker: Any, side: Side, names: list[str], steps: int) -> tuple[list[Numbers], list[float]]:
    """Free training of one side: the gradients of every step under the right's names, and the losses."""
    left = side is owner.left
    back = {theirs: ours for ours, theirs in owner.pairing.names.items()} if left else {}
    own = {name: back.get(name, name) for name in names}
    parameters = {name: _live(side, own[name]) for name in names}
    optimizer = _make(maker, list(parameters.values()))
    gradients, losses = [], []
    for t in range(steps):
        numbers = side.run(owner.inputs, owner.target, True, owner.seed + t, owner.cotangent)
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
                    side.load(own[name], parameter.data)  # type: ignore[attr-defined]
    return [g for g in gradients if g], losses


def _live(side: Side, name: str) -> Any:
    """The parameter that the side computes with, or one that stands for a plain array."""
    if isinstance(side, TorchSide):
        return dict(side.model.named_parameters())[name]
    slot = side.slots[name]  # type: ignore[attr-defined]
    holder = slot._holder()
    return holder if hasattr(holder, "grad") else scratch.nn.Parameter(np.array(holder))


def _make(maker: Any, parameters: list[Any]) -> Any:
    from parity_tests.comparer.comparison import CompareError

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


def _run(
    maker: Any, side: Side, starts: Numbers, gradients: list[Numbers], way: Pass, dtype: Any
) -> tuple[Trajectory, Any]:
    """Parameters and state after every step, on parameters of its own."""
    values = {name: np.zeros_like(v) if way.zeros else np.array(v) for name, v in starts.items()}
    if isinstance(side, TorchSide):
        parameters: dict[str, Any] = {n: torch.nn.Parameter(torch.tensor(v.astype(dtype))) for n, v in values.items()}
    else:
        parameters = {n: scratch.nn.Parameter(v.astype(dtype)) for n, v in values.items()}
    optimizer = _make(maker, list(parameters.values()))
    trajectory = []
    for t, found in enumerate(gradients):
        if way.drop and t == int(DROP * len(gradients)):
            _scale_rate(optimizer, 0.1)
        for name, parameter in parameters.items():
            _set_gradient(parameter, found.get(name))
        optimizer.step()
        numbers: Numbers = {}
        for name, parameter in parameters.items():
            state = getattr(optimizer, "state", {})
            entries = state.get(parameter, {}) if isinstance(state, dict) else {}
            for key, value in entries.items():
                if value is not None and not isinstance(value, list | tuple):
                    plain = isinstance(value, int | float)
                    numbers[f"{key} {name}"] = np.array(array(value), dtype if plain else None)
            numbers[f"theta {name}"] = np.array(array(parameter.data))
        trajectory.append(numbers)
    return trajectory, optimizer


def _scale_rate(optimizer: Any, factor: float) -> None:
    if hasattr(optimizer, "param_groups"):
        for group in optimizer.param_groups:
            group["lr"] *= factor
    elif hasattr(optimizer, "lr"):
        optimizer.lr *= factor


def _distances(ours: Trajectory, truth: Trajectory, like: Trajectory) -> list[dict[str, float]]:
    """For each step and quantity the distance, in ulp of the largest value that it has had so far."""
    largest: dict[str, float] = {}
    errors: list[dict[str, float]] = []
    for a, b, kind in zip(ours, truth, like, strict=True):
        found = {}
        for what in dict.fromkeys((*b, *a)):
            if what not in a or what not in b:
                found[what] = math.inf
                continue
            value, exact = a[what], b[what]
            if value.dtype != kind[what].dtype or value.shape != exact.shape:
                found[what] = math.inf
                continue
            unit = ulp(exact.astype(np.float64), value.dtype) if exact.size and value.dtype.kind == "f" else 1.0
            largest[what] = max(largest.get(what, 0.0), unit)
            found[what] = distance(value, exact) * unit / largest[what]
        errors.append(found)
    return errors


def explain(
    kind: str, optimizer: Any, name: str, starts: Numbers, gradients: list[Numbers], evidence: list[Any]
) -> Cause | None:
    """The deviation of the rule that gives what the left gives, in all passes, for the parameter that parts first."""
    rule = RULES.get(kind)
    if rule is None or not all(name in g for g in gradients):
        return None
    options = {key: value for key, value in optimizer.param_groups[0].items() if key != "params"}
    lr = float(options["lr"]) / (0.1 if any(way.drop for way, *_ in evidence) else 1)  # the last run has dropped it
    grads = [g[name].astype(np.float64) for g in gradients]
    best: tuple[float, Cause] | None = None
    for cause, text, changed in deviations(kind, options):
        worst, after = 0.0, 0.0
        before = 0.0
        for way, ours, truth, limits in evidence:
            start = np.zeros_like(grads[0]) if way.zeros else starts[name].astype(np.float64)
            drop = int(DROP * len(grads)) if way.drop else len(grads)
            rates = [lr * changed.get("rate_factor", 1.0) * (0.1 if t >= drop else 1.0) for t in range(len(grads))]
            with np.errstate(all="ignore"):
                path = list(rule(start, grads, rates, changed))
            what = f"theta {name}"
            errors = _distances([n for n in ours], [{what: p} for p in path], [{what: n[what]} for n in ours])
            error = max(e[what] for e in errors)
            worst = max(worst, error / limits[what])
            after = max(after, error)
            before = max(before, max(float(np.abs(n[what] - e[what]).max(initial=0.0)) for n, e in zip(ours, truth, strict=True)))
        if worst <= 1 and (best is None or worst < 0.5 * best[0] - 0.02):
            best = worst, Cause(cause, text, before, after)
    return best[1] if best else None
