"""FractionalMaxPool2d and FractionalMaxPool3d: the largest value of windows whose steps are drawn at random."""

import math
from typing import Any

import numpy as np

from scratch import random
from scratch.nn.module import Module
from scratch.nn.pooling.max_pool import add_at, first_largest
from scratch.nn.pooling.sliding import check_floating, check_images
from scratch.nn.windows import per_axis


class _FractionalMaxPool(Module):
    """The largest value of every window; the step between windows is a fraction, rounded down.

        y_o = max_k x_(start_o + k)        k over the kernel's positions
        start_o = floor((o + u) a) - floor(u a), the last one I - K        a = (I - K) / (O - 1)        u in [0, 1)

    on every axis, with a u for each axis of each channel of each sample.

    Shapes    x (N, C, I, ...) or (C, I, ...); y with O instead of I on every spatial axis: output_size, or
              floor(output_ratio I). return_indices adds i, of y's shape: where each maximum lies in its flattened
              image.
    Random    u (N, C, axes) is drawn from the global generator at every forward, in training and in eval mode, unless
              _random_samples gives it. In 2d the first u is for the width and the second for the height; in 3d they
              are for depth, height, width.
    Backward  dx_i = Σ_o dy_o over the windows o whose maximum is at i
    Why       y_o is one of its inputs, so it changes with that one only; the windows do not depend on x.
    Saves     i.
    Numerics  start_o is computed in x's precision, as in torch. Ties and NaN as in MaxPool2d.
    Torch     torch.nn.FractionalMaxPool2d, FractionalMaxPool3d: the same windows from the same seed, bit for bit.
    Raises    ValueError unless one of output_size and output_ratio is given, ratios lie in (0, 1), and kernel_size is
              at least 1; RuntimeError for another number of dimensions, an empty image, windows that do not fit, or
              _random_samples of another shape or dtype; TypeError for sizes that are not ints; NotImplementedError
              for integer input.
    Source    Graham 2014, Fractional max-pooling, arXiv:1412.6071.
    """

    dimensions: int
    sample_of_axis: tuple[int, ...]  # which u an axis takes
    _random_samples: np.ndarray | None
    margin: int  # by this much outputs and windows together must be smaller than the input

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: np.ndarray | None = None,
    ) -> None:
        name = type(self).__name__
        if (output_size is None) == (output_ratio is None):
            raise ValueError(f"{name}: give either output_size or output_ratio.")
        if output_ratio is not None:
            ratios = output_ratio if isinstance(output_ratio, tuple | list) else (output_ratio,) * self.dimensions
            if len(ratios) != self.dimensions or not all(0 < ratio < 1 for ratio in ratios):
                raise ValueError(
                    f"{name}: output_ratio must be a number in (0, 1), or {self.dimensions}, one per axis, "
                    f"got {output_ratio!r}."
                )
            output_ratio = tuple(ratios)
        self.kernel_size = kernel_size
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = output_size
        self.output_ratio = output_ratio

    def forward(self, x: np.ndarray) -> Any:
        n = self.dimensions
        check_images(self, x, n)
        check_floating(self, x)
        kernel = per_axis(self, "kernel_size", self.kernel_size, n)
        outputs = self.outputs(x.shape[-n:], kernel)
        images = x.reshape(math.prod(x.shape[:-n]), math.prod(x.shape[-n:]))
        corner = self.corners(x, kernel, outputs)
        places = tuple(np.indices(kernel).reshape(n, -1))
        offsets = np.asarray(np.ravel_multi_index(places, x.shape[-n:], mode="clip"))  # no window, no kernel to fit
        corner_in_x = corner + np.arange(len(images))[:, np.newaxis] * images.shape[1]
        candidates = (np.take(images, corner_in_x + offset) for offset in offsets)
        y, winner = first_largest(candidates, len(offsets), bool(np.isnan(x.min(initial=0))))
        shape = (*x.shape[:-n], *outputs)
        y, index = y.reshape(shape), (corner + offsets[winner]).reshape(shape)
        return self.save((y, index) if self.return_indices else y, index, x.shape)

    def backward(self, dy: np.ndarray, dindices: None = None) -> np.ndarray:
        index, shape = self.take((dy, dindices) if self.return_indices else dy)
        return add_at(dy, index, shape, self.dimensions)

    def outputs(self, sizes: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[int, ...]:
        """O for each axis."""
        if min(kernel) < 1:
            error = RuntimeError if self.dimensions == 2 else ValueError  # torch's, which differ
            raise error(f"{self}: kernel_size must be at least 1, got {kernel}.")
        if self.output_size is not None:
            outputs = per_axis(self, "output_size", self.output_size, self.dimensions)
        else:
            outputs = tuple(int(size * ratio) for size, ratio in zip(sizes, self.output_ratio, strict=True))
        room = [size - k - o + 1 for size, k, o in zip(sizes, kernel, outputs, strict=True)]
        if min(room) < self.margin or min(outputs) < 0:
            raise RuntimeError(
                f"{self}: {outputs} windows of size {kernel} do not fit into the input of size {sizes}: "
                f"an axis needs at least outputs + kernel - {1 - self.margin} positions."
            )
        return outputs

    def corners(self, x: np.ndarray, kernel: tuple[int, ...], outputs: tuple[int, ...]) -> np.ndarray:
        """(images, O): where each window starts in its flattened image."""
        n = self.dimensions
        u = self.samples(x).reshape(-1, n)
        corner = np.zeros((len(u), 1), np.int64)
        for size, k, o, sample in zip(x.shape[-n:], kernel, outputs, self.sample_of_axis, strict=True):
            start = starts(u[:, sample], size, o, k)
            corner = corner[:, :, np.newaxis] * size + start[:, np.newaxis, :]
            corner = corner.reshape(len(u), corner.shape[1] * o)
        return corner

    def samples(self, x: np.ndarray) -> np.ndarray:
        """u, (N, C, axes)."""
        batch, channels = x.shape[: -self.dimensions] if x.ndim == self.dimensions + 2 else (1, len(x))
        u = self._random_samples
        if u is None:
            return random.rand(batch, channels, self.dimensions, dtype=x.dtype)
        if u.ndim != 3 or len(u) < batch or u.shape[1:] != (channels, self.dimensions) or u.dtype != x.dtype:
            raise RuntimeError(
                f"{self}: _random_samples must be {x.dtype}{[batch, channels, self.dimensions]} for this input, "
                f"got {u.dtype}{list(u.shape)}."
            )
        if not ((u >= 0) & (u <= 1)).all():
            raise RuntimeError(f"{self}: _random_samples must lie in [0, 1].")
        return u[:batch]


class FractionalMaxPool2d(_FractionalMaxPool):
    __doc__ = _FractionalMaxPool.__doc__
    dimensions = 2
    sample_of_axis = (1, 0)
    margin = 0


class FractionalMaxPool3d(_FractionalMaxPool):
    __doc__ = _FractionalMaxPool.__doc__
    dimensions = 3
    sample_of_axis = (0, 1, 2)
    margin = 1


def starts(u: np.ndarray, size: int, outputs: int, kernel: int) -> np.ndarray:
    """(images, O): where the windows of one axis start, in the precision of u (images,)."""
    start = np.empty((len(u), outputs), np.int64)
    start[:, -1:] = size - kernel
    if outputs > 1:
        a = u.dtype.type(size - kernel) / u.dtype.type(outputs - 1)
        o = np.arange(outputs - 1).astype(u.dtype)
        start[:, :-1] = ((o + u[:, np.newaxis]) * a).astype(np.int64) - (u * a).astype(np.int64)[:, np.newaxis]
    return start
