"""Planted causes: update rules written by hand, as people and other libraries have them."""

import math

import numpy as np
import pytest
import torch

from parity_tests import compare
from parity_tests.tests.plants import integers, normal

T = torch.nn
X, LABELS = normal(13, 7), integers(5, 13)
f = np.float32


class Rule:
    """An optimizer of one's own: `update(p, g, state, t, lr)` gives the new parameter. All in float32."""

    def __init__(self, parameters, update, lr):
        self.parameters, self.update, self.lr, self.t = list(parameters), update, lr, 0
        self.memory = [{} for _ in self.parameters]

    def step(self):
        self.t += 1
        with torch.no_grad():
            for p, memory in zip(self.parameters, self.memory, strict=True):
                p.copy_(torch.from_numpy(self.update(p.numpy(), p.grad.numpy(), memory, self.t, self.lr)))


def mean(memory, name, beta, value, start=0.0):
    memory[name] = f(beta) * memory.get(name, np.full_like(value, start)) + f(1 - beta) * value
    return memory[name]


def power(beta, t):
    """1 - beta^t as a library in float32 has it."""
    return f(1) - f(float(f(beta)) ** t)


def adam(
    eps=1e-8, place="outside", first=1, b1=0.9, b2=0.999, decay="", wd=0.0, single=False, corrected=True, amsgrad=False
):  # fmt: skip
    def update(p, g, s, t, lr):
        t += first - 1
        g = g + f(wd) * p if decay == "coupled" else g
        m, v = mean(s, "m", b1, g), mean(s, "v", b2, g * g)
        c1, c2 = (power(b1, t), power(b2, t)) if single else (1 - b1**t, 1 - b2**t)
        c1, c2 = (c1, c2) if corrected else (1.0, 1.0)
        if amsgrad:
            v = s["top"] = np.maximum(s.get("top", v), v)
        if place == "hat":
            step = f(lr * math.sqrt(c2) / c1) * m / (np.sqrt(v) + f(eps))
        elif place == "inside":
            step = f(lr / c1) * m / np.sqrt(v / f(c2) + f(eps))
        else:
            step = f(lr / c1) * m / (np.sqrt(v / f(c2)) + f(eps))
        shrink = f(1 - (wd if decay == "plain" else lr * wd))
        p = p * shrink if decay in ("before", "plain") else p
        p = p - step
        return p * shrink if decay == "after" else p

    return update


def rmsprop(alpha=0.99, eps=1e-8, inside=False, start=0.0, centered=False, momentum=0.0, lr_inside=False):
    def update(p, g, s, t, lr):
        v = mean(s, "v", alpha, g * g, start)
        if centered:
            v = np.maximum(v - mean(s, "mean", alpha, g) ** 2, 0)
        step = g / (np.sqrt(v + f(eps)) if inside else np.sqrt(v) + f(eps))
        if momentum:
            step = step * f(lr) if lr_inside else step
            s["b"] = f(momentum) * s.get("b", np.zeros_like(g)) + step
            return p - s["b"] * (1 if lr_inside else f(lr))
        return p - f(lr) * step

    return update


def adagrad(eps=1e-10, inside=False, start=0.0):
    def update(p, g, s, t, lr):
        s["sum"] = s.get("sum", np.full_like(g, start)) + g * g
        return p - f(lr) * g / (np.sqrt(s["sum"] + f(eps)) if inside else np.sqrt(s["sum"]) + f(eps))

    return update


def adadelta(rho=0.9, eps=1e-6, outside=False):
    def update(p, g, s, t, lr):
        v = mean(s, "v", rho, g * g)
        d = s.get("d", np.zeros_like(g))
        root = lambda a: np.sqrt(a) + f(eps) if outside else np.sqrt(a + f(eps))  # noqa: E731
        step = root(d) / root(v) * g
        mean(s, "d", rho, step * step)
        return p - f(lr) * step

    return update


def adamax(eps=1e-8, outside=False, corrected=True):
    def update(p, g, s, t, lr):
        m = mean(s, "m", 0.9, g)
        size = np.abs(g) + (0 if outside else f(eps))
        u = s["u"] = np.maximum(f(0.999) * s.get("u", np.zeros_like(g)), size)
        return p - f(lr / (1 - 0.9**t if corrected else 1)) * m / (u + f(eps if outside else 0))

    return update


