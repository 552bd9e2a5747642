"""LRScheduler: what all learning rate schedules share."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from scratch.arguments import check_numbers, plain_options
from scratch.optim.optimizer import Optimizer
from scratch.optim.saved import check_mapping, is_alike


class LRScheduler:
    """Sets the learning rate of every group after each epoch or batch.

    A schedule is `get_lr`, which returns one rate for each group at `last_epoch`. Where a rate follows from the
    previous one, get_lr multiplies that (the chainable form): schedules then compose, and rates equal torch's to the
    last bit, while the closed form rounds differently. If a schedule has a `closed_form`, it can jump to any epoch.

    Building a scheduler sets the rate of epoch 0. Call optimizer.step() before step().

    Options   optimizer, whose rates it sets; last_epoch, -1 at the start.
    Torch     torch.optim.lr_scheduler.LRScheduler; state_dict has the same keys and loads either way.
    Raises    TypeError without an Optimizer; KeyError for last_epoch >= 0 if a group has no initial_lr.
    """

    _get_lr_called_within_step = False
    _is_initial = False
    _step_count = 0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """The constructors of scratch's own schedules receive NumPy scalars as Python numbers."""
        super().__init_subclass__(**kwargs)
        if cls.__module__.startswith("scratch.") and "__init__" in vars(cls):
            cls.__init__ = plain_options(cls.__init__)  # type: ignore[method-assign]

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = check_optimizer(self, optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{type(self).__name__}: last_epoch={last_epoch} resumes a schedule, but param_groups[{i}] has no "
                    "'initial_lr'. Load the optimizer's state_dict first, or start with last_epoch=-1."
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        self.step()
        self._is_initial = False

    def get_lr(self) -> list[float]:
        """The rate of every group at `last_epoch`, computed from the current ones. Only step() calls it."""
        raise NotImplementedError(f"{type(self).__name__}: define get_lr(self).")

    def get_last_lr(self) -> list[float]:
        """The rates that the last step set."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch. `epoch` jumps to that epoch by the closed form, deprecated as in torch."""
        if self._step_count == 1 and self.optimizer.steps_taken == 0:
            warnings.warn(
                f"{type(self).__name__}.step() came before optimizer.step(), so the first rate of the schedule is "
                "skipped. Call them in the other order.",
                UserWarning,
                stacklevel=2,
            )
        self._step_count += 1
        if epoch is not None:
            warnings.warn(f"{type(self).__name__}.step: `epoch` is deprecated; call step().", UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self._get_lr_called_within_step = True
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        closed = getattr(self, "closed_form", None) if epoch is not None else None
        try:
            rates = (closed or self.get_lr)()
        except ZeroDivisionError:
            numbers = {key: value for key, value in self.state_dict().items() if isinstance(value, int | float)}
            raise ZeroDivisionError(
                f"{type(self).__name__}.step: an option that it divides by is 0: {numbers}."
            ) from None
        self._get_lr_called_within_step = False
        self._set_lr(rates)

    def _set_lr(self, rates: Sequence[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = lr
        self._last_lr = self._present_lr()

    def _present_lr(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def _scaled(self, factor: float) -> list[float]:
        return [lr * factor for lr in self._present_lr()]

    def _warn_outside_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                f"{type(self).__name__}.get_lr computes the next rates; for the current ones call get_last_lr().",
                UserWarning,
                stacklevel=3,
            )

    def state_dict(self) -> dict[str, Any]:
        """Everything except the optimizer, which has its own state_dict."""
        return {key: value for key, value in vars(self).items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a state_dict of this class or of torch's."""
        call = f"{type(self).__name__}.load_state_dict"
        check_mapping(call, "the state_dict", state_dict)
        own = self.state_dict()
        unknown = sorted(str(name) for name in state_dict if name not in own)
        if unknown:
            raise KeyError(f"{call}: unknown keys {unknown}. Was it saved by another scheduler?")
        for name, saved in state_dict.items():
            if not is_alike(own[name], saved, name):
                raise TypeError(f"{call}: {name} cannot be {saved!r:.100}; it is {own[name]!r:.100} now.")
        vars(self).update(state_dict)

    def _check_has(self, key: str, state_dict: Any) -> None:
        """Refuse a state_dict without a key that every state_dict of this class has."""
        call = f"{type(self).__name__}.load_state_dict"
        check_mapping(call, "the state_dict", state_dict)
        if key not in state_dict:
            raise KeyError(f"{call}: the key {key!r} is missing. Was it saved by another scheduler?")


def check_optimizer(scheduler: Any, optimizer: Any) -> Optimizer:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"{type(scheduler).__name__}: expected an optimizer of scratch.optim, got {type(optimizer).__name__}."
        )
    return optimizer


def per_group(scheduler: Any, name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """One value for each group: a list as it is, a number repeated."""
    n = len(optimizer.param_groups)
    if not isinstance(value, list | tuple):
        check_numbers(type(scheduler).__name__, **{name: value})
        return [value] * n
    if len(value) != n:
        raise ValueError(
            f"{type(scheduler).__name__}: {name} has {len(value)} values, the optimizer {n} groups. Give one for each."
        )
    return list(value)
