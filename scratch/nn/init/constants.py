"""One value everywhere."""

from __future__ import annotations

import math

import numpy as np

from scratch.arguments import check_numbers, plain_options
from scratch.nn.init.filled import T, array_to_fill


@plain_options
def constant_(tensor: T, val: float) -> T:
    """Set every value to `val`.

        W = val        Var(W) = 0

    Why       equal weights stay equal: every unit of a layer computes the same output, y_o = val Σ_i x_i, and gets the
              same gradient, dW_oi = dy_o x_i with equal dy_o, so no step ever tells the units apart. Var(W) = 0 breaks
              no symmetry: constants are for biases and for scales, not for weights.
    Torch     torch.nn.init.constant_.
    Raises    RuntimeError if the dtype cannot hold val.
    """
    x = array_to_fill("constant_", tensor)
    check_numbers("constant_", val=val)
    if x.dtype.kind == "f" and float(np.finfo(x.dtype).max) < abs(val) < math.inf:
        raise RuntimeError(f"constant_: {val} does not fit into {x.dtype}.")
    x.fill(val)
    return tensor


@plain_options
def ones_(tensor: T) -> T:
    """Set every value to 1.

        W = 1        Var(W) = 0

    Why       as a scale, y = W * x, it passes on values and gradients unchanged: so normalization layers start. As the
              matrix of a layer it makes all units equal, y_o = Σ_i x_i, and they stay equal, as with `constant_`.
    Torch     torch.nn.init.ones_.
    """
    array_to_fill("ones_", tensor).fill(1)
    return tensor


@plain_options
def zeros_(tensor: T) -> T:
    """Set every value to 0.

        W = 0        Var(W) = 0

    Why       as a bias it shifts nothing. As the matrix of a layer it gives y = 0 and dx = W^T dy = 0: nothing passes
              forward, and no gradient reaches the layers before it. In the last layer of a residual branch that is
              wanted: the branch starts as the identity, and its own dW = dy x^T is not 0.
    Torch     torch.nn.init.zeros_.
    """
    array_to_fill("zeros_", tensor).fill(0)
    return tensor
