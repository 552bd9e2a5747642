"""What torch's components do in one release and not in another, written with operations that all releases have."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import Any

import numpy as np
import torch


class Clamp(torch.autograd.Function):
    """max(z, 0), whose slope at 0 is 0, or 1 where `closed`; of NaN it is 0."""

    @staticmethod
    def forward(ctx: Any, z: torch.Tensor, closed: bool) -> torch.Tensor:
        ctx.save_for_backward((z >= 0) if closed else (z > 0))
        return z.clamp_min(0)

    @staticmethod
    def backward(ctx: Any, dy: torch.Tensor) -> tuple[torch.Tensor, None]:
        (active,) = ctx.saved_tensors
        return torch.where(active, dy, torch.zeros_like(dy)), None


class Clamped:
    """A loss built on clamp. torch's own forward comes first, for its refusals."""

    closed = False
    reduction: str

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        super().forward(*(x.detach() for x in inputs))  # type: ignore[misc]
        losses: Any = self.losses(*inputs)
        reduced: torch.Tensor = {"mean": losses.mean, "sum": losses.sum, "none": losses.clone}[self.reduction]()
        return reduced

    def losses(self, *inputs: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def clamp(self, z: torch.Tensor) -> torch.Tensor:
        clamped: torch.Tensor = Clamp.apply(z, self.closed)
        return clamped


class MarginRankingLoss(Clamped, torch.nn.MarginRankingLoss):
    def losses(self, x1: torch.Tensor, x2: torch.Tensor, target: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return self.clamp(-target * (x1 - x2) + self.margin)


class HingeEmbeddingLoss(Clamped, torch.nn.HingeEmbeddingLoss):
    def losses(self, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        zeros = torch.zeros_like(x)
        far = torch.where(target != 1, self.clamp(self.margin - x), zeros)
        return far + torch.where(target != -1, x, zeros)


class CosineEmbeddingLoss(Clamped, torch.nn.CosineEmbeddingLoss):
    EPSILON = float(np.float32(1e-12))  # a float32 in torch in every precision

    def losses(self, x1: torch.Tensor, x2: torch.Tensor, target: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        squares = ((x1 * x1).sum(-1) + self.EPSILON) * ((x2 * x2).sum(-1) + self.EPSILON)
        cosine = (x1 * x2).sum(-1) / squares.sqrt()
        zeros = torch.zeros_like(cosine)
        near = torch.where(target == 1, 1 - cosine, zeros)
        return near + torch.where(target == -1, self.clamp(cosine - self.margin), zeros)


class TripletMarginWithDistanceLoss(Clamped, torch.nn.TripletMarginWithDistanceLoss):
    def losses(self, a: torch.Tensor, p: torch.Tensor, n: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        far = self.distance(a, n)
        if self.swap:
            far = torch.minimum(far, self.distance(p, n))
        return self.clamp(self.margin + self.distance(a, p) - far)

    def distance(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        function: Any = self.distance_function
        distance: torch.Tensor = function(x, y)
        return distance


class TripletMarginLoss(Clamped, torch.nn.TripletMarginLoss):
    def losses(self, a: torch.Tensor, p: torch.Tensor, n: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        far = self.distance(a, n)
        if self.swap:
            far = torch.minimum(far, self.distance(p, n))
        return self.clamp(self.margin + self.distance(a, p) - far)

    def distance(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.pairwise_distance(x, y, self.p, self.eps)


class RefusesZero:
    """LPPool, which refuses norm_type 0 when it is built."""

    def __init__(self, norm_type: float, *args: Any, **kwargs: Any) -> None:
        if norm_type == 0:
            raise ValueError(f"norm_type must be a non-zero value, but got {norm_type}")
        super().__init__(norm_type, *args, **kwargs)  # type: ignore[call-arg]


class DividesByZero:
    """LPPool, which divides by norm_type when it is called."""

    norm_type: float

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.norm_type == 0:
            raise ZeroDivisionError("float division by zero")
        result: torch.Tensor = super().forward(x)  # type: ignore[misc]
        return result


class OfInfinity:
    """LPPool, whose norm of order infinity, or minus infinity, is written here."""

    norm_type: float
    kernel_size: Any
    stride: Any
    ceil_mode: bool

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if math.isinf(self.norm_type):
            return self.norm(x, int(type(self).__name__[-2]))
        result: torch.Tensor = super().forward(x)  # type: ignore[misc]
        return result

    def norm(self, x: torch.Tensor, dimensions: int) -> torch.Tensor:
        raise NotImplementedError


class LargestMagnitude(OfInfinity):
    def norm(self, x: torch.Tensor, dimensions: int) -> torch.Tensor:
        sign = math.copysign(1, self.norm_type)
        pool: Any = getattr(torch.nn.functional, f"max_pool{dimensions}d")
        largest: torch.Tensor = pool(sign * x.abs(), self.kernel_size, self.stride, ceil_mode=self.ceil_mode)
        return sign * largest


class PowerOfInfinity(OfInfinity):
    def norm(self, x: torch.Tensor, dimensions: int) -> torch.Tensor:
        size, p = self.kernel_size, float(self.norm_type)
        pool: Any = getattr(torch.nn.functional, f"avg_pool{dimensions}d")
        mean: torch.Tensor = pool(x.pow(p), size, self.stride, ceil_mode=self.ceil_mode)
        count = math.prod(size) if isinstance(size, tuple) else size**dimensions
        return (mean.sign() * mean.abs().relu()).mul(count).pow(1 / p)


class TakesBias:
    """A normalization that can be built without its bias."""

    def __init__(self, *args: Any, bias: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not bias:
            self.bias = None


class RefusesBias:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "bias" in kwargs:
            raise TypeError(f"{type(self).__name__}.__init__() got an unexpected keyword argument 'bias'")
        super().__init__(*args, **kwargs)


class RefusesToEmpty:
    """Padding that must leave something of every dimension."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = super().forward(x)  # type: ignore[misc]
        if x.numel() and not y.numel():
            raise RuntimeError("nothing would be left of a dimension")
        return y


class GroupNorm(torch.nn.GroupNorm):
    """GroupNorm that refuses channels without positions."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if 0 in input.shape[2:]:
            raise RuntimeError("Expected HxW to be greater than 0, got 0")
        return super().forward(input)


class RefusesNoWindow(torch.nn.FractionalMaxPool2d):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        size = self.kernel_size
        if min(size if isinstance(size, tuple) else (size,)) < 1:
            raise RuntimeError(f"kernel size should be greater than zero, but got {size}")
        return super().forward(input)


class OfNegativeSize:
    """MaxUnpool; `error` is what a negative output size that nobody gave is refused with."""

    error: type[Exception]
    kernel_size: Any
    stride: Any
    padding: Any

    def forward(self, x: torch.Tensor, indices: torch.Tensor, output_size: Any = None) -> torch.Tensor:
        places = int(type(self).__name__[-2])
        sizes = zip(
            x.shape[-places:], *(_each(o, places) for o in (self.kernel_size, self.stride, self.padding)), strict=True
        )
        if output_size is None and any((i - 1) * s + k - 2 * p < 0 for i, k, s, p in sizes):
            raise self.error("output_size must contain non-negative spatial dimensions")
        result: torch.Tensor = super().forward(x, indices, output_size)  # type: ignore[misc]
        return result


def _each(option: Any, places: int) -> tuple[int, ...]:
    return option if isinstance(option, tuple) else (option,) * places


class RefusesNegativeSize(OfNegativeSize):
    error = ValueError


class OverflowsAtNegativeSize(OfNegativeSize):
    error = RuntimeError


class ChecksItsPowers(torch.optim.ASGD):
    def __init__(self, params: Any, lr: Any = 1e-2, lambd: float = 1e-4, alpha: float = 0.75, **others: Any) -> None:
        for name, value in (("lambd", lambd), ("alpha", alpha)):
            if not value >= 0.0:
                raise ValueError(f"Invalid {name} value: {value}")
        super().__init__(params, lr, lambd, alpha, **others)


class Maximizes(torch.optim.LBFGS):
    """LBFGS of a torch whose own cannot maximize."""

    def __init__(self, params: Any, *arguments: Any, maximize: bool = False, **options: Any) -> None:
        super().__init__(params, *arguments, **options)
        self.param_groups[0]["maximize"] = maximize

    def _gather_flat_grad(self) -> torch.Tensor:
        flat: torch.Tensor = super()._gather_flat_grad()
        return -flat if self.param_groups[0]["maximize"] else flat

    def step(self, closure: Any) -> Any:  # type: ignore[override]
        losses: list[Any] = []

        def negated() -> Any:
            losses.append(closure())
            return -losses[-1]

        if not self.param_groups[0]["maximize"]:
            return super().step(closure)
        super().step(negated)
        return losses[0]


class RefusesMaximize(torch.optim.LBFGS):
    def __init__(self, params: Any, *arguments: Any, **options: Any) -> None:
        if "maximize" in options:
            raise TypeError("LBFGS.__init__() got an unexpected keyword argument 'maximize'")
        super().__init__(params, *arguments, **options)


class ConvertsTarget(torch.nn.MSELoss):
    def forward(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return super().forward(input, target if target.is_floating_point() else target.to(input.dtype))


class RefusesIntegers(torch.nn.MSELoss):
    def forward(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if not target.is_floating_point():
            raise RuntimeError("Found dtype Long but expected Float")
        return super().forward(input, target)


class Sequential(torch.optim.lr_scheduler.SequentialLR):
    """SequentialLR, of whose schedules a given one makes the initial step."""

    def __init__(self, optimizer: Any, schedulers: Any, milestones: Any, last_epoch: int = -1) -> None:
        super().__init__(optimizer, schedulers, milestones, last_epoch)
        if bisect_right(milestones, 0) == 0:
            return
        first, of_installed = self.first(), 0 if schedulers[0].last_epoch == 0 else bisect_right(milestones, 0)
        if first != of_installed:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"]
            schedulers[of_installed].last_epoch -= 1
            schedulers[first]._initial_step()
            self._last_lr = schedulers[first].get_last_lr()

    def first(self) -> int:
        return bisect_right(self._milestones, 0)


class BeginsWithTheFirst(Sequential):
    def first(self) -> int:
        return 0
