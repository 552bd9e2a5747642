"""Averaged weights: a running mean (SWA) or an exponential one (EMA) of a model while it trains."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from scratch.arguments import check_numbers
from scratch.grad_mode import no_grad
from scratch.nn.module import Module
from scratch.nn.normalization import BatchNorm1d, BatchNorm2d, BatchNorm3d
from scratch.optim.inplace import lerp_
from scratch.optim.lr_scheduler.scheduler import LRScheduler, per_group
from scratch.optim.optimizer import Optimizer

Average = Callable[[np.ndarray, np.ndarray, Any], np.ndarray]
MultiAverage = Callable[[list[np.ndarray], list[np.ndarray], Any], None]


def get_swa_avg_fn() -> Average:
    """The mean of all models so far: a + (x - a) / (n + 1), for one array. Integers are averaged in float32."""

    def swa_update(averaged: np.ndarray, current: np.ndarray, num_averaged: Any) -> np.ndarray:
        if averaged.dtype == bool:
            raise RuntimeError(
                "get_swa_avg_fn: an array of bools has no mean. Set use_buffers=False, or pass get_ema_avg_fn()."
            )
        return _as_float(averaged) + _as_float(current - averaged) / (int(num_averaged) + 1)

    return swa_update


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """The exponential mean: decay · a + (1 - decay) · x, for one array. Integers are averaged in float32."""
    decay = _checked_decay("get_ema_avg_fn", decay)

    def ema_update(averaged: np.ndarray, current: np.ndarray, num_averaged: Any) -> np.ndarray:
        return decay * _as_float(averaged) + (1 - decay) * _as_float(current)

    return ema_update


def get_swa_multi_avg_fn() -> MultiAverage:
    """The mean of all models so far, in place, for lists of arrays.

    As in torch the weight 1 / (n + 1) is rounded to float32 when n is an array, as it is inside AveragedModel.

    Raises    RuntimeError for arrays of integers or bools, such as num_batches_tracked with use_buffers.
    """

    def swa_update(averaged: list[np.ndarray], current: list[np.ndarray], num_averaged: Any) -> None:
        if any(a.dtype.kind != "f" for a in averaged):
            raise RuntimeError(
                f"get_swa_multi_avg_fn: averages floats in place, got {averaged[0].dtype}. Set use_buffers=False, or "
                "pass avg_fn=get_swa_avg_fn(), which rounds the means of integers."
            )
        weight = 1 / (int(num_averaged) + 1)
        if not isinstance(num_averaged, int):
            weight = float(np.float32(weight))
        for a, x in zip(averaged, current, strict=True):
            lerp_(a, x, weight, np.empty_like(a))

    return swa_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAverage:
    """The exponential mean, in place, for lists of arrays. Integers are averaged in float32 and truncated."""
    decay = _checked_decay("get_ema_multi_avg_fn", decay)
    single = get_ema_avg_fn(decay)

    def ema_update(averaged: list[np.ndarray], current: list[np.ndarray], num_averaged: Any) -> None:
        for a, x in zip(averaged, current, strict=True):
            if a.dtype.kind == "f":
                lerp_(a, x, 1 - decay, np.empty_like(a))
            else:
                a[...] = single(a, x, num_averaged)

    return ema_update


def _as_float(array: np.ndarray) -> np.ndarray:
    return array if array.dtype.kind == "f" else array.astype(np.float32)


def _checked_decay(call: str, decay: float) -> float:
    check_numbers(call, decay=decay)
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"{call}: decay must be between 0 and 1, got {decay}.")
    return float(decay)  # an np.float64 would promote float32 averages


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of the model's, taken at each update_parameters(model).

        n_averaged = 0    a = x
        afterwards        a = avg_fn(a, x, n_averaged); by default the mean, a + (x - a) / (n_averaged + 1)

    Buffers are copied from the model, or averaged with use_buffers; the mean of integers is truncated to an integer, so
    a counter's mean lags behind or does not change. multi_avg_fn works in place on lists of arrays.

    Backward  that of the copy, which is a model like any other.
    Torch     torch.optim.swa_utils.AveragedModel; state_dict has the same names.
    Raises    AssertionError if both avg_fn and multi_avg_fn are given; what they raise for integers or bools.
    Source    Polyak, Juditsky 1992; Izmailov et al. 2018, arXiv:1803.05407.
    """

    n_averaged: np.ndarray

    def __init__(
        self,
        model: Module,
        avg_fn: Average | None = None,
        multi_avg_fn: MultiAverage | None = None,
        use_buffers: bool = False,
    ) -> None:
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("AveragedModel: pass avg_fn or multi_avg_fn, not both.")
        self.module = copy.deepcopy(model)
        for parameter in self.module.parameters():
            parameter.grad = parameter.grad_buffer = None  # these belong to the model, not to this copy
        self.register_buffer("n_averaged", np.zeros((), np.int64))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *inputs: Any, **options: Any) -> Any:
        return self.module(*inputs, **options)

    def backward(self, *cotangents: Any) -> Any:
        return self.module.backward(*cotangents)

    def update_parameters(self, model: Module) -> None:
        """Add the model's current parameters to the average."""
        averaged, current = _parameters(self.module), _parameters(model)
        buffers, model_buffers = list(self.module.buffers()), list(model.buffers())
        if self.use_buffers:
            averaged, current = averaged + buffers, current + model_buffers
        if self.n_averaged == 0:
            _copy_all(averaged, current)
        elif self.multi_avg_fn is not None:
            for kind in dict.fromkeys(a.dtype for a in averaged):
                same = [(a, x) for a, x in zip(averaged, current, strict=True) if a.dtype == kind]
                self.multi_avg_fn([a for a, _ in same], [x for _, x in same], self.n_averaged)
        else:
            average = self.avg_fn or get_swa_avg_fn()
            _copy_all(averaged, [average(a, x, self.n_averaged) for a, x in zip(averaged, current, strict=True)])
        if not self.use_buffers:
            _copy_all(buffers, model_buffers)
        self.n_averaged += 1


