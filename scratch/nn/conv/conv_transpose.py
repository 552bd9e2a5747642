"""ConvTranspose1d, ConvTranspose2d and ConvTranspose3d: the convolution's gradient as a separate layer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn.conv.convolution import _Convolution
from scratch.nn.padding.index_map import Widths, opposite, pad_constant
from scratch.nn.windows import per_axis
from scratch.random import Generator


class _ConvTranspose(_Convolution):
    """Spread every input over the outputs that a kernel covers; where kernels overlap, they add up.

        z[n, o, s] = Σ_{i,p,k: stride p + dilation k = s} w[i, o, k] x[n, i, p]
        y[n, o, s] = b[o] + z[n, o, s + padding]        z is 0 beyond its end, where output_padding makes y reach

    Shapes    x (N, I, *P) or (I, *P); weight (I, O / groups, *K); bias (O,); y (N, O, *S) or (O, *S). P is (L,) in
              1d, (H, W) in 2d, (D, H, W) in 3d, K and S as many sizes, and on each axis
              S = (P - 1) stride - 2 padding + dilation (K - 1) + output_padding + 1.
              With G groups, input channels i of group g reach the output channels of group g alone.
    Options   in_channels I, out_channels O; kernel_size K, stride, padding, output_padding and dilation, an int or one
              for each axis; groups G; bias=False leaves b out; padding_mode, "zeros" alone; dtype of the parameters,
              float32 or float64; generator draws their initial values (None: the global one).
    Backward  with dz = dy padded, and cut where output_padding lengthened y:
                  dx[n, i, p] = Σ_{o,k} w[i, o, k] dz[n, o, stride p + dilation k]
                  dw[i, o, k] = Σ_{n,p} x[n, i, p] dz[n, o, stride p + dilation k]        db = Σ dy
              After requires_input_grad_(False) dx is None.
    Why       the map from x to z is the transpose of the convolution with the same weight, so its gradient is that
              convolution: x and y have changed places.
    Saves     x.
    Numerics  padding removes outputs; it is the padding of the convolution that this layer transposes.
    Init      weight and bias ~ U(-1/√fan, 1/√fan), fan = O / groups * K as torch counts it, torch's draws to the bit.
    Torch     torch.nn.ConvTranspose1d/2d/3d; same names, layouts and defaults. output_size, an argument of forward,
              picks one of the `stride` sizes that a convolution maps to P.
    Raises    ValueError for a padding_mode other than zeros, for groups that do not divide the channels, and for an
              output_size out of range; RuntimeError for input of other dimensions, channels or dtype, for an output of
              negative size, an output_padding not below stride or dilation, and options that are not positive.
    Source    Dumoulin, Visin 2016, arXiv:1603.07285, section 4; Zeiler et al. 2010, Deconvolutional networks.
    """

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        dtype: DTypeLike = np.float32,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            output_padding=output_padding,
            groups=groups,
            bias=bias,
            padding_mode=padding_mode,
            dtype=dtype,
            generator=generator,
        )

    def forward(self, x: np.ndarray, output_size: Sequence[int] | None = None) -> np.ndarray:
        self.check_input(x)
        widths = self._widths(x, output_size)
        correlation, xb = self._correlation(), self._with_batch(x)
        z = correlation.scatter(xb, self.weight.data, correlation.windows.sizes(xb.shape[2:]))
        y = np.ascontiguousarray(pad_constant(z, widths))
        y += self._bias_column()
        return self.save(y.reshape(*x.shape[: -self.axes - 1], *y.shape[1:]), x, widths)

    def backward(self, dy: np.ndarray) -> np.ndarray | None:
        x, widths = self.take(dy)
        xb, dy, correlation = self._with_batch(x), self._with_batch(dy), self._correlation()
        dz = pad_constant(dy, opposite(widths))
        if self.weight.requires_grad:
            self.weight.accumulate(correlation.weigh(dz, xb))
        self._accumulate_bias(dy)
        if not self.needs_input_grad:
            return None
        return correlation.correlate(dz, self.weight.data).reshape(x.shape)

    def _widths(self, x: np.ndarray, output_size: Sequence[int] | None) -> Widths:
        """The extra width of y over z on both sides of each axis."""
        extra = self.output_padding
        sizes = self._windows().sizes(x.shape[-self.axes :])
        smallest = [size - 2 * p for size, p in zip(sizes, self.padding, strict=True)]
        if output_size is not None:
            extra = self._extra(x, output_size, smallest)
        elif any(e < 0 or e >= max(s, d) for e, s, d in zip(extra, self.stride, self.dilation, strict=True)):
            raise RuntimeError(f"{self}: output_padding must be at least 0 and smaller than stride or dilation.")
        if min(s + e for s, e in zip(smallest, extra, strict=True)) < 0:
            raise RuntimeError(f"{self}: padding removes more than the whole output; the input has shape {x.shape}.")
        return [(-p, e - p) for p, e in zip(self.padding, extra, strict=True)]

    def _extra(self, x: np.ndarray, output_size: Sequence[int], smallest: list[int]) -> tuple[int, ...]:
        """The output_padding that gives y this size."""
        if not isinstance(output_size, Sequence):
            raise TypeError(f"{self}: output_size must be a tuple or list, got {output_size!r}.")
        wanted = tuple(output_size)[-self.axes :] if len(output_size) == x.ndim else tuple(output_size)
        largest = [size + s - 1 for size, s in zip(smallest, self.stride, strict=True)]
        if len(wanted) != self.axes:
            raise ValueError(f"{self}: output_size needs {self.axes} or {x.ndim} sizes, got {output_size}.")
        wanted = per_axis(self, "output_size", wanted, self.axes)
        if any(not low <= size <= high for low, size, high in zip(smallest, wanted, largest, strict=True)):
            raise ValueError(
                f"{self}: output_size must lie between {smallest} and {largest} for an input of shape {x.shape}, "
                f"got {output_size}."
            )
        return tuple(size - low for size, low in zip(wanted, smallest, strict=True))

    def check_input(self, x: np.ndarray) -> None:
        super().check_input(x)
        if min(self.padding) < 0:
            raise RuntimeError(f"{self}: padding must not be negative.")


class ConvTranspose1d(_ConvTranspose):
    __doc__ = _ConvTranspose.__doc__
    axes = 1


class ConvTranspose2d(_ConvTranspose):
    __doc__ = _ConvTranspose.__doc__
    axes = 2


class ConvTranspose3d(_ConvTranspose):
    __doc__ = _ConvTranspose.__doc__
    axes = 3
