"""ReduceLROnPlateau: lower the rate when a metric stops improving."""

from __future__ import annotations

import math
import warnings
from typing import Any, SupportsFloat

from scratch.arguments import check_numbers
from scratch.optim.lr_scheduler.scheduler import LRScheduler, check_optimizer
from scratch.optim.optimizer import Optimizer


class ReduceLROnPlateau(LRScheduler):
    """lr = max(lr · factor, min_lr) once more than `patience` epochs in a row did not improve on the best.

    Better means, for mode "min", metric < best (1 - threshold) if threshold_mode is "rel", metric < best - threshold
    if "abs"; for "max", metric > best (1 + threshold) or best + threshold. After a reduction, bad epochs are not
    counted for `cooldown` epochs. Reductions smaller than eps are skipped. Call step(validation_loss) after an epoch.

    Options   optimizer, whose rates it sets; mode, factor, patience, threshold, threshold_mode, cooldown, min_lr and
              eps as above.
    Differs   NaN is never better, so it counts as a bad epoch, as in torch. With "rel" a negative metric that has
              become worse by less than its share counts as better, -9.9 after -10 at threshold 0.1, and the rate never
              falls, as in torch: use "abs" for it.
    Torch     torch.optim.lr_scheduler.ReduceLROnPlateau.
    Raises    ValueError for factor >= 1, an unknown mode, or if the number of min_lr values is not the number of
              groups.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        check_numbers("ReduceLROnPlateau", factor=factor)
        if factor >= 1.0:
            raise ValueError(f"ReduceLROnPlateau: factor must be less than 1, got {factor}.")
        for name, word in (("mode", mode), ("threshold_mode", threshold_mode)):
            if not isinstance(word, str):
                raise TypeError(f"ReduceLROnPlateau: {name} must be a string, got {word!r}.")
        if mode not in ("min", "max"):
            raise ValueError(f"ReduceLROnPlateau: mode must be 'min' or 'max', got {mode!r}.")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"ReduceLROnPlateau: threshold_mode must be 'rel' or 'abs', got {threshold_mode!r}.")
        self.factor = factor
        self.optimizer = check_optimizer(self, optimizer)
        self.default_min_lr = None if isinstance(min_lr, list | tuple) else min_lr
        self.min_lrs: list[float] = list(min_lr) if isinstance(min_lr, list | tuple) else [min_lr] * self._groups
        if len(self.min_lrs) != self._groups:
            raise ValueError(f"ReduceLROnPlateau: min_lr has {len(self.min_lrs)} values for {self._groups} groups.")
        self.patience = patience
        self.cooldown = cooldown
        self.eps = eps
        self.last_epoch = 0
        self._last_lr = self._present_lr()
        self.mode = mode
        self.mode_worse = math.inf if mode == "min" else -math.inf
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.best = self.mode_worse
        self.cooldown_counter = 0
        self.num_bad_epochs = 0

    @property
    def _groups(self) -> int:
        return len(self.optimizer.param_groups)

    @property
    def in_cooldown(self) -> bool:
        return self.cooldown_counter > 0

    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:  # type: ignore[override]
        """Judge the epoch by its metric. `epoch` sets the epoch's number, deprecated as in torch."""
        if epoch is not None:
            warnings.warn("ReduceLROnPlateau.step: `epoch` is deprecated; leave it out.", UserWarning, stacklevel=2)
        metric = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(metric, self.best):
            self.best = metric
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce_lr()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = self._present_lr()

    def _is_better(self, metric: float, best: float) -> bool:
        if self.mode == "min":
            return metric < (best * (1.0 - self.threshold) if self.threshold_mode == "rel" else best - self.threshold)
        return metric > (best * (1.0 + self.threshold) if self.threshold_mode == "rel" else best + self.threshold)

    def _reduce_lr(self) -> None:
        if len(self.min_lrs) != self._groups:
            if self.default_min_lr is None:
                raise RuntimeError(
                    f"ReduceLROnPlateau: min_lrs has {len(self.min_lrs)} values, but the optimizer now has "
                    f"{self._groups} groups. Was a group added? Set min_lrs to one value for each."
                )
            self.min_lrs = [self.default_min_lr] * self._groups
        for group, low in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
            old = float(group["lr"])
            new = max(old * self.factor, low)
            if old - new > self.eps:
                group["lr"] = new

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a state_dict of this class or of torch's."""
        super().load_state_dict(state_dict)
        self.mode_worse = math.inf if self.mode == "min" else -math.inf
