"""Factors of the rate: LambdaLR, MultiplicativeLR, StepLR, MultiStepLR, ExponentialLR."""

from __future__ import annotations

import types
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from scratch.optim.lr_scheduler.scheduler import LRScheduler, check_optimizer
from scratch.optim.optimizer import Optimizer

Factor = Callable[[int], float]


class _FunctionLR(LRScheduler):
    """A function of the epoch for every group. state_dict keeps the attributes of callable objects, not functions."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Factor | list[Factor], last_epoch: int = -1) -> None:
        groups = len(check_optimizer(self, optimizer).param_groups)
        self.lr_lambdas = list(lr_lambda) if isinstance(lr_lambda, list | tuple) else [lr_lambda] * groups
        if len(self.lr_lambdas) != groups:
            raise ValueError(
                f"{type(self).__name__}: the optimizer has {groups} groups, got {len(self.lr_lambdas)} functions."
            )
        for function in self.lr_lambdas:
            if not callable(function):
                raise TypeError(f"{type(self).__name__}: lr_lambda must be a function, got {type(function).__name__}.")
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        plain = [isinstance(function, types.FunctionType) for function in self.lr_lambdas]
        saved = [None if skip else dict(vars(f)) for skip, f in zip(plain, self.lr_lambdas, strict=True)]
        return {**super().state_dict(), "lr_lambdas": saved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        own = self.lr_lambdas
        self._check_has("lr_lambdas", state_dict)
        super().load_state_dict(state_dict)
        self.lr_lambdas = own
        for function, saved in zip(own, state_dict["lr_lambdas"], strict=True):
            if saved is not None:
                vars(function).update(saved)


class LambdaLR(_FunctionLR):
    """lr = initial lr · f(epoch), one function for all groups or one for each.

    Options   optimizer, whose rates it sets; lr_lambda, f or a list of one f for each group; last_epoch, -1 at the
              start.
    Torch     torch.optim.lr_scheduler.LambdaLR.
    Raises    ValueError if there is not one function per group.
    """

    def get_lr(self) -> list[float]:
        self._warn_outside_step()
        return [base * f(self.last_epoch) for f, base in zip(self.lr_lambdas, self.base_lrs, strict=True)]


class MultiplicativeLR(_FunctionLR):
    """lr = previous lr · f(epoch), from epoch 1 on.

    Options   optimizer, whose rates it sets; lr_lambda, f or a list of one f for each group; last_epoch, -1 at the
              start.
    Torch     torch.optim.lr_scheduler.MultiplicativeLR.
    Raises    ValueError if there is not one function per group; TypeError for anything but functions.
    """

    def get_lr(self) -> list[float]:
        self._warn_outside_step()
        if self._is_initial:
            return self._present_lr()
        return [lr * f(self.last_epoch) for f, lr in zip(self.lr_lambdas, self._present_lr(), strict=True)]


class StepLR(LRScheduler):
    """lr · gamma after every step_size epochs.

        lr = initial lr · gamma^(epoch // step_size)

    Options   optimizer, whose rates it sets; step_size, in epochs; gamma; last_epoch, -1 at the start.
    Torch     torch.optim.lr_scheduler.StepLR.
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        self._warn_outside_step()
        if self.last_epoch == 0 or self.last_epoch % self.step_size != 0:
            return self._present_lr()
        return self._scaled(self.gamma)

    def closed_form(self) -> list[float]:
        return [base * self.gamma ** (self.last_epoch // self.step_size) for base in self.base_lrs]


class MultiStepLR(LRScheduler):
    """lr · gamma at every milestone; a milestone named twice counts twice.

    Options   optimizer, whose rates it sets; milestones, epochs; gamma; last_epoch, -1 at the start.
    Torch     torch.optim.lr_scheduler.MultiStepLR.
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        if not isinstance(milestones, Iterable):
            raise TypeError(f"MultiStepLR: milestones must be a list of epochs, got {milestones!r}.")
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        self._warn_outside_step()
        if self.last_epoch not in self.milestones:
            return self._present_lr()
        return self._scaled(self.gamma ** self.milestones[self.last_epoch])

    def closed_form(self) -> list[float]:
        passed = bisect_right(sorted(self.milestones.elements()), self.last_epoch)
        return [base * self.gamma**passed for base in self.base_lrs]


class ExponentialLR(LRScheduler):
    """lr = initial lr · gamma^epoch.

    Options   optimizer, whose rates it sets; gamma; last_epoch, -1 at the start.
    Torch     torch.optim.lr_scheduler.ExponentialLR.
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        self._warn_outside_step()
        return self._present_lr() if self._is_initial else self._scaled(self.gamma)

    def closed_form(self) -> list[float]:
        return [base * self.gamma**self.last_epoch for base in self.base_lrs]
