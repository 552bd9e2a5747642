"""Conventions of optimizers: an update rule's options, and one or two things done another way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from parity_tests.comparer.conventions.rules import RULES, Options, walk
from parity_tests.comparer.findings import Cause

EPSILONS = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-10, 1e-12, 0.0)
BETAS = (0.9, 0.99, 0.95, 0.98, 0.999, 0.5, 0.0)
FALL = 3.0  # the least factor by which the difference must fall
SAMPLE = 256  # elements on which a rule is tried: it treats all elements alike


@dataclass(frozen=True)
class Deviation:
    """One way in which a rule is known to deviate."""

    name: str
    text: str
    changes: Options


@dataclass
class Trajectory:
    """One pass over the gradients: the rates, the left's values after every step, and the unit of each step."""

    start: np.ndarray  # (n,)
    rates: np.ndarray  # (T,)
    ours: np.ndarray  # (T, n)
    truth: np.ndarray  # (T, n)
    units: np.ndarray  # (T,), the limit of each step as a number


def deviations(kind: str, own: Options) -> Iterator[Deviation]:
    """The known ones of a rule of this kind, the common ones first."""

    def other(name: str, text: str, **changes: Any) -> Iterator[Deviation]:
        if any(own.get(key) != value for key, value in changes.items()):
            yield Deviation(name, text, changes)

    if kind == "SGD":
        yield from _momentum(own)
    if kind in ("Adam", "AdamW"):
        yield from _adam(own)
    if kind == "RAdam":
        yield from other("radam-early", "without steps before it is rectified (pytorch-optimizer)", early=False)
        yield from other("radam-early", "rectified from ρ > 4 on, as in the paper", least=4)
    if kind in ("Adam", "AdamW", "NAdam", "Adamax", "RAdam"):
        for text, how in (("in float32 (Keras, optax)", "float32"), ("by a product in float32 (tinygrad)", "product")):
            yield from other("float32-correction", f"with 1 - beta^t computed {text}", correction=how)
        single = tuple(float(np.float32(beta)) for beta in own["betas"])
        text = "with beta1 and beta2 rounded to float32, and 1 - beta^t computed in it (optax.inject_hyperparams)"
        yield Deviation("float32-betas", text, {"betas": single, "correction": "float32"})
        yield from other("step-count", "with the steps counted from 2", first=2)
        b1, b2 = own["betas"]
        for beta in BETAS:
            yield from other("betas", f"with beta1={beta:g}", betas=(beta, b2))
            yield from other("betas", f"with beta2={beta:g}", betas=(b1, beta))
        yield from other("betas", "with beta1 and beta2 exchanged", betas=(b2, b1))
    if kind == "NAdam":
        text = "with 0.96^t in the schedule of momentum, momentum_decay=1"
        yield from other("nadam-schedule", text, momentum_decay=1.0)
        text = "with a constant beta1, without the schedule of momentum (optax)"
        yield from other("nadam-schedule", text, schedule=False)
        yield from other("eps-inside", "with epsilon inside the root", eps_place="inside")
    if kind == "Adamax":
        yield from other("eps-place", "with epsilon added to the maximum", eps_place="outside")
        text = "without bias correction of the first moment"
        yield from other("adam-bias-correction", text, correct_mean=False)
    if kind == "RMSprop":
        yield from other("eps-inside", "with epsilon inside the root", eps_place="inside")
        for alpha in (0.9, 0.99, 0.999, 0.95):
            yield from other("alpha", f"with alpha={alpha:g}", alpha=alpha)
        flip = not own.get("centered", False)
        yield from other("centered", f"with centered={flip}", centered=flip)
        yield from other("accumulator-start", "with the mean square starting at 1", start=1.0)
        yield from other("bias-correction", "with a bias correction of the mean square", corrected=True)
        if own.get("momentum"):
            yield from other("sgd-lr-inside", "with lr inside the momentum buffer", form="inside")
            yield from other("momentum-missing", "without momentum", momentum=0)
    if kind == "Adagrad":
        yield from other("eps-inside", "with epsilon inside the root", eps_place="inside")
        for start in (0.1, 0.0, 1.0):
            text = f"with the accumulator starting at {start:g}"
            yield from other("accumulator-start", text, initial_accumulator_value=start)
    if kind == "Adadelta":
        for rho in (0.9, 0.95, 0.99):
            yield from other("rho", f"with rho={rho:g}", rho=rho)
        yield from other("eps-outside", "with epsilon outside the roots", eps_place="outside")
        text = "with lr inside the accumulated updates"
        yield from other("sgd-lr-inside", text, form="inside")
    if kind == "Rprop":
        text = "with the step of the call before, 0 at first (optax)"
        for scaled in (True, False):
            yield from other("late-step", text, form="late", scaled=scaled)
        yield from other("turned-sign", "with a step where the gradient's sign has just turned", form="kept")
        for etas in ((0.5, 1.2), (0.5, 1.1), tuple(reversed(own["etas"]))):
            yield from other("etas", f"with etas=({etas[0]:g}, {etas[1]:g})", etas=etas)
    for eps in EPSILONS if "eps" in own else ():
        yield from other("eps-value", f"with eps={eps:g}", eps=eps)
    yield from _decays(own)
    yield from other("maximize", "with the sign of the gradient turned", maximize=not own.get("maximize", False))
    for factor in (10.0, 0.1, 0.5, 2.0, 100.0, 0.01):
        yield from other("lr", f"with {factor:g} times the learning rate", rate_factor=factor)


