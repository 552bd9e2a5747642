"""Schedules that change the rate for total_iters epochs: ConstantLR, LinearLR, PolynomialLR."""

from scratch.optim.lr_scheduler.scheduler import LRScheduler
from scratch.optim.optimizer import Optimizer, check_range


class ConstantLR(LRScheduler):
    """lr = factor · initial lr until epoch total_iters, then the initial lr.

    Options   optimizer, whose rates it sets; factor; total_iters, in epochs; last_epoch, -1 at the start.
    Torch     torch.optim.lr_scheduler.ConstantLR.
    Raises    ValueError for a factor outside [0, 1].
    """

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        check_range("ConstantLR", "factor", factor, 0, 1)
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        self._warn_outside_step()
        if self.last_epoch == 0:
            return self._scaled(self.factor)
        return self._present_lr() if self.last_epoch != self.total_iters else self._scaled(1.0 / self.factor)

    def closed_form(self) -> list[float]:
        over = self.last_epoch >= self.total_iters
        return [base * (self.factor + over * (1 - self.factor)) for base in self.base_lrs]


class LinearLR(LRScheduler):
    """The factor of lr moves linearly from start_factor at epoch 0 to end_factor at epoch total_iters: a warm-up.

        lr = initial lr · (start + (end - start) min(epoch, total_iters) / total_iters)

    Options   optimizer, whose rates it sets; start_factor, end_factor; total_iters, in epochs; last_epoch, -1 at the
              start.
    Torch     torch.optim.lr_scheduler.LinearLR.
    Raises    ValueError for a start_factor outside (0, 1] or an end_factor outside [0, 1].
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        check_range("LinearLR", "start_factor", start_factor, 0, 1)
        check_range("LinearLR", "end_factor", end_factor, 0, 1)
        if start_factor == 0:
            raise ValueError("LinearLR: start_factor must be greater than 0; later rates are multiples of it.")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        self._warn_outside_step()
        if self.last_epoch == 0:
            return self._scaled(self.start_factor)
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._present_lr()
        slope = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * slope
        return self._scaled(1.0 + slope / before)

    def closed_form(self) -> list[float]:
        slope = self.end_factor - self.start_factor
        done = min(self.total_iters, self.last_epoch)
        return [base * (self.start_factor + slope * done / self.total_iters) for base in self.base_lrs]


class PolynomialLR(LRScheduler):
    """lr falls to 0 at epoch total_iters.

        lr = initial lr · (1 - min(epoch, total_iters) / total_iters)^power

    Options   optimizer, whose rates it sets; total_iters, in epochs; power; last_epoch, -1 at the start.
    Torch     torch.optim.lr_scheduler.PolynomialLR.
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        self._warn_outside_step()
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._present_lr()
        now, before = 1.0 - self.last_epoch / self.total_iters, 1.0 - (self.last_epoch - 1) / self.total_iters
        return self._scaled((now / before) ** self.power)

    def closed_form(self) -> list[float]:
        left = 1.0 - min(self.total_iters, self.last_epoch) / self.total_iters
        return [base * left**self.power for base in self.base_lrs]
