"""ReflectionPad: mirror x at its first and last elements."""

from scratch.nn.padding.padding import _IndexPadding


class _ReflectionPad(_IndexPadding):
    """Mirror x at its first and at its last element, which are not repeated.

        y_j = x_{a_j}        a = ... 3 2 1 | 0 1 2 3 | 2 1 0 ...

    Shapes    x (N, C, *S) or (C, *S), where S is (L,) in 1d, (H, W) in 2d, (D, H, W) in 3d; y the same with every size
              S_i grown by left + right.
    Options   padding, one int for every side or (left, right, top, bottom, front, back), the last axis first.
    Backward  dx_i = Σ_{j: a_j = i} dy_j
    Why       x_i appears in y wherever a_j = i, so it collects the gradients of all its copies.
    Saves     the shape of x.
    Numerics  forward is exact. A negative width cuts the result.
    Torch     torch.nn.ReflectionPad1d/2d/3d.
    Raises    RuntimeError unless every width is smaller than its dimension, for an empty dimension other than the
              batch, and if nothing is left of one; NotImplementedError for another number of dimensions.
    """

    mode = "reflect"


class ReflectionPad1d(_ReflectionPad):
    __doc__ = _ReflectionPad.__doc__
    axes = 1


class ReflectionPad2d(_ReflectionPad):
    __doc__ = _ReflectionPad.__doc__
    axes = 2


class ReflectionPad3d(_ReflectionPad):
    __doc__ = _ReflectionPad.__doc__
    axes = 3