def radam(early=True, least=5):
    def update(p, g, s, t, lr):
        m, v = mean(s, "m", 0.9, g), mean(s, "v", 0.999, g * g)
        longest, c1, c2 = 1999.0, 1 - 0.9**t, 1 - 0.999**t
        rho = longest - 2 * t * 0.999**t / c2
        if rho <= least:
            return p - f(lr / c1) * m if early else p
        share = (rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho)
        return p - f(lr / c1 * math.sqrt(share * c2)) * m / (np.sqrt(v) + f(1e-8))

    return update


def rprop(late=False, kept=False, etas=(0.5, 1.2)):
    def update(p, g, s, t, lr):
        turned = g * s.get("g", np.zeros_like(g))
        grown = np.where(turned > 0, f(etas[1]), np.where(turned < 0, f(etas[0]), f(1)))
        size = s["size"] = np.clip(s.get("size", np.full_like(g, lr)) * grown, f(1e-6), f(50))
        s["g"] = g if kept else np.where(turned < 0, f(0), g)
        step, before = np.sign(s["g"]) * size, s.get("step", np.zeros_like(g))
        s["step"] = step
        return p - (np.where(turned < 0, f(0), before) if late else step)

    return update


def nadam(p, g, s, t, lr):
    """The form of optax: no schedule."""
    m, v = mean(s, "m", 0.9, g), mean(s, "v", 0.999, g * g)
    look = f(0.9 / (1 - 0.9 ** (t + 1))) * m + f(0.1 / (1 - 0.9**t)) * g
    return p - f(lr) * look / (np.sqrt(v / f(1 - 0.999**t)) + f(1e-8))


def sgd(momentum=0.9, form="torch", nesterov=False, wd=0.0, decoupled=False):
    def update(p, g, s, t, lr):
        g = g + f(wd) * p if wd and not decoupled else g
        if form == "inside":
            v = s["v"] = f(momentum) * s.get("v", np.zeros_like(g)) - f(lr) * g
            return p + (f(momentum) * v - f(lr) * g if nesterov else v)
        if form == "ema":
            v = mean(s, "v", momentum, g)
        else:
            v = s["v"] = f(momentum) * s["v"] + g if "v" in s else g
        q = p * f(1 - lr * wd) if decoupled else p
        return q - f(lr) * (g + f(momentum) * v if nesterov else v)

    return update


