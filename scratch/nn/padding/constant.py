"""ConstantPad and ZeroPad: a margin of one value."""

from typing import Any

import numpy as np

from scratch.nn.padding.index_map import check_widths, opposite, pad_constant
from scratch.nn.padding.padding import _Padding


class _ConstantPad(_Padding):
    """Surround x by `value`.

        y_j = x_{j - left} where that exists, else value, along every padded axis

    Shapes    x (..., *S), where S is (L,) in 1d, (H, W) in 2d, (D, H, W) in 3d, any leading dimensions; y the same with
              every size S_i grown by left + right.
    Options   padding, one int for every side or (left, right, top, bottom, front, back), the last axis first; value,
              what surrounds x.
    Backward  dx_i = dy_{i + left}
    Why       the margin is constant, so its gradient is dropped. A negative width cuts x; what is cut gets 0. So dx is
              dy padded with 0 by the negative widths.
    Saves     nothing.
    Numerics  exact.
    Torch     torch.nn.ConstantPad1d/2d/3d and ZeroPad1d/2d/3d.
    Raises    TypeError for widths that are not ints; RuntimeError for an odd number of them, for fewer dimensions than
              the widths need, and if more would be cut off than the input has.
    """

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, x: np.ndarray) -> np.ndarray:
        widths = self._widths()
        if x.ndim < len(widths):
            raise RuntimeError(f"{self}: the input needs {len(widths)} dimensions to pad, got shape {x.shape}.")
        check_widths(self, x, widths, "constant")
        return self.save(pad_constant(x, widths, self.value))

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.take(dy)
        return pad_constant(dy, opposite(self._widths()))

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPad(_ConstantPad):
    """Surround x by zeros: what a convolution does with its `padding`.

        y_j = x_{j - left} where that exists, else 0, along every padded axis

    Shapes    x (..., *S), where S is (L,) in 1d, (H, W) in 2d, (D, H, W) in 3d; y with every size grown by left +
              right.
    Options   padding, one int for every side or (left, right, top, bottom, front, back), the last axis first.
    Backward  dx_i = dy_{i + left}
    Why       the margin is constant, so its gradient is dropped. A negative width cuts x; what is cut gets 0.
    Saves     nothing.
    Torch     torch.nn.ZeroPad1d/2d/3d.
    Raises    what ConstantPad raises.
    """

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ConstantPad1d(_ConstantPad):
    __doc__ = _ConstantPad.__doc__
    axes = 1


class ConstantPad2d(_ConstantPad):
    __doc__ = _ConstantPad.__doc__
    axes = 2


class ConstantPad3d(_ConstantPad):
    __doc__ = _ConstantPad.__doc__
    axes = 3


class ZeroPad1d(_ZeroPad):
    __doc__ = _ZeroPad.__doc__
    axes = 1


class ZeroPad2d(_ZeroPad):
    __doc__ = _ZeroPad.__doc__
    axes = 2


class ZeroPad3d(_ZeroPad):
    __doc__ = _ZeroPad.__doc__
    axes = 3
