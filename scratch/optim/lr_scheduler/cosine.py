"""Half a cosine wave, once or repeatedly: CosineAnnealingLR, CosineAnnealingWarmRestarts."""

import math

from scratch.arguments import check_numbers
from scratch.optim.lr_scheduler.scheduler import LRScheduler
from scratch.optim.optimizer import Optimizer


class CosineAnnealingLR(LRScheduler):
    """From the initial lr down to eta_min at epoch T_max, along a cosine; after T_max it goes up again.

        lr = eta_min + (initial lr - eta_min) (1 + cos(π epoch / T_max)) / 2

    Computed from the previous rate, by the quotient of two such factors. At eta_min that quotient would divide by
    zero; the first step up again is added instead.

    Options   optimizer, whose rates it sets; T_max; eta_min; last_epoch, -1 at the start.
    Torch     torch.optim.lr_scheduler.CosineAnnealingLR.
    Source    Loshchilov, Hutter 2017, arXiv:1608.03983, without the restarts.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        self._warn_outside_step()
        epoch, low = self.last_epoch, self.eta_min
        if self._is_initial:
            return self._present_lr()
        if self._step_count == 1 and epoch > 0:
            return [low + (base - low) * (1 + math.cos(epoch * math.pi / self.T_max)) / 2 for base in self.base_lrs]
        if (epoch - 1 - self.T_max) % (2 * self.T_max) == 0:
            rise = 1 - math.cos(math.pi / self.T_max)
            return [lr + (base - low) * rise / 2 for base, lr in zip(self.base_lrs, self._present_lr(), strict=True)]
        now, before = 1 + math.cos(math.pi * epoch / self.T_max), 1 + math.cos(math.pi * (epoch - 1) / self.T_max)
        return [now / before * (lr - low) + low for lr in self._present_lr()]

    def closed_form(self) -> list[float]:
        fall = 1 + math.cos(math.pi * self.last_epoch / self.T_max)
        return [self.eta_min + (base - self.eta_min) * fall / 2 for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Cosine annealing that starts again from the initial lr after T_0 epochs, then T_0·T_mult, T_0·T_mult², ...

        lr = eta_min + (initial lr - eta_min) (1 + cos(π T_cur / T_i)) / 2

    T_cur counts epochs since the last restart, T_i is the length of this period. step(epoch) may be called with
    fractions, after every batch; here it is not deprecated.

    Options   optimizer, whose rates it sets; T_0, the length of the first period; T_mult, the factor by which each
              period is longer than the last; eta_min; last_epoch, -1 at the start.
    Torch     torch.optim.lr_scheduler.CosineAnnealingWarmRestarts.
    Raises    ValueError unless T_0 >= 1 and T_mult >= 1 are integers, and for a negative epoch.
    Source    Loshchilov, Hutter 2017, arXiv:1608.03983.
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        check_numbers("CosineAnnealingWarmRestarts", T_0=T_0, T_mult=T_mult)
        for name, value in (("T_0", T_0), ("T_mult", T_mult)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"CosineAnnealingWarmRestarts: {name} must be an integer of at least 1, got {value}.")
        if not isinstance(eta_min, int | float):
            raise ValueError(f"CosineAnnealingWarmRestarts: eta_min must be a number, got {eta_min!r}.")
        self.T_0 = T_0
        self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        self._warn_outside_step()
        fall = 1 + math.cos(math.pi * self.T_cur / self.T_i)
        return [self.eta_min + (base - self.eta_min) * fall / 2 for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        if epoch is None and self.last_epoch >= 0:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            epoch = 0 if epoch is None else epoch
            self._jump(epoch)
        self.last_epoch = math.floor(epoch)
        self._get_lr_called_within_step = True
        rates = self.get_lr()
        self._get_lr_called_within_step = False
        self._set_lr(rates)

    def _jump(self, epoch: float) -> None:
        """Find the period in which `epoch` lies: after n of them, T_0 (T_mult^n - 1) / (T_mult - 1) epochs are over."""
        if epoch < 0:
            raise ValueError(f"CosineAnnealingWarmRestarts: epoch must not be negative, got {epoch}.")
        if epoch < self.T_0:
            self.T_cur, self.T_i = epoch, self.T_0
        elif self.T_mult == 1:
            self.T_cur = epoch % self.T_0
        else:
            n = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
            self.T_cur = epoch - self.T_0 * (self.T_mult**n - 1) / (self.T_mult - 1)
            self.T_i = self.T_0 * self.T_mult**n
