"""Unfold and Fold: an image as the list of its windows, and back by adding the windows up."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from scratch.nn.module import Module
from scratch.nn.padding.index_map import opposite, pad_constant
from scratch.nn.windows import Windows, per_axis


class _Blocks(Module):
    """The two maps between images (N, C, H, W) and their windows (N, C KH KW, L). Each is the other's adjoint:

        unfold(x)[n, (c, k), p] = xp[n, c, stride p + dilation k]        xp = x padded with zeros
        fold(y)[n, c, s] = Σ_{k,p: stride p + dilation k = s + padding} y[n, (c, k), p]

    so <y, unfold(x)> = Σ y[n, (c, k), p] xp[n, c, stride p + dilation k] = <fold(y), x>.
    """

    kernel_size: Any
    dilation: Any
    padding: Any

    def __init__(self, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> None:
        vars(self).update(kernel_size=kernel_size, dilation=dilation, padding=padding)
        self.stride = stride

    def __setattr__(self, name: str, value: Any) -> None:
        """An option that is assigned later lays the windows out again."""
        super().__setattr__(name, value)
        if name in ("kernel_size", "dilation", "padding", "stride"):
            self._lay_out()

    def _lay_out(self) -> None:
        def each(name: str) -> tuple[int, ...]:
            return per_axis(type(self).__name__, name, getattr(self, name), 2, one_for_all=False)

        self.windows = Windows(each("kernel_size"), each("stride"), each("dilation"))
        self.widths = [(width, width) for width in each("padding")]
        if min(*self.windows.kernel, *self.windows.stride, *self.windows.dilation) < 1 or min(self.widths) < (0, 0):
            raise RuntimeError(f"{self}: kernel_size, dilation and stride must be positive, padding not negative.")

    def unfold(self, x: np.ndarray) -> np.ndarray:
        N, C, *sizes = x.shape
        xp = pad_constant(x.reshape(N * C, *sizes), self.widths)
        positions = self.windows.positions(xp.shape[1:])
        return self.windows.view(xp, positions).reshape(N, C * math.prod(self.windows.kernel), math.prod(positions))

    def fold(self, y: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
        N, C = len(y), y.shape[1] // math.prod(self.windows.kernel)
        xp = np.zeros((N * C, *self.padded(sizes)), y.dtype)
        self.windows.add(y.reshape(N * C, *self.windows.kernel, *self.windows.positions(xp.shape[1:])), xp)
        return pad_constant(xp, opposite(self.widths)).reshape(N, C, *sizes)

    def padded(self, sizes: Sequence[int]) -> tuple[int, ...]:
        return tuple(size + left + right for size, (left, right) in zip(sizes, self.widths, strict=True))

    def check_dtype(self, x: np.ndarray) -> None:
        if x.dtype.kind in "iu":
            raise NotImplementedError(f"{self}: the input must be floating point, got {x.dtype}.")

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class Unfold(_Blocks):
    """List the windows of an image, each flattened into a column.

        y[n, (c, k), p] = xp[n, c, stride p + dilation k]        xp = x padded with zeros

    Shapes    x (N, C, H, W) or (C, H, W); y (N, C KH KW, L) or (C KH KW, L), where L = PH PW and
              P = floor((S + 2 padding - dilation (K - 1) - 1) / stride) + 1 for each axis. c counts slowest.
    Options   kernel_size, dilation, padding and stride, an int or one for each axis.
    Backward  dx = fold(dy)
    Why       an element of x appears in every window that covers it, so it collects their gradients: that is Fold.
    Saves     the size of x.
    Numerics  forward copies; backward adds KH KW terms at most.
    Torch     torch.nn.Unfold.
    Raises    RuntimeError for another number of dimensions, an empty dimension other than the batch, and a kernel
              larger than the padded input; IndexError for fewer than three dimensions; NotImplementedError for
              integers.
    """

    def __init__(self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> None:
        super().__init__(kernel_size, dilation, padding, stride)

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.check_input(x)
        y = self.unfold(x if x.ndim == 4 else x[np.newaxis])
        return self.save(y if x.ndim == 4 else y[0], x.shape[-2:])

    def backward(self, dy: np.ndarray) -> np.ndarray:
        sizes = self.take(dy)
        return self.fold(dy, sizes) if dy.ndim == 3 else self.fold(dy[np.newaxis], sizes)[0]

    def check_input(self, x: np.ndarray) -> None:
        if x.ndim < 3:
            raise IndexError(f"{self}: the input needs channels, height and width, got shape {x.shape}.")
        if x.ndim > 4 or 0 in x.shape[-3:]:
            raise RuntimeError(
                f"{self}: the input must be (C, H, W) or (N, C, H, W), and only N may be 0, got shape {x.shape}."
            )
        if min(self.windows.positions(self.padded(x.shape[-2:]))) < 1:
            raise RuntimeError(f"{self}: the kernel is larger than the padded input, got shape {x.shape}.")
        self.check_dtype(x)


class Fold(_Blocks):
    """Add windows, each given as a column, up to an image.

        y[n, c, s] = Σ_{k,p: stride p + dilation k = s + padding} x[n, (c, k), p]

    Shapes    x (N, C KH KW, L) or (C KH KW, L); y (N, C, H, W) or (C, H, W), where (H, W) = output_size, L = PH PW and
              P = floor((S + 2 padding - dilation (K - 1) - 1) / stride) + 1 for each axis.
    Options   output_size, the image's (H, W); kernel_size, dilation, padding and stride, an int or one for each axis.
    Backward  dx = unfold(dy)
    Why       every element of x is added to one element of y, so it gets that element's gradient: that is Unfold.
    Saves     nothing.
    Numerics  Fold(Unfold(x)) is x times the number of windows that cover each element. Where x is added to the padding,
              it is dropped, and its gradient is 0.
    Torch     torch.nn.Fold.
    Raises    RuntimeError for another number of dimensions, an empty dimension other than the batch, rows that are not
              a multiple of KH KW, and a number of columns other than L; NotImplementedError for integers.
    """

    def __init__(
        self, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        self.output_size = output_size
        super().__init__(kernel_size, dilation, padding, stride)
        _ = self.sizes

    @property
    def sizes(self) -> tuple[int, ...]:
        return per_axis("Fold", "output_size", self.output_size, 2, one_for_all=False)

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.check_input(x)
        return self.save(self.fold(x, self.sizes) if x.ndim == 3 else self.fold(x[np.newaxis], self.sizes)[0])

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.take(dy)
        return self.unfold(dy) if dy.ndim == 4 else self.unfold(dy[np.newaxis])[0]

    def check_input(self, x: np.ndarray) -> None:
        if x.ndim not in (2, 3) or 0 in x.shape[-2:]:
            raise RuntimeError(
                f"{self}: the input must be (C * KH * KW, L) or (N, C * KH * KW, L), and only N may be 0, "
                f"got shape {x.shape}."
            )
        block = math.prod(self.windows.kernel)
        if x.shape[-2] % block:
            raise RuntimeError(f"{self}: the rows must be a multiple of the kernel's {block} elements, got {x.shape}.")
        positions = self.windows.positions(self.padded(self.sizes))
        if min(positions) < 1 or x.shape[-1] != math.prod(positions):
            raise RuntimeError(f"{self}: output_size has {positions} windows, got {x.shape[-1]} columns.")
        self.check_dtype(x)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}, {super().extra_repr()}"
