"""LeakyReLU, PReLU and RReLU: slope 1 for positive numbers, another for negative ones: given, learned or drawn."""

import math

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn.activation.activation import Activation
from scratch.nn.activation.elementwise import Elementwise
from scratch.nn.activation.select import choose, keep
from scratch.nn.module import Module, Parameter
from scratch.nn.sums import sum_leading
from scratch.random import rand


class LeakyReLU(Elementwise):
    """ReLU that lets a little through on the left.

        y = x m        m = 1 where x > 0, else negative_slope

    Shapes    x, y (...), any shape.
    Backward  dx = dy m
    Why       m is the slope on either side. At 0 torch takes the left one.
    Saves     m.
    Numerics  one rounding. -inf with a slope of 0 gives NaN, as in torch.
    Torch     torch.nn.LeakyReLU; `inplace` is accepted and ignored.
    Source    Maas, Hannun, Ng 2013, Rectifier nonlinearities improve neural network acoustic models.
    """

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: np.ndarray) -> np.ndarray:
        m = choose(x > 0, 1, self.negative_slope, x.dtype)
        return self.save(x * m, m)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        m = self.take(dy)
        return dy * m

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class PReLU(Module):
    """LeakyReLU with a learned slope: one for all, or one for each channel.

        y = x m        m = 1 where x > 0, else weight_c

    Shapes    x, y (N, C, ...); weight (C,). With one weight, x may have any shape.
    Backward  dx = dy m        dweight_c = Σ x dy over all x <= 0 of channel c
    Why       y = weight_c x where x <= 0, so the derivative with respect to the weight is x there; elsewhere y does not
              depend on the weight.
    Saves     x, m.
    Numerics  dweight sums pairwise.
    Init      weight = init; nothing is drawn.
    Torch     torch.nn.PReLU. The channel is dimension 1, also of an unbatched input.
    Raises    RuntimeError if dimension 1 of x is not num_parameters long, or its dtype is not the weight's.
    Source    He et al. 2015, arXiv:1502.01852, section 2.1.
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, dtype: DTypeLike = np.float32) -> None:
        if num_parameters < 0:
            raise RuntimeError(f"PReLU: num_parameters must not be negative, got {num_parameters}.")
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(np.full(num_parameters, init, dtype))

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.check_input(x)
        by_channel = (self.num_parameters,) + (1,) * (x.ndim - 2) if x.ndim > 1 else (1,) * x.ndim
        m = choose(x > 0, 1, self.weight.data.reshape(by_channel), x.dtype)
        return self.save(x * m, x, m)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        x, m = self.take(dy)
        each = keep(~(x > 0), x * dy)
        if self.num_parameters == 1:
            self.weight.accumulate(each.sum().reshape(1))
        else:
            self.weight.accumulate(sum_leading(each.sum(axis=tuple(range(2, x.ndim)))))
        return dy * m

    def check_input(self, x: np.ndarray) -> None:
        if x.dtype != self.weight.dtype:
            raise RuntimeError(f"{self}: the input must be {self.weight.dtype} like the weight, got {x.dtype}.")
        channels = x.shape[1] if x.ndim > 1 else 1
        if self.num_parameters not in (1, channels) or (x.ndim == 0 and self.num_parameters != 1):
            raise RuntimeError(
                f"{self}: dimension 1 of the input must be {self.num_parameters}, one weight per channel, got shape "
                f"{x.shape}. Put the channels second, or use one weight for all."
            )

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class RReLU(Activation):
    """LeakyReLU with a random slope for every element in training; their mean in eval mode.

        y = x m        m = 1 where x > 0, else r ~ U(lower, upper) in training, (lower + upper) / 2 in eval mode

    Shapes    x, y (...), any shape.
    Backward  dx = dy m
    Why       m does not depend on x, except through its sign.
    Saves     m.
    Random    one float64 uniform for each x <= 0, in the order of the indices, from the global generator; it does not
              depend on the dtype of x, so both precisions see the same slopes. Positive numbers and NaN draw nothing.
    Numerics  r = u (upper - lower) + lower in float64, two roundings, then one to the dtype.
    Torch     torch.nn.RReLU; the same slopes from the same seed, bit for bit. `inplace` is accepted and ignored.
    Raises    RuntimeError if lower > upper, or one is not finite.
    Source    Xu et al. 2015, arXiv:1505.00853, section 2.4.
    """

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False) -> None:
        if not (math.isfinite(lower) and math.isfinite(upper)):
            raise RuntimeError(f"RReLU: both bounds must be finite, got {lower} and {upper}.")
        if lower > upper:
            raise RuntimeError(f"RReLU: lower must not be greater than upper, got {lower} and {upper}. Swap them?")
        self.lower = lower
        self.upper = upper

    def forward(self, x: np.ndarray) -> np.ndarray:
        m = self._draw(x) if self.training else choose(x > 0, 1, (self.lower + self.upper) / 2, x.dtype)
        return self.save(x * m, m)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        m = self.take(dy)
        return dy * m

    def _draw(self, x: np.ndarray) -> np.ndarray:
        negative = x <= 0
        lower, upper = (float(x.dtype.type(bound)) for bound in (self.lower, self.upper))
        r = rand(int(np.count_nonzero(negative)), dtype=np.float64)
        r *= upper - lower
        r += lower
        m = np.ones(x.shape, x.dtype)
        m[negative] = r
        return m

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}"
