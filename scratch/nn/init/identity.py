"""Weights that pass on what comes in."""

from __future__ import annotations

import numpy as np

from scratch.arguments import check_numbers, plain_options
from scratch.nn.init.filled import T, array_to_fill, matrix_to_fill


@plain_options
def eye_(tensor: T) -> T:
    """The identity matrix, so that a Linear layer passes on as many of its inputs as it can.

        W_oi = 1 if o = i, 0 otherwise        y_o = x_o for o < I, 0 otherwise

    Why       Var(y) = Var(x) and dx = dy for a square matrix, at any depth: nothing shrinks or grows. There is no
              symmetry to break either, since every unit has another input.
    Torch     torch.nn.init.eye_.
    Raises    ValueError for other than 2 dimensions.
    """
    x = matrix_to_fill("eye_", tensor)
    x.fill(0)
    np.fill_diagonal(x, 1)
    return tensor


@plain_options
def dirac_(tensor: T, groups: int = 1) -> T:
    """One 1 in the middle of filter d for input channel d of its group, so that a convolution passes channels on.

        W_oik = 1 if o = i and k is the middle, 0 otherwise        y_o = x_o

    Why       the identity matrix for convolutions: with padding that keeps the size, Var(y) = Var(x) and dx = dy at any
              depth. With groups, o and i count within their group; filters beyond the input channels are 0.
    Torch     torch.nn.init.dirac_.
    Raises    ValueError for other than 3, 4 or 5 dimensions, or if groups does not divide the filters.
    """
    x = array_to_fill("dirac_", tensor)
    check_numbers("dirac_", groups=groups)
    if x.ndim not in (3, 4, 5):
        raise ValueError(f"dirac_: needs the weight of a convolution, with 3, 4 or 5 dimensions, got shape {x.shape}.")
    if groups < 1 or x.shape[0] % groups:
        raise ValueError(f"dirac_: dimension 0 must be divisible by groups, got {x.shape[0]} filters, {groups} groups.")
    if 0 in x.shape[2:] and 0 not in x.shape[:2]:
        raise IndexError(f"dirac_: a kernel without elements has no middle, got shape {x.shape}.")
    if x.size == 0:
        return tensor
    x.fill(0)
    per_group = x.shape[0] // groups
    middle: list[int] = [size // 2 for size in x.shape[2:]]
    channel = np.arange(min(per_group, x.shape[1]))
    for group in range(groups):
        x[(group * per_group + channel, channel, *middle)] = 1
    return tensor
