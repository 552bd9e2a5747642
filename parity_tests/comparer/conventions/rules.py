"""Update rules of optimizers in float64, with options that torch does not have.

Each takes parameters (P, n) of P passes, gradients (T, n), rates (T, P, 1) and options, and gives the parameters after
every step, (T, P, n). Options beyond torch's: `decay`, "coupled" into the gradient, "decoupled" as a shrink by lr times
it before the step, "after" as one of the new parameters, "plain" as a shrink without lr; `rate_factor`; `eps_place`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Options = dict[str, Any]
Array = np.ndarray
Rule = Callable[[Array, Array, Array, Options], Iterator[Array]]


def walk(rule: Rule, theta: Array, gradients: Array, rates: Array, o: Options) -> Array:
    """The parameters after every step."""
    g = -gradients if o.get("maximize") else gradients
    with np.errstate(all="ignore"):
        return np.stack(list(rule(theta, g[:, None], rates * o.get("rate_factor", 1.0), o)))


def _decayed(theta: Array, g: Array, lr: Array, o: Options) -> tuple[Array, Array]:
    """Parameters and gradient before the step."""
    wd, decay = o.get("weight_decay", 0), o.get("decay", "coupled")
    if not wd or decay == "after":
        return theta, g
    if decay == "coupled":
        return theta, g + wd * theta
    return theta * (1 - (lr if decay == "decoupled" else 1) * wd), g


def _stepped(theta: Array, step: Array, lr: Array, o: Options) -> Array:
    """The parameters after a step down, with the decay that comes after it."""
    theta = theta - step
    return theta * (1 - lr * o["weight_decay"]) if o.get("weight_decay") and o.get("decay") == "after" else theta


def sgd(theta: Array, gradients: Array, rates: Array, o: Options) -> Iterator[Array]:
    """`form`: "torch"; "inside", lr in the velocity; "ema", with (1 - m) g; "zero", a velocity that starts at 0."""
    m, damp, nesterov, form = o["momentum"], o["dampening"], o["nesterov"], o.get("form", "torch")
    v: Any = None
    for g, lr in zip(gradients, rates, strict=True):
        theta, g = _decayed(theta, g, lr, o)
        if form == "inside":
            v = (0 if v is None else m * v) - lr * g
            step = -(m * v - lr * g) if nesterov else -v
        else:
            if form == "ema":
                v = (0 if v is None else m * v) + (1 - m) * g
            elif v is None and form == "torch":
                v = g
            else:
                v = (0 if v is None else m * v) + (1 - damp) * g
            step = lr * (g + m * v if nesterov else v)
        theta = _stepped(theta, step, lr, o)
        yield theta


def corrections(t: int, o: Options) -> tuple[float, float]:
    """1 - β1^t and 1 - β2^t. `correction` says how: in "float32", by a "product" in float32; `first` is the count."""
    t += o.get("first", 1) - 1
    found = []
    for beta, wanted in zip(o["betas"], (o.get("correct_mean", True), o.get("correct_square", True)), strict=True):
        how, single = o.get("correction"), np.float32(beta)
        if not wanted:
            found.append(1.0)
        elif how == "float32":  # rounded once, as a library's power is
            found.append(float(np.float32(1) - np.float32(float(single) ** t)))
        elif how == "product":
            power = np.float32(1)
            for _ in range(t):
                power *= single
            found.append(float(np.float32(1) - power))
        else:
            found.append(1 - beta**t)
    return found[0], found[1]


def adam(theta: Array, gradients: Array, rates: Array, o: Options) -> Iterator[Array]:
    """`eps_place`: "outside" the corrected root, "hat" outside the uncorrected one, "inside" the root."""
    (b1, b2), eps, place = o["betas"], o["eps"], o.get("eps_place", "outside")
    m = v = largest = np.zeros(())
    for t, (g, lr) in enumerate(zip(gradients, rates, strict=True), 1):
        theta, g = _decayed(theta, g, lr, o)
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        largest = np.maximum(largest, v)
        c1, c2 = corrections(t, o)
        second = (largest if o.get("amsgrad") else v) / c2
        if place == "outside":
            root = np.sqrt(second) + eps
        elif place == "inside":
            root = np.sqrt(second + eps)
        else:
            root = np.sqrt(second) + eps / math.sqrt(c2)
        first = b1 * m + (1 - b1) * g if o.get("lookahead") else m
        theta = _stepped(theta, lr * (first / c1) / root, lr, o)
        yield theta


def nadam(theta: Array, gradients: Array, rates: Array, o: Options) -> Iterator[Array]:
    """`schedule` False keeps β1 constant, as Dozat's first form and optax do."""
    (b1, b2), eps = o["betas"], o["eps"]
    m = v = np.zeros(())
    product = 1.0
    for t, (g, lr) in enumerate(zip(gradients, rates, strict=True), 1):
        theta, g = _decayed(theta, g, lr, o)
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        now, following = (b1 * (1 - 0.5 * 0.96 ** (s * o["momentum_decay"])) for s in (t, t + 1))
        if not o.get("schedule", True):
            now = following = b1
        product *= now
        second = v / corrections(t, o)[1]
        root = np.sqrt(second + eps) if o.get("eps_place") == "inside" else np.sqrt(second) + eps
        mean = (1 - now) / (1 - product) * g + following / (1 - product * following) * m
        theta = _stepped(theta, lr * mean / root, lr, o)
        yield theta