RULES = {
    "sgd-inside": ("sgd-lr-inside", sgd(form="inside"), "SGD", {"lr": 0.1, "momentum": 0.9}),
    "sgd-inside-nesterov": ("sgd-lr-inside", sgd(form="inside", nesterov=True), "SGD",
                            {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "sgd-ema": ("sgd-ema", sgd(form="ema"), "SGD", {"lr": 0.1, "momentum": 0.9}),
    "sgd-nesterov": ("nesterov", sgd(nesterov=True), "SGD", {"lr": 0.1, "momentum": 0.9}),
    "sgd-decoupled": ("decay-decoupled", sgd(wd=0.1, decoupled=True), "SGD",
                      {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}),
    "sgd-momentum": ("momentum", sgd(momentum=0.99), "SGD", {"lr": 0.1, "momentum": 0.9}),
    "adam-hat": ("adam-eps-hat", adam(1e-4, "hat"), "Adam", {"eps": 1e-4}),
    "adam-inside": ("adam-eps-inside", adam(1e-4, "inside"), "Adam", {"eps": 1e-4}),
    "adam-uncorrected": ("adam-bias-correction", adam(corrected=False), "Adam", {}),
    "adam-from-2": ("step-count", adam(first=2), "Adam", {}),
    "adam-beta": ("betas", adam(b2=0.99), "Adam", {}),
    "adam-exchanged": ("betas", adam(b1=0.999, b2=0.9), "Adam", {}),
    "adam-amsgrad": ("amsgrad", adam(b2=0.5, amsgrad=True), "Adam", {"betas": (0.9, 0.5)}),
    "adam-optax": ("float32-correction", adam(single=True), "Adam", {}),
    "adam-keras": ("adam-eps-hat + eps-value", adam(1e-7, "hat"), "Adam", {}),
    "adam-keras-float32": ("adam-eps-hat + eps-value + float32-correction", adam(1e-4, "hat", single=True), "Adam", {}),
    "adam-bert": ("adam-bias-correction + eps-value + decay-decoupled",
                  adam(1e-6, corrected=False, decay="before", wd=0.01), "Adam", {}),
    "adamw-after": ("decay-after", adam(decay="after", wd=0.1), "AdamW", {"weight_decay": 0.1}),
    "adamw-coupled": ("decay-coupled", adam(decay="coupled", wd=0.1), "AdamW", {"weight_decay": 0.1}),
    "adamw-plain": ("decay-plain", adam(decay="plain", wd=1e-3), "AdamW", {"weight_decay": 1e-3}),
    "adamw-default-decay": ("decay-missing", adam(), "AdamW", {}),
    "rmsprop-centered": ("centered", rmsprop(centered=True), "RMSprop", {}),
    "rmsprop-inside": ("eps-inside", rmsprop(eps=1e-4, inside=True), "RMSprop", {"eps": 1e-4}),
    "rmsprop-alpha": ("alpha", rmsprop(alpha=0.9), "RMSprop", {}),
    "rmsprop-start": ("accumulator-start", rmsprop(start=1.0), "RMSprop", {}),
    "rmsprop-keras": ("alpha + eps-value + eps-inside", rmsprop(0.9, 1e-7, inside=True), "RMSprop", {}),
    "rmsprop-lr-inside": ("sgd-lr-inside", rmsprop(momentum=0.9, lr_inside=True), "RMSprop", {"momentum": 0.9}),
    "adagrad-keras-start": ("accumulator-start", adagrad(start=0.1), "Adagrad", {}),
    "adagrad-inside": ("eps-inside", adagrad(1e-4, inside=True), "Adagrad", {"eps": 1e-4}),
    "adagrad-eps": ("eps-value", adagrad(1e-6), "Adagrad", {}),
    "adadelta-rho": ("rho", adadelta(0.95), "Adadelta", {}),
    "adadelta-outside": ("eps-outside", adadelta(0.9, 1e-4, outside=True), "Adadelta", {"eps": 1e-4}),
    "adamax-outside": ("eps-place", adamax(1e-3, outside=True), "Adamax", {"eps": 1e-3}),
    "adamax-uncorrected": ("adam-bias-correction", adamax(corrected=False), "Adamax", {}),
    "adamw-value": ("decay-value", adam(decay="before", wd=1e-4), "AdamW", {"lr": 0.05}),
    "nadam-optax": ("nadam-schedule", nadam, "NAdam", {}),
    "radam-late": ("radam-early", radam(early=False), "RAdam", {}),
    "radam-paper": ("radam-early", radam(least=4), "RAdam", {}),
    "rprop-late": ("late-step", rprop(late=True), "Rprop", {"lr": 0.1}),
    "rprop-kept": ("turned-sign", rprop(kept=True), "Rprop", {"lr": 0.5}),
    "rprop-etas": ("etas", rprop(etas=(0.5, 1.1)), "Rprop", {}),
}  # fmt: skip


def compared(update, kind, options):
    right = lambda p: getattr(torch.optim, kind)(p, **options)  # noqa: E731
    lr = right([torch.nn.Parameter(torch.zeros(1))]).param_groups[0]["lr"]
    makers = (lambda p: Rule(p, update, lr)), right
    return compare(T.Linear(7, 5), T.Linear(7, 5), X, LABELS, "CrossEntropyLoss", makers, steps=6)


@pytest.mark.parametrize("name", RULES)
def test_cause(name):
    cause, *rest = RULES[name]
    report = compared(*rest)
    assert report.first_divergence.phase == "step", str(report)
    assert report.cause is not None, str(report)
    assert report.cause.name == cause, str(report)


RIGHT = {
    "sgd": (sgd(), "SGD", {"lr": 0.1, "momentum": 0.9}),
    "adam": (adam(), "Adam", {}),
    "adamw": (adam(decay="before", wd=0.1), "AdamW", {"weight_decay": 0.1}),
    "rmsprop": (rmsprop(), "RMSprop", {}),
    "adagrad": (adagrad(), "Adagrad", {}),
    "adadelta": (adadelta(), "Adadelta", {}),
    "adamax": (adamax(), "Adamax", {}),
    "radam": (radam(), "RAdam", {}),
    "rprop": (rprop(), "Rprop", {"lr": 0.5}),
}


@pytest.mark.parametrize("name", RIGHT)
def test_rewrite(name):
    report = compared(*RIGHT[name])
    assert report.ok, str(report)
