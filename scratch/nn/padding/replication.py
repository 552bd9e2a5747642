"""ReplicationPad: repeat the elements at the edges of x."""

from scratch.nn.padding.padding import _IndexPadding


class _ReplicationPad(_IndexPadding):
    """Repeat the first and the last element of x.

        y_j = x_{a_j}        a = ... 0 0 0 | 0 1 2 3 | 3 3 3 ...

    Shapes    x (N, C, *S) or (C, *S), where S is (L,) in 1d, (H, W) in 2d, (D, H, W) in 3d; y the same with every size
              S_i grown by left + right.
    Options   padding, one int for every side or (left, right, top, bottom, front, back), the last axis first.
    Backward  dx_i = Σ_{j: a_j = i} dy_j
    Why       x_i appears in y wherever a_j = i, so it collects the gradients of all its copies.
    Saves     the shape of x.
    Numerics  forward is exact. A negative width cuts the result.
    Torch     torch.nn.ReplicationPad1d/2d/3d.
    Raises    RuntimeError for an empty dimension other than the batch, and if nothing is left of one;
              NotImplementedError for another number of dimensions.
    """

    mode = "replicate"


class ReplicationPad1d(_ReplicationPad):
    __doc__ = _ReplicationPad.__doc__
    axes = 1


class ReplicationPad2d(_ReplicationPad):
    __doc__ = _ReplicationPad.__doc__
    axes = 2


class ReplicationPad3d(_ReplicationPad):
    __doc__ = _ReplicationPad.__doc__
    axes = 3
