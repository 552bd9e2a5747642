"""ChannelShuffle: mix the channels of groups."""

import numpy as np

from scratch.nn.module import Module


class ChannelShuffle(Module):
    """Interleave the channels of g = groups groups, so that a following grouped convolution sees all of them.

        y[:, k g + i] = x[:, i K + k]        0 <= i < g, 0 <= k < K = C / g

    Shapes    x, y (N, C, ...), at least 3 dimensions.
    Backward  dx[:, i K + k] = dy[:, k g + i]
    Why       the channels, written as a (g, K) table, are transposed; the transpose of a permutation is its inverse.
    Saves     nothing.
    Torch     torch.nn.ChannelShuffle.
    Raises    RuntimeError for fewer than 3 dimensions, groups below 1, or channels that groups does not divide;
              TypeError for groups that are not an int.
    Source    Zhang et al. 2018, ShuffleNet, arXiv:1707.01083, section 3.1.
    """

    def __init__(self, groups: int) -> None:
        self.groups = groups

    def forward(self, x: np.ndarray) -> np.ndarray:
        if x.ndim < 3:
            raise RuntimeError(f"{self}: the input must have at least 3 dimensions, (N, C, ...), got {x.shape}.")
        if self.groups < 1 or x.shape[1] % self.groups:
            raise RuntimeError(f"{self}: groups must be at least 1 and divide the channels, got shape {x.shape}.")
        return self.save(transpose_channels(x, self.groups), None)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.take(dy)
        return transpose_channels(dy, dy.shape[1] // self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"


def transpose_channels(x: np.ndarray, rows: int) -> np.ndarray:
    """The channels as a table of that many rows, read column by column."""
    table = x.reshape(x.shape[0], rows, x.shape[1] // max(rows, 1), *x.shape[2:])
    return table.swapaxes(1, 2).reshape(x.shape)