def adamax(theta: Array, gradients: Array, rates: Array, o: Options) -> Iterator[Array]:
    """`eps_place`: "inside" the maximum, beside |g|, or "outside", added to it."""
    (b1, b2), eps = o["betas"], o["eps"]
    m = u = np.zeros(())
    for t, (g, lr) in enumerate(zip(gradients, rates, strict=True), 1):
        theta, g = _decayed(theta, g, lr, o)
        outside = o.get("eps_place") == "outside"
        m, u = b1 * m + (1 - b1) * g, np.maximum(b2 * u, np.abs(g) + (0 if outside else eps))
        theta = _stepped(theta, lr / corrections(t, o)[0] * m / (u + (eps if outside else 0)), lr, o)
        yield theta


def radam(theta: Array, gradients: Array, rates: Array, o: Options) -> Iterator[Array]:
    """Rectified from ρ > `least` on, 5 in torch; before, `early` says whether it steps by the corrected mean."""
    (b1, b2), eps, least = o["betas"], o["eps"], o.get("least", 5)
    m = v = np.zeros(())
    longest = 2 / (1 - b2) - 1
    for t, (g, lr) in enumerate(zip(gradients, rates, strict=True), 1):
        theta, g = _decayed(theta, g, lr, o)
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        c1, c2 = corrections(t, o)
        rho = longest - 2 * t * b2**t / (1 - b2**t)
        step = m / c1 if o.get("early", True) else np.zeros_like(m)
        if rho > least:
            share = (rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho)
            step = m / c1 * math.sqrt(share) * math.sqrt(c2) / (np.sqrt(v) + eps)
        theta = _stepped(theta, lr * step, lr, o)
        yield theta


def rmsprop(theta: Array, gradients: Array, rates: Array, o: Options) -> Iterator[Array]:
    alpha, eps, momentum = o["alpha"], o["eps"], o.get("momentum", 0)
    v, mean, buffer = np.full((), o.get("start", 0.0)), np.zeros(()), np.zeros(())
    for t, (g, lr) in enumerate(zip(gradients, rates, strict=True), 1):
        theta, g = _decayed(theta, g, lr, o)
        v, mean = alpha * v + (1 - alpha) * g * g, alpha * mean + (1 - alpha) * g
        square = v / (1 - alpha**t) if o.get("corrected") else v
        spread = np.maximum(square - mean * mean, 0) if o.get("centered") else square
        step = g / (np.sqrt(spread + eps) if o.get("eps_place") == "inside" else np.sqrt(spread) + eps)
        if momentum and o.get("form") == "inside":
            buffer = momentum * buffer + lr * step
            moved = buffer
        else:
            buffer = momentum * buffer + step
            moved = lr * buffer
        theta = _stepped(theta, moved, lr, o)
        yield theta


def adagrad(theta: Array, gradients: Array, rates: Array, o: Options) -> Iterator[Array]:
    total = np.full((), o.get("initial_accumulator_value", 0.0))
    for t, (g, lr) in enumerate(zip(gradients, rates, strict=True)):
        theta, g = _decayed(theta, g, lr, o)
        total = total + g * g
        root = np.sqrt(total + o["eps"]) if o.get("eps_place") == "inside" else np.sqrt(total) + o["eps"]
        theta = _stepped(theta, lr / (1 + t * o.get("lr_decay", 0.0)) * g / root, lr, o)
        yield theta


def adadelta(theta: Array, gradients: Array, rates: Array, o: Options) -> Iterator[Array]:
    rho, eps = o["rho"], o["eps"]
    square = moved = np.zeros(())
    for g, lr in zip(gradients, rates, strict=True):
        theta, g = _decayed(theta, g, lr, o)
        square = rho * square + (1 - rho) * g * g
        if o.get("eps_place") == "outside":
            step = (np.sqrt(moved) + eps) / (np.sqrt(square) + eps) * g
        else:
            step = np.sqrt(moved + eps) / np.sqrt(square + eps) * g
        kept = lr * step if o.get("form") == "inside" else step
        moved = rho * moved + (1 - rho) * kept * kept
        theta = _stepped(theta, lr * step, lr, o)
        yield theta


def rprop(theta: Array, gradients: Array, rates: Array, o: Options) -> Iterator[Array]:
    """`form`: "late" hands out the step of the call before, as optax does; "kept" moves where the sign has turned.

    The rate is the first step's size, and later ones do not matter; `scaled`: every step falls with it.
    """
    (low, high), (least, most), form = o["etas"], o["step_sizes"], o.get("form")
    before = late = np.zeros(())
    size: Any = None
    for g, lr in zip(gradients, rates, strict=True):
        theta, g = _decayed(theta, g, lr, o)
        turned = g * before < 0
        size = np.broadcast_to(lr, theta.shape) if size is None else size
        size = np.clip(size * np.where(turned, low, np.where(g * before > 0, high, 1)), least, most)
        before = g if form == "kept" else np.where(turned, 0, g)
        step = np.sign(before) * size
        moved, late = (np.where(turned, 0, late), step) if form == "late" else (step, late)
        theta = _stepped(theta, moved * (lr / rates[0]) if o.get("scaled") else moved, lr, o)
        yield theta


RULES: dict[str, Rule] = {
    "SGD": sgd, "Adam": adam, "AdamW": adam, "NAdam": nadam, "Adamax": adamax, "RMSprop": rmsprop, "Adagrad": adagrad,
    "Adadelta": adadelta, "Rprop": rprop, "RAdam": radam,
}  # fmt: skip