def _parameters(model: Module) -> list[np.ndarray]:
    return [parameter.data for parameter in model.parameters()]


def _copy_all(targets: list[np.ndarray], values: list[np.ndarray]) -> None:
    for target, value in zip(targets, values, strict=True):
        target[...] = value


def update_bn(loader: Iterable[Any], model: Module) -> None:
    """Recompute the running statistics of the BatchNorm layers in one pass over the data.

    Averaged weights were never trained themselves, so the model's statistics do not fit them. Batches are arrays, or
    tuples whose first entry is the input.

    Torch     torch.optim.swa_utils.update_bn.
    """
    layers = [m for m in model.modules() if isinstance(m, BatchNorm1d | BatchNorm2d | BatchNorm3d)]
    if not layers:
        return
    momenta, was_training = [layer.momentum for layer in layers], model.training
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean over all batches
    model.train()
    try:
        with no_grad():
            for batch in loader:
                model(batch[0] if isinstance(batch, list | tuple) else batch)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        model.train(was_training)


class SWALR(LRScheduler):
    """Anneal to the constant rate swa_lr within anneal_epochs, along half a cosine or a line.

        lr = swa_lr · α + initial lr · (1 - α)        α from 0 to 1

    Computed from the previous rate, so that it composes with other schedules.

    Options   optimizer, whose rates it sets; swa_lr, one rate or one for each group; anneal_epochs; anneal_strategy,
              "cos" or "linear"; last_epoch, -1 at the start.
    Torch     torch.optim.swa_utils.SWALR.
    Raises    ValueError for an unknown anneal_strategy or anneal_epochs that is not an integer of at least 0.
    Source    Izmailov et al. 2018, arXiv:1803.05407.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        for lr, group in zip(per_group(self, "swa_lr", optimizer, swa_lr), optimizer.param_groups, strict=True):
            group["swa_lr"] = lr
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"SWALR: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}.")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"SWALR: anneal_epochs must be an integer of at least 0, got {anneal_epochs!r}.")
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        self._warn_outside_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._alpha(step - 1), self._alpha(step)
        rates = []
        for group in self.optimizer.param_groups:
            lr, goal = group["lr"], group["swa_lr"]
            start = goal if before == 1 else (lr - before * goal) / (1 - before)
            rates.append(goal * now + start * (1 - now))
        return rates

    def _alpha(self, step: int) -> float:
        t = max(0, min(1, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2