def _momentum(own: Options) -> Iterator[Deviation]:
    m = own["momentum"]
    if own["dampening"]:
        yield Deviation("dampening", "without dampening", {"dampening": 0.0})
        yield Deviation("dampening", "with the first gradient dampened too", {"form": "zero"})
    if m:
        text = "with lr inside the velocity, v = m v - lr g (Keras, scikit-learn)"
        yield Deviation("sgd-lr-inside", text, {"form": "inside"})
        yield Deviation("sgd-ema", "with a mean of gradients as velocity, v = m v + (1 - m) g", {"form": "ema"})
        other = not own["nesterov"]
        yield Deviation("nesterov", f"with nesterov={other}", {"nesterov": other})
        without = {"momentum": 0.0, "nesterov": False, "dampening": 0.0}
        yield Deviation("momentum-missing", "without momentum", without)
        for damp in (m, 0.1, 0.5):
            if damp != own["dampening"]:
                yield Deviation("dampening", f"with dampening={damp:g}", {"dampening": damp})
    for momentum in (0.9, 0.99, 0.95, 0.5):
        if momentum != m:
            yield Deviation("momentum", f"with momentum={momentum:g}", {"momentum": momentum})


def _adam(own: Options) -> Iterator[Deviation]:
    hat = "with epsilon-hat: epsilon added to the uncorrected root (Keras, scikit-learn)"
    yield Deviation("adam-eps-hat", hat, {"eps_place": "hat"})
    yield Deviation("adam-eps-inside", "with epsilon inside the root", {"eps_place": "inside"})
    text = "without bias correction"
    yield Deviation("adam-bias-correction", text, {"correct_mean": False, "correct_square": False})
    yield Deviation("adam-bias-correction", f"{text} of the second moment", {"correct_square": False})
    yield Deviation("adam-bias-correction", f"{text} of the first moment", {"correct_mean": False})
    other = not own.get("amsgrad", False)
    yield Deviation("amsgrad", f"with amsgrad={other}", {"amsgrad": other})
    yield Deviation("nesterov", "with Nesterov's look ahead (NAdam)", {"lookahead": True})


def _decays(own: Options) -> Iterator[Deviation]:
    forms = {
        "decoupled": ("decay-decoupled", "with decoupled weight decay, theta *= 1 - lr wd"),
        "coupled": ("decay-coupled", "with weight decay added to the gradient (L2)"),
        "after": ("decay-after", "with the decay after the step, of the new parameters"),
        "plain": ("decay-plain", "with weight decay not multiplied by lr"),
    }
    if own.get("weight_decay"):
        for form, (name, text) in forms.items():
            if form != own["decay"]:
                yield Deviation(name, text, {"decay": form})
        for wd, whose in ((1e-4, " (optax)"), (0.004, " (Keras)"), (0.01, "")):
            if wd != own["weight_decay"]:
                yield Deviation("decay-value", f"with weight_decay={wd:g}{whose}", {"weight_decay": wd})
        yield Deviation("decay-missing", "without weight decay", {"weight_decay": 0})
        yield Deviation("decay-half", "with half the weight decay", {"weight_decay": own["weight_decay"] / 2})
        yield Deviation("decay-half", "with twice the weight decay", {"weight_decay": own["weight_decay"] * 2})
        return
    for wd in (0.01, 1e-4, 0.1, 1e-3, 5e-4):
        decoupled = {"weight_decay": wd, "decay": "decoupled"}
        yield Deviation("decay-extra", f"with decoupled weight_decay={wd:g}", decoupled)
        coupled = {"weight_decay": wd, "decay": "coupled"}
        yield Deviation("decay-extra", f"with weight_decay={wd:g} added to the gradient", coupled)


