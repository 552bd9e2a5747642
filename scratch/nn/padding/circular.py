"""CircularPad: continue x periodically."""

import numpy as np

from scratch.nn.padding.padding import _IndexPadding


class _CircularPad(_IndexPadding):
    """Continue x periodically, as on a ring.

        y_j = x_{a_j}        a = ... 1 2 3 | 0 1 2 3 | 0 1 2 ...

    Shapes    x (N, C, *S) or (C, *S), where S is (L,) in 1d, (H, W) in 2d, (D, H, W) in 3d; y the same with every size
              S_i grown by left + right.
    Options   padding, one int for every side or (left, right, top, bottom, front, back), the last axis first.
    Backward  dx_i = Σ_{j: a_j = i} dy_j
    Why       x_i appears in y wherever a_j = i, so it collects the gradients of all its copies.
    Saves     the shape of x.
    Numerics  forward is exact. A negative width cuts x before it is continued.
    Torch     torch.nn.CircularPad1d/2d/3d. Where one side is cut so far that the other side would continue removed
              elements, torch returns uninitialized memory or complains of overlapping memory; here that is refused.
    Raises    RuntimeError for a width larger than the axis; ValueError for another number of dimensions.
    """

    mode = "circular"

    def check_input(self, x: np.ndarray) -> None:
        if x.ndim not in (self.axes + 1, self.axes + 2):
            raise ValueError(
                f"{self}: the input must have {self.axes + 1} or {self.axes + 2} dimensions, got shape {x.shape}."
            )
        super().check_input(x)


class CircularPad1d(_CircularPad):
    __doc__ = _CircularPad.__doc__
    axes = 1


class CircularPad2d(_CircularPad):
    __doc__ = _CircularPad.__doc__
    axes = 2


class CircularPad3d(_CircularPad):
    __doc__ = _CircularPad.__doc__
    axes = 3
