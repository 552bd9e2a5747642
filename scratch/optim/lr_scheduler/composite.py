"""Schedules made of schedules: SequentialLR, ChainedScheduler."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from scratch.optim.lr_scheduler.plateau import ReduceLROnPlateau
from scratch.optim.lr_scheduler.scheduler import LRScheduler
from scratch.optim.optimizer import Optimizer


class _CompositeLR(LRScheduler):
    """Holds schedulers of one optimizer; their state_dicts are part of its state_dict."""

    _schedulers: list[LRScheduler]

    def _check(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None) -> Optimizer:
        call = type(self).__name__
        if not schedulers:
            raise ValueError(f"{call}: expected at least one scheduler.")
        for i, scheduler in enumerate(schedulers):
            if not isinstance(scheduler, LRScheduler):
                raise TypeError(f"{call}: schedulers[{i}] must be a scheduler, got {type(scheduler).__name__}.")
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(f"{call}: schedulers[{i}] is a ReduceLROnPlateau, whose step needs a metric.")
            optimizer = optimizer or scheduler.optimizer
            if scheduler.optimizer is not optimizer:
                raise ValueError(f"{call}: schedulers[{i}] belongs to a different optimizer.")
        assert optimizer is not None
        return optimizer

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_schedulers": [scheduler.state_dict() for scheduler in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        own = self._schedulers
        self._check_has("_schedulers", state_dict)
        super().load_state_dict(state_dict)
        self._schedulers = own
        for scheduler, saved in zip(own, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(saved)


class SequentialLR(_CompositeLR):
    """One scheduler after another; at each milestone the next takes over and starts at its epoch 0.

    The schedulers were built on one optimizer, so each has already set its first rate. SequentialLR undoes that and
    starts the first one again.

    Options   optimizer, whose rates it sets; schedulers in turn; milestones, the epochs at which the next takes over;
              last_epoch, -1 at the start.
    Torch     torch.optim.lr_scheduler.SequentialLR.
    Raises    ValueError for schedulers of another optimizer, for ReduceLROnPlateau among them, and unless there is one
              milestone fewer than schedulers.
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: list[LRScheduler], milestones: list[int], last_epoch: int = -1
    ) -> None:
        self.optimizer = self._check(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            needed = len(schedulers) - 1
            raise ValueError(f"SequentialLR: {needed + 1} schedulers need {needed} milestones, got {len(milestones)}.")
        self._schedulers = schedulers
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        _undo_first_step(self)
        first = schedulers[bisect_right(milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def step(self) -> None:  # type: ignore[override]
        """Go to the next epoch of the active scheduler."""
        self.last_epoch += 1
        turn = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[turn]
        if turn > 0 and self._milestones[turn - 1] == self.last_epoch:
            scheduler._update_lr(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


def _undo_first_step(scheduler: LRScheduler) -> None:
    if isinstance(scheduler, _CompositeLR):
        for part in scheduler._schedulers:
            _undo_first_step(part)
    else:
        scheduler.last_epoch -= 1


class ChainedScheduler(_CompositeLR):
    """All schedulers at once: each changes the rate that the one before it set.

    Options   schedulers, in the order in which they act; optimizer, by default theirs.
    Torch     torch.optim.lr_scheduler.ChainedScheduler.
    Raises    ValueError for schedulers of different optimizers, or ReduceLROnPlateau among them.
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        self.optimizer = self._check(schedulers, optimizer)
        self._schedulers = list(schedulers)
        self._last_lr = self._present_lr()

    def step(self) -> None:  # type: ignore[override]
        """Go to the next epoch, in every scheduler."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._present_lr()