def presets(kind: str, own: Options) -> Iterator[Deviation]:
    """Three deviations that come together."""
    if kind in ("Adam", "AdamW"):
        three = "with epsilon-hat, eps={eps:g} and 1 - beta^t computed in float32 (Keras)"
        for eps in EPSILONS:
            changes = {"eps_place": "hat", "eps": eps, "correction": "float32"}
            yield Deviation("adam-eps-hat + eps-value + float32-correction", three.format(eps=eps), changes)
        uncorrected = {"correct_mean": False, "correct_square": False}
        for eps in (1e-6, 1e-8):
            for wd in (0.01, own.get("weight_decay") or 0.0):
                text = f"without bias correction, with eps={eps:g} and decoupled weight_decay={wd:g} (BERT)"
                changes = {**uncorrected, "eps": eps, "weight_decay": wd, "decay": "decoupled"}
                yield Deviation("adam-bias-correction + eps-value + decay-decoupled", text, changes)
    if kind == "NAdam":
        text = "with eps=1e-07, 0.96^t in the schedule of momentum and 1 - beta^t computed in float32 (Keras)"
        changes = {"eps": 1e-7, "momentum_decay": 1.0, "correction": "float32"}
        yield Deviation("eps-value + nadam-schedule + float32-correction", text, changes)
    if kind == "RMSprop":
        for alpha, eps in ((0.9, 1e-7), (0.9, 1e-8)):
            text = f"with alpha={alpha:g}, eps={eps:g} and epsilon inside the root (Keras)"
            changes = {"alpha": alpha, "eps": eps, "eps_place": "inside"}
            yield Deviation("alpha + eps-value + eps-inside", text, changes)


def pairs(every: list[Deviation]) -> Iterator[Deviation]:
    """Two at once, if they change different options."""
    for a, b in combinations(every, 2):
        if not set(a.changes) & set(b.changes):
            name = a.name if a.name == b.name else f"{a.name} + {b.name}"
            yield Deviation(name, f"{a.text} and {b.text}", {**a.changes, **b.changes})


def explain(kind: str, options: Options, gradients: np.ndarray, passes: list[Trajectory]) -> Cause | None:
    """The deviation of the rule that gives what the left gives in all passes; gradients are (T, n)."""
    if kind not in RULES:
        return None
    decay = "decoupled" if kind == "AdamW" or options.get("decoupled_weight_decay") else "coupled"
    own = {**options, "decay": decay}
    start = np.stack([p.start for p in passes])
    rates = np.stack([p.rates for p in passes], 1)[..., None]
    ours, truth = (np.stack([getattr(p, name) for p in passes], 1) for name in ("ours", "truth"))
    units = np.stack([p.units for p in passes], 1)[..., None]

    def left_over(o: Options) -> float:
        return _apart(walk(RULES[kind], start, gradients, rates, o), ours, units)

    base = left_over(own)
    if not np.isfinite(ours).all() or _apart(walk(RULES[kind], start, gradients, rates, own), truth, units) > 1:
        return None  # NaN, or the right's rule is not the one known by this name
    every = list(deviations(kind, own))
    for trials in (every, presets(kind, own), pairs(every)):
        best = _best(trials, own, left_over, base)
        if best is not None:
            deviation, worst = best
            before = float((np.abs(ours - truth) / _ulp(truth)).max())
            return Cause(deviation.name, deviation.text, before, worst * float((units / _ulp(truth)).max()))
    return None


def _apart(path: np.ndarray, other: np.ndarray, units: np.ndarray) -> float:
    with np.errstate(all="ignore"):
        error = np.abs(path - other) / units
    return float(error.max()) if np.isfinite(error).all() else np.inf


def _ulp(truth: np.ndarray) -> np.ndarray:
    size = np.maximum.accumulate(np.abs(truth).max(-1, keepdims=True), 0)
    return np.maximum(size * float(np.finfo(np.float32).eps), float(np.finfo(np.float32).smallest_subnormal))


def _best(trials: Iterable[Deviation], own: Options, left_over: Any, base: float) -> tuple[Deviation, float] | None:
    """The first that explains it, unless a later one leaves less than half of the difference."""
    best: tuple[Deviation, float] | None = None
    for deviation in trials:
        worst = left_over({**own, **deviation.changes})
        if worst <= 1 and FALL * worst <= base and (best is None or worst < 0.5 * best[1] - 0.02):
            best = deviation, worst
    return best
