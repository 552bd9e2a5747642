"""scikit-learn's update rules, computed by scratch.optim, whose rules are torch's."""

from __future__ import annotations

import math
from collections.abc import Iterable

from scratch.nn import Parameter
from scratch.optim import SGD, Adam, Optimizer

SMALLEST_LR = 1e-6  # the adaptive rule gives up here


class Rule:
    """A step for every batch, and the changes between epochs."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer

    @property
    def lr(self) -> float:
        return self.optimizer.param_groups[0]["lr"]

    def step(self) -> None:
        self.optimizer.step()

    def epoch_ends(self, rows: int) -> None:
        """After an epoch; `rows` have been trained on since the beginning."""

    def slow_down(self) -> bool:
        """Progress has stalled: True if the learning rate was lowered, False if training should stop."""
        return False


class SGDRule(Rule):
    """Gradient descent with momentum and a schedule.

        v = momentum v - lr g        θ = θ + v, with Nesterov's momentum θ + momentum v - lr g

        constant    lr
        invscaling  lr / (rows + 1)^power_t after each epoch, rows counting all that were trained on
        adaptive    lr / 5 each time progress has stalled, down to 1e-6

    Why       scratch.optim.SGD keeps lr outside the velocity: b = momentum b + g, θ = θ - lr b. With v = -lr b the two
              are the same as long as lr b survives a change of lr, so b is multiplied by old lr / new lr.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float,
        schedule: str,
        momentum: float,
        nesterov: bool,
        power_t: float,
    ) -> None:
        super().__init__(SGD(parameters, lr, momentum, nesterov=nesterov and momentum > 0))
        self.initial_lr = lr
        self.schedule = schedule
        self.power_t = power_t

    def epoch_ends(self, rows: int) -> None:
        if self.schedule == "invscaling":
            self._change_lr(self.initial_lr / (rows + 1) ** self.power_t)

    def slow_down(self) -> bool:
        if self.schedule != "adaptive" or self.lr <= SMALLEST_LR:
            return False
        self._change_lr(self.lr / 5)
        return True

    def _change_lr(self, lr: float) -> None:
        for state in self.optimizer.state.values():
            if "momentum_buffer" in state:
                state["momentum_buffer"] *= self.lr / lr
        self.optimizer.param_groups[0]["lr"] = lr


class AdamRule(Rule):
    """Adam with the epsilon of its paper's last remark, "epsilon hat".

        θ = θ - lr sqrt(1 - β2^t) / (1 - β1^t) · m / (sqrt(v) + epsilon)

    Why       scratch.optim.Adam divides by sqrt(v) / sqrt(1 - β2^t) + eps. Multiplied by sqrt(1 - β2^t) that is the
              denominator above if eps = epsilon / sqrt(1 - β2^t), which is set before every step.
    """

    def __init__(
        self, parameters: Iterable[Parameter], lr: float, beta_1: float, beta_2: float, epsilon: float
    ) -> None:
        super().__init__(Adam(parameters, lr, (float(beta_1), float(beta_2)), epsilon))
        self.epsilon = epsilon

    def step(self) -> None:
        group, t = self.optimizer.param_groups[0], self.optimizer.steps_taken + 1
        group["eps"] = self.epsilon / math.sqrt(1 - group["betas"][1] ** t)
        self.optimizer.step()
