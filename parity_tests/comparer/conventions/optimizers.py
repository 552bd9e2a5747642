"""Conventions of optimizers, as update rules in float64: a rule's options, and one thing done another way."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

Options = dict[str, Any]


def sgd(theta: np.ndarray, gradients: Sequence[np.ndarray], rates: Sequence[float], o: Options) -> Iterator[np.ndarray]:
    """`form`: "torch"; "inside", lr in the velocity; "ema", with (1 - m) g; "zero", a velocity that starts at 0."""
    m, damp, nesterov, form = o["momentum"], o["dampening"], o["nesterov"], o.get("form", "torch")
    v = None
    for g, lr in zip(gradients, rates, strict=True):
        theta, g = _decayed(theta, g, lr, o)
        if form == "inside":
            v = (0 if v is None else m * v) - lr * g
            theta = theta + (m * v - lr * g if nesterov else v)
        else:
            if form == "ema":
                v = (0 if v is None else m * v) + (1 - m) * g
            elif v is None and form == "torch":
                v = g
            else:
                v = (0 if v is None else m * v) + (1 - damp) * g
            theta = theta - lr * (g + m * v if nesterov else v)
        yield theta


def adam(
    theta: np.ndarray, gradients: Sequence[np.ndarray], rates: Sequence[float], o: Options
) -> Iterator[np.ndarray]:
    """`eps_place`: "outside" the corrected root, "hat" outside the uncorrected one, "inside" the root."""
    (b1, b2), eps, place = o["betas"], o["eps"], o.get("eps_place", "outside")
    m = v = largest = np.zeros_like(theta)
    for t, (g, lr) in enumerate(zip(gradients, rates, strict=True), 1):
        theta, g = _decayed(theta, g, lr, o)
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        largest = np.maximum(largest, v)
        c1 = 1 - b1**t if o.get("correct_mean", True) else 1.0
        c2 = 1 - b2**t if o.get("correct_square", True) else 1.0
        second = (largest if o.get("amsgrad") else v) / c2
        if place == "outside":
            denominator = np.sqrt(second) + eps
        elif place == "inside":
            denominator = np.sqrt(second + eps)
        else:
            denominator = np.sqrt(second) + eps / math.sqrt(c2)
        theta = theta - lr * (m / c1) / denominator
        yield theta


def rmsprop(
    theta: np.ndarray, gradients: Sequence[np.ndarray], rates: Sequence[float], o: Options
) -> Iterator[np.ndarray]:
    alpha, eps = o["alpha"], o["eps"]
    v, mean, buffer = np.full_like(theta, o.get("start", 0.0)), np.zeros_like(theta), np.zeros_like(theta)
    for g, lr in zip(gradients, rates, strict=True):
        theta, g = _decayed(theta, g, lr, o)
        v, mean = alpha * v + (1 - alpha) * g * g, alpha * mean + (1 - alpha) * g
        spread = np.maximum(v - mean * mean, 0) if o.get("centered") else v
        step = g / (np.sqrt(spread + eps) if o.get("eps_place") == "inside" else np.sqrt(spread) + eps)
        if o.get("momentum"):
            buffer = o["momentum"] * buffer + (lr * step if o.get("form") == "inside" else step)
            step = buffer if o.get("form") != "inside" else buffer / lr
        theta = theta - lr * step
        yield theta


def adagrad(
    theta: np.ndarray, gradients: Sequence[np.ndarray], rates: Sequence[float], o: Options
) -> Iterator[np.ndarray]:
    total = np.full_like(theta, o.get("initial_accumulator_value", 0.0))
    for t, (g, lr) in enumerate(zip(gradients, rates, strict=True)):
        theta, g = _decayed(theta, g, lr, o)
        total = total + g * g
        root = np.sqrt(total + o["eps"]) if o.get("eps_place") == "inside" else np.sqrt(total) + o["eps"]
        theta = theta - lr / (1 + t * o.get("lr_decay", 0.0)) * g / root
        yield theta


def _decayed(theta: np.ndarray, g: np.ndarray, lr: float, o: Options) -> tuple[np.ndarray, np.ndarray]:
    """`decay`: "coupled" into the gradient, "decoupled" as a shrink by lr times it, "plain" as a shrink without lr."""
    wd, decay = o.get("weight_decay", 0), o["decay"]
    g = -g if o.get("maximize") else g
    if wd and decay == "coupled":
        return theta, g + wd * theta
    return theta * (1 - (lr if decay == "decoupled" else 1) * wd) if wd else theta, g


RULES = {"SGD": sgd, "Adam": adam, "AdamW": adam, "RMSprop": rmsprop, "Adagrad": adagrad}


def deviations(kind: str, options: Options) -> Iterator[tuple[str, str, Options]]:
    """(name, text, options) of each way in which a rule of this kind is known to deviate."""
    decay = "decoupled" if kind == "AdamW" or options.get("decoupled_weight_decay") else "coupled"
    own = {**options, "decay": decay}

    def other(name: str, text: str, **changes: Any) -> tuple[str, str, Options]:
        return name, text, {**own, **changes}

    if kind == "SGD":
        if own["dampening"]:
            yield other("dampening", "without dampening", dampening=0.0)
            yield other("dampening", "with the first gradient dampened too", form="zero")
        if own["momentum"]:
            yield other(
                "sgd-lr-inside", "with lr inside the velocity, v = m v - lr g (Keras, scikit-learn)", form="inside"
            )
            yield other("sgd-ema", "with a mean of gradients as velocity, v = m v + (1 - m) g", form="ema")
            yield other("nesterov", f"with nesterov={not own['nesterov']}", nesterov=not own["nesterov"])
            yield other("momentum-missing", "without momentum", momentum=0.0, nesterov=False, dampening=0.0)
            for damp in (own["momentum"], 0.1, 0.5):
                if damp != own["dampening"]:
                    yield other("dampening", f"with dampening={damp:g}", dampening=damp)
    if kind in ("Adam", "AdamW"):
        yield other(
            "adam-eps-hat",
            "with epsilon-hat: epsilon added to the uncorrected root (Keras, scikit-learn)",
            eps_place="hat",
        )
        yield other("adam-eps-inside", "with epsilon inside the root", eps_place="inside")
        yield other("adam-bias-correction", "without bias correction", correct_mean=False, correct_square=False)
        yield other("adam-bias-correction", "without bias correction of the second moment", correct_square=False)
        yield other("adam-bias-correction", "without bias correction of the first moment", correct_mean=False)
        yield other("amsgrad", f"with amsgrad={not own['amsgrad']}", amsgrad=not own["amsgrad"])
        for betas in ((0.9, 0.99), (0.9, 0.95), (0.9, 0.98), (0.5, 0.999), (0.0, 0.999), (0.9, 0.999)):
            if betas != tuple(own["betas"]):
                yield other("betas", f"with betas={betas}", betas=betas)
    if kind == "RMSprop":
        yield other("eps-inside", "with epsilon inside the root", eps_place="inside")
        yield other("eps-inside", "with epsilon 1e-7 inside the root (Keras)", eps_place="inside", eps=1e-7)
        yield other("accumulator-start", "with the mean square starting at 1", start=1.0)
        for alpha in (0.9, 0.99, 0.999):
            if alpha != own["alpha"]:
                yield other("alpha", f"with alpha={alpha}", alpha=alpha)
        if own["momentum"]:
            yield other("sgd-lr-inside", "with lr inside the momentum buffer", form="inside")
    if kind == "Adagrad":
        yield other("eps-inside", "with epsilon inside the root", eps_place="inside")
        yield other("accumulator-start", "with the accumulator starting at 0.1", initial_accumulator_value=0.1)
    if "eps" in own:
        for eps in (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-10, 1e-12, 0.0):
            if eps != own["eps"]:
                yield other("eps-value", f"with eps={eps:g}", eps=eps)
    if own.get("weight_decay"):
        if decay == "coupled":
            yield other("decay-decoupled", "with decoupled weight decay, θ *= 1 - lr wd", decay="decoupled")
        else:
            yield other("decay-coupled", "with weight decay added to the gradient (L2)", decay="coupled")
        yield other("decay-missing", "without weight decay", weight_decay=0)
        yield other("decay-plain", "with weight decay not multiplied by lr", decay="plain")
    else:
        for wd in (0.01, 1e-4):
            yield other("decay-extra", f"with decoupled weight_decay={wd:g}", weight_decay=wd, decay="decoupled")
            yield other(
                "decay-extra", f"with weight_decay={wd:g} added to the gradient", weight_decay=wd, decay="coupled"
            )
    yield other("maximize", "with the sign of the gradient turned", maximize=not own.get("maximize", False))
    for factor in (10.0, 0.1, 0.5, 2.0):
        yield other("lr", f"with {factor:g} times the learning rate", rate_factor=factor)
