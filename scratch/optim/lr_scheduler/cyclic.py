"""Rates and momenta that go up and down: CyclicLR, OneCycleLR."""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Mapping
from typing import Any

from scratch.arguments import check_numbers
from scratch.optim.lr_scheduler.scheduler import LRScheduler, check_optimizer, per_group
from scratch.optim.optimizer import Optimizer


def _has_beta(scheduler: LRScheduler, optimizer: Optimizer) -> bool:
    """True if the optimizer's momentum is the first of its betas, False if it is called momentum."""
    if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
        raise ValueError(
            f"{type(scheduler).__name__}: {type(optimizer).__name__} has neither momentum nor betas to cycle. "
            "Pass cycle_momentum=False."
        )
    return "betas" in optimizer.defaults


def _set_momentum(group: dict[str, Any], momentum: float, use_beta1: bool) -> None:
    if use_beta1:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum


def _start_momentum(scheduler: CyclicLR | OneCycleLR, base_momenta: list[float], max_momenta: list[float]) -> None:
    for low, high, group in zip(base_momenta, max_momenta, scheduler.optimizer.param_groups, strict=True):
        _set_momentum(group, high, scheduler.use_beta1)
        group["max_momentum"] = high
        group["base_momentum"] = low


class CyclicLR(LRScheduler):
    """Triangles: base_lr up to max_lr in step_size_up steps, down again in step_size_down. Step it after each batch.

        lr       = base_lr + (max_lr - base_lr) · height · scale
        momentum = max_momentum - (max_momentum - base_momentum) · height · scale

    height goes 0, 1, 0 over a cycle. scale is 1 (mode "triangular"), 2^(1 - cycle) ("triangular2"), gamma^step
    ("exp_range"), or scale_fn of the cycle or the step, as scale_mode says. For Adam and its relatives the momentum is
    β1.

    Options   optimizer, whose rates it sets; base_lr and max_lr; step_size_up and step_size_down, in steps; mode;
              gamma; scale_fn and scale_mode; cycle_momentum, with base_momentum and max_momentum; last_epoch, -1 at the
              start.
    Torch     torch.optim.lr_scheduler.CyclicLR.
    Raises    ValueError for an unknown mode, and with cycle_momentum if the optimizer has no momentum.
    Source    Smith 2017, arXiv:1506.01186.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float = 0.8,
        max_momentum: float = 0.9,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = check_optimizer(self, optimizer)
        base_lrs = per_group(self, "base_lr", optimizer, base_lr)
        self.max_lrs = per_group(self, "max_lr", optimizer, max_lr)
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError(f"CyclicLR: mode must be 'triangular', 'triangular2' or 'exp_range', got {mode!r}.")
        check_numbers("CyclicLR", step_size_up=step_size_up)
        if step_size_down is not None:
            check_numbers("CyclicLR", step_size_down=step_size_down)
        if scale_fn is not None and not callable(scale_fn):
            raise TypeError(f"CyclicLR: scale_fn must be a function of the cycle or the iteration, got {scale_fn!r}.")
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        if math.isnan(self.total_size):
            raise ValueError(f"CyclicLR: the step sizes must be numbers, got {step_size_up} and {step_size_down}.")
        self.step_ratio = up / self.total_size
        self.mode = mode
        self.gamma = gamma
        self.scale_mode = scale_mode
        if scale_fn is None:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self._scale_fn_custom = scale_fn
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1 = _has_beta(self, optimizer)
            self.base_momentums = per_group(self, "base_momentum", optimizer, base_momentum)
            self.max_momentums = per_group(self, "max_momentum", optimizer, max_momentum)
        if last_epoch == -1:
            for lr, group in zip(base_lrs, optimizer.param_groups, strict=True):
                group["lr"] = lr
            if cycle_momentum:
                _start_momentum(self, self.base_momentums, self.max_momentums)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular":
            return 1.0
        return 1 / 2.0 ** (x - 1) if self.mode == "triangular2" else self.gamma**x

    def get_lr(self) -> list[float]:
        """The next rates. With cycle_momentum it sets the momenta too."""
        self._warn_outside_step()
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            ranges = zip(self.base_momentums, self.max_momentums, self.optimizer.param_groups, strict=True)
            for low, high, group in ranges:
                _set_momentum(group, high - (high - low) * height * scale, self.use_beta1)
        return [low + (high - low) * height * scale for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        function = state["_scale_fn_custom"]
        plain = function is None or isinstance(function, types.FunctionType)
        return {**state, "_scale_fn_custom": None if plain else dict(vars(function))}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._check_has("_scale_fn_custom", state_dict)
        own, saved = self._scale_fn_custom, state_dict["_scale_fn_custom"]
        super().load_state_dict(state_dict)
        self._scale_fn_custom = own
        if isinstance(saved, Mapping) and hasattr(own, "__dict__"):
            vars(own).update(saved)


class OneCycleLR(LRScheduler):
    """One cycle for the whole training: up to max_lr, then far down. Step it after each batch.

        initial lr = max_lr / div_factor         min lr = initial lr / final_div_factor
        phases     initial → max in pct_start of all steps, then max → min
                   three_phase: initial → max, max → initial in as many steps, then initial → min
        momentum   the other way: max → base → max

    A phase anneals from `start` to `end` along half a cosine or a line.

    Options   optimizer, whose rates it sets; max_lr; total_steps, or epochs and steps_per_epoch; pct_start;
              anneal_strategy, "cos" or "linear"; cycle_momentum, with base_momentum and max_momentum; div_factor;
              final_div_factor; three_phase; last_epoch, -1 at the start.
    Torch     torch.optim.lr_scheduler.OneCycleLR.
    Raises    ValueError without total_steps or epochs and steps_per_epoch, for options out of range, when stepped more
              than total_steps times, and with cycle_momentum if the optimizer has no momentum.
    Source    Smith, Topin 2019, arXiv:1708.07120, and the phases of fastai.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = check_optimizer(self, optimizer)
        self.total_steps = _total_steps(total_steps, epochs, steps_per_epoch)
        check_numbers("OneCycleLR", pct_start=pct_start, div_factor=div_factor, final_div_factor=final_div_factor)
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start must be a float between 0 and 1, got {pct_start!r}.")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}.")
        self._schedule_phases = _phases(pct_start, self.total_steps, three_phase)
        self._anneal_func_type = anneal_strategy
        max_lrs = per_group(self, "max_lr", optimizer, max_lr)
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1 = _has_beta(self, optimizer)
            max_momenta = per_group(self, "max_momentum", optimizer, max_momentum)
            base_momenta = per_group(self, "base_momentum", optimizer, base_momentum)
        if last_epoch == -1:
            for lr, group in zip(max_lrs, optimizer.param_groups, strict=True):
                group["initial_lr"] = lr / div_factor
                group["max_lr"] = lr
                group["min_lr"] = group["initial_lr"] / final_div_factor
            if cycle_momentum:
                _start_momentum(self, base_momenta, max_momenta)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The next rates. With cycle_momentum it sets the momenta too."""
        self._warn_outside_step()
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(f"OneCycleLR: step {step} of {self.total_steps}. Raise total_steps, or stop stepping it.")
        start = 0.0
        for phase in self._schedule_phases[:-1]:
            if step <= phase["end_step"]:
                break
            start = phase["end_step"]
        else:
            phase = self._schedule_phases[-1]
        done = (step - start) / (phase["end_step"] - start)
        if self.cycle_momentum:
            for group in self.optimizer.param_groups:
                momentum = self._anneal(group[phase["start_momentum"]], group[phase["end_momentum"]], done)
                _set_momentum(group, momentum, self.use_beta1)
        groups = self.optimizer.param_groups
        return [self._anneal(group[phase["start_lr"]], group[phase["end_lr"]], done) for group in groups]

    def _anneal(self, start: float, end: float, done: float) -> float:
        if self._anneal_func_type == "linear":
            return (end - start) * done + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * done) + 1)


def _total_steps(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    if total_steps is None and (epochs is None or steps_per_epoch is None):
        raise ValueError("OneCycleLR: pass total_steps, or both epochs and steps_per_epoch.")
    given = {"total_steps": total_steps}
    if total_steps is None:
        given = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    check_numbers("OneCycleLR", **given)
    for name, value in given.items():
        if not isinstance(value, int) or value <= 0:
            raise ValueError(f"OneCycleLR: {name} must be a positive integer, got {value!r}.")
    return math.prod(value for value in given.values() if value is not None)


def _phases(pct_start: float, total: int, three_phase: bool) -> list[dict[str, Any]]:
    def phase(end_step: float, lr: tuple[str, str], momentum: tuple[str, str]) -> dict[str, Any]:
        names = ("end_step", "start_lr", "end_lr", "start_momentum", "end_momentum")
        return dict(zip(names, (end_step, *lr, *momentum), strict=True))

    up = phase(float(pct_start * total) - 1, ("initial_lr", "max_lr"), ("max_momentum", "base_momentum"))
    if not three_phase:
        return [up, phase(total - 1, ("max_lr", "min_lr"), ("base_momentum", "max_momentum"))]
    return [
        up,
        phase(float(2 * pct_start * total) - 2, ("max_lr", "initial_lr"), ("base_momentum", "max_momentum")),
        phase(total - 1, ("initial_lr", "min_lr"), ("max_momentum", "max_momentum")),
    ]
