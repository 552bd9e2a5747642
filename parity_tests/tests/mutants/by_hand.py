"""Optimizers and losses as people write them by hand: the same rules, other code, states under other names."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional as F


class HandSGD:
    """Momentum and weight decay, the buffers in a list."""

    def __init__(self, parameters: Any, lr: float = 0.1, momentum: float = 0.9, decay: float = 0.01) -> None:
        self.parameters, self.lr, self.momentum, self.decay = list(parameters), lr, momentum, decay
        self.velocity: list[Any] = [None for _ in self.parameters]

    @torch.no_grad()
    def step(self) -> None:
        for i, p in enumerate(self.parameters):
            g = p.grad + self.decay * p
            self.velocity[i] = g.clone() if self.velocity[i] is None else self.momentum * self.velocity[i] + g
            p -= self.lr * self.velocity[i]


class HandAdam:
    """The paper's algorithm, with m, v and t, and the rate under the paper's name."""

    def __init__(self, parameters: Any, alpha: float = 0.02, beta1: float = 0.9, beta2: float = 0.999) -> None:
        self.parameters, self.alpha, self.beta1, self.beta2, self.eps = list(parameters), alpha, beta1, beta2, 1e-8
        self.m = [torch.zeros_like(p) for p in self.parameters]
        self.v = [torch.zeros_like(p) for p in self.parameters]
        self.t = 0

    def decayed(self, p: Any) -> Any:
        return p.grad + 0.01 * p

    @torch.no_grad()
    def step(self) -> None:
        self.t += 1
        for p, m, v in zip(self.parameters, self.m, self.v, strict=True):
            g = self.decayed(p)
            m.mul_(self.beta1).add_((1 - self.beta1) * g)
            v.mul_(self.beta2).add_((1 - self.beta2) * g * g)
            m_hat = m / (1 - self.beta1**self.t)
            v_hat = v / (1 - self.beta2**self.t)
            p -= self.alpha * m_hat / (v_hat.sqrt() + self.eps)


class HandAdamW(HandAdam):
    """Decoupled decay, before the step."""

    def decayed(self, p: Any) -> Any:
        p *= 1 - self.alpha * 0.01
        return p.grad


class HandRMSprop(torch.optim.Optimizer):
    """A subclass of torch's Optimizer whose state has names of its own."""

    def __init__(self, params: Any, lr: float = 0.01, rho: float = 0.99, mu: float = 0.5) -> None:
        super().__init__(params, {"lr": lr, "rho": rho, "mu": mu})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state.update(mean_square=torch.zeros_like(p), velocity=torch.zeros_like(p), count=0)
                state["count"] += 1
                state["mean_square"].mul_(group["rho"]).add_((1 - group["rho"]) * p.grad**2)
                update = p.grad / (state["mean_square"].sqrt() + 1e-8)
                state["velocity"].mul_(group["mu"]).add_(update)
                p -= group["lr"] * state["velocity"]


class HandAdagrad:
    """The squares of all gradients, and a rate that decays with the step."""

    def __init__(self, parameters: Any, lr: float = 0.05) -> None:
        self.params, self.learning_rate, self.steps = list(parameters), lr, 0
        self.sums = {id(p): torch.zeros_like(p) for p in self.params}

    @torch.no_grad()
    def step(self) -> None:
        rate = self.learning_rate / (1 + self.steps * 0.1)
        self.steps += 1
        for p in self.params:
            self.sums[id(p)] += p.grad**2
            p -= rate * p.grad / (self.sums[id(p)].sqrt() + 1e-10)


class StepSizeAdam(HandAdam):
    """Adam with both corrections in the step size, as its paper suggests; eps is scaled with them."""

    @torch.no_grad()
    def step(self) -> None:
        self.t += 1
        first, root = 1 - self.beta1**self.t, math.sqrt(1 - self.beta2**self.t)
        for p, m, v in zip(self.parameters, self.m, self.v, strict=True):
            g = self.decayed(p)
            m.lerp_(g, 1 - self.beta1)
            v.mul_(self.beta2).addcmul_(g, g, value=1 - self.beta2)
            p.addcdiv_(m, v.sqrt() + self.eps * root, value=-self.alpha * root / first)


OPTIMIZERS: list[tuple[str, dict[str, Any], Any]] = [
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}, HandSGD),
    ("Adam", {"lr": 0.02, "weight_decay": 0.01}, HandAdam),
    ("Adam", {"lr": 0.02, "weight_decay": 0.01}, StepSizeAdam),
    ("AdamW", {"lr": 0.02}, HandAdamW),
    ("RMSprop", {"lr": 0.01, "momentum": 0.5}, HandRMSprop),
    ("Adagrad", {"lr": 0.05, "lr_decay": 0.1}, HandAdagrad),
]


class Scaled(torch.nn.Module):
    """A loss times a number."""

    def __init__(self, loss: torch.nn.Module, factor: float) -> None:
        super().__init__()
        self.loss, self.factor = loss, factor

    def forward(self, y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return self.loss(y, target) * self.factor


def mean_square(y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return ((y - target) ** 2).mean()


def mean_square_by_sum(y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return F.mse_loss(target, y, reduction="sum") / y.numel()


def absolute(y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (y - target).abs().mean()


def smooth(y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    d = (y - target).abs()
    return torch.where(d < 1, 0.5 * d * d, d - 0.5).mean()


def picked(y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return -torch.log_softmax(y, 1)[torch.arange(len(y)), target].mean()


def one_hot(y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return -(F.one_hot(target, y.shape[1]) * F.log_softmax(y, dim=1)).sum(1).mean()


def log_sum(y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (torch.logsumexp(y, 1) - y.gather(1, target[:, None]).squeeze(1)).mean()


def binary(y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (F.softplus(y) - y * target).mean()


def binary_by_max(y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (y.clamp(min=0) - y * target + torch.log1p(torch.exp(-y.abs()))).mean()


def soft_margin(y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return F.softplus(-target * y).mean()


def poisson(y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (torch.exp(y) - target * y).mean()


def divergence(y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (torch.xlogy(target, target) - target * y).mean()


LOSSES: list[tuple[str, Any]] = [
    ("MSELoss", mean_square),
    ("MSELoss", mean_square_by_sum),
    ("MSELoss", torch.nn.functional.mse_loss),
    ("L1Loss", absolute),
    ("SmoothL1Loss", smooth),
    ("HuberLoss", smooth),
    ("SmoothL1Loss", torch.nn.HuberLoss()),
    ("CrossEntropyLoss", picked),
    ("CrossEntropyLoss", one_hot),
    ("CrossEntropyLoss", log_sum),
    ("CrossEntropyLoss", torch.nn.functional.cross_entropy),
    ("BCEWithLogitsLoss", binary),
    ("BCEWithLogitsLoss", binary_by_max),
    ("SoftMarginLoss", soft_margin),
    ("PoissonNLLLoss", poisson),
    ("KLDivLoss", divergence),
]
