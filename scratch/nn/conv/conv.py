"""Conv1d, Conv2d and Conv3d: the same small weighted sum at every place."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn.conv.convolution import _Convolution
from scratch.nn.padding.index_map import Widths, check_widths, opposite, pad, pad_adjoint, pad_constant
from scratch.random import Generator


class _Conv(_Convolution):
    """Slide a kernel over the input; every output is a weighted sum of the inputs under it.

        y[n, o, p] = b[o] + Σ_{c,k} w[o, c, k] xp[n, c, stride p + dilation k]        xp = x padded

    Shapes    x (N, I, *S) or (I, *S); weight (O, I / groups, *K); bias (O,); y (N, O, *P) or (O, *P). S is (L,) in
              1d, (H, W) in 2d, (D, H, W) in 3d, K and P as many sizes, and on each axis
              P = floor((S + padding - dilation (K - 1) - 1) / stride) + 1, padding on both sides counted.
              With G groups, output channels o of group g see the input channels of group g alone.
    Options   in_channels I, out_channels O; kernel_size K, stride, padding and dilation, an int or one for each axis;
              groups G; bias=False leaves b out; padding_mode, what surrounds x; dtype of the parameters, float32 or
              float64; generator draws their initial values (None: the global one).
    Backward  dxp = Σ_{o,p} w dy where stride p + dilation k = s        dw = Σ_{n,p} dy xp        db = Σ_{n,p} dy
              dx = what padding's adjoint makes of dxp, or None after requires_input_grad_(False)
    Why       y is linear in xp and in w, and both gradients are derivatives of one trilinear form, Σ dy w xp.
              Adding b at every place sends every dy to it.
    Saves     x, neither padded nor as columns: gathering again costs about a tenth of the products, while columns would
              take K times the memory.
    Numerics  a correlation: the kernel is not flipped. Sums run in BLAS, tile by tile of the batch.
    Init      weight and bias ~ U(-1/√fan, 1/√fan), fan = I / groups * K, torch's draws from the same seed to the bit.
    Torch     torch.nn.Conv1d/2d/3d; same names, layouts and defaults. padding may be 'same' (with stride 1; an odd
              margin is wider at the end) or 'valid'; padding_mode zeros, reflect, replicate or circular. y is always
              contiguous, where torch keeps a channels_last order.
    Raises    ValueError for an unknown padding or padding_mode, for 'same' with a stride, and for groups that do not
              divide the channels; RuntimeError for input of other dimensions, channels or dtype, smaller than the
              kernel or too small for its padding, and for options that are not positive.
    Source    Dumoulin, Visin 2016, arXiv:1603.07285; Chellapilla, Puri, Simard 2006 for the columns.

    >>> Conv2d(3, 8, 3, padding=1)(np.ones((5, 3, 28, 28), np.float32)).shape
    (5, 8, 28, 28)
    """

    named_paddings = ("same", "valid")
    padding_modes = ("zeros", "reflect", "replicate", "circular")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        dtype: DTypeLike = np.float32,
        generator: Generator | None = None,
    ) -> None:
        if isinstance(padding, str) and padding not in self.named_paddings:
            raise ValueError(f"{type(self).__name__}: padding must be ints, 'same' or 'valid', got {padding!r}.")
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            output_padding=0,
            groups=groups,
            bias=bias,
            padding_mode=padding_mode,
            dtype=dtype,
            generator=generator,
        )
        if self.padding == "same" and any(s != 1 for s in self.stride):
            raise ValueError(f"{type(self).__name__}: padding='same' needs stride 1, got stride {self.stride}.")

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.check_input(x)
        y = self._correlation().correlate(self._padded(x), self.weight.data, self._bias_column())
        return self.save(y.reshape(*x.shape[: -self.axes - 1], *y.shape[1:]), x)

    def backward(self, dy: np.ndarray) -> np.ndarray | None:
        x = self.take(dy)
        dy, correlation = self._with_batch(dy), self._correlation()
        if self.weight.requires_grad:
            self.weight.accumulate(correlation.weigh(self._padded(x), dy))
        self._accumulate_bias(dy)
        if not self.needs_input_grad:
            return None
        dxp = correlation.scatter(dy, self.weight.data, self._padded_sizes(x))
        if self.padding_mode == "zeros":
            dx = pad_constant(dxp, opposite(self._widths()))
        else:
            dx = pad_adjoint(dxp, self._widths(), self.padding_mode, x.shape[-self.axes :])
        return dx.reshape(x.shape)

    def _padded(self, x: np.ndarray) -> np.ndarray:
        x = self._with_batch(x)
        if self.padding_mode == "zeros":
            return pad_constant(x, self._widths())
        return pad(x, self._widths(), self.padding_mode)

    def _padded_sizes(self, x: np.ndarray) -> tuple[int, ...]:
        sizes = zip(x.shape[-self.axes :], self._widths(), strict=True)
        return tuple(size + left + right for size, (left, right) in sizes)

    def _widths(self) -> Widths:
        if self.padding == "same":
            margins = [span - 1 for span in self._windows().spans]
            return [(margin // 2, margin - margin // 2) for margin in margins]
        if self.padding == "valid":
            return [(0, 0)] * self.axes
        return [(width, width) for width in self.padding]

    def check_input(self, x: np.ndarray) -> None:
        super().check_input(x)
        if self.padding == "same" and max(self.stride) > 1:
            raise RuntimeError(f"{self}: padding='same' needs stride 1.")
        widths = self._widths()
        if self.padding_mode != "zeros":
            check_widths(self, x, widths, self.padding_mode)
        elif any(left < 0 for left, _ in widths):
            raise RuntimeError(f"{self}: padding must not be negative.")
        sizes = self._padded_sizes(x)
        if min(self._windows().positions(sizes)) < 1:
            raise RuntimeError(
                f"{self}: the kernel spans {self._windows().spans}, more than the padded input, {sizes}."
            )


class Conv1d(_Conv):
    __doc__ = _Conv.__doc__
    axes = 1


class Conv2d(_Conv):
    __doc__ = _Conv.__doc__
    axes = 2


class Conv3d(_Conv):
    __doc__ = _Conv.__doc__
    axes = 3
