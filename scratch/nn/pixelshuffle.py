"""PixelShuffle and PixelUnshuffle: trade channels for resolution, and back."""

import numpy as np

from scratch.nn.module import Module


class PixelShuffle(Module):
    """Spread groups of r² channels over r by r pixels, r = upscale_factor.

        y[c, h r + i, w r + j] = x[c r² + i r + j, h, w]        0 <= i, j < r

    Shapes    x (..., C r², H, W); y (..., C, H r, W r).
    Backward  dx[c r² + i r + j, h, w] = dy[c, h r + i, w r + j], which is PixelUnshuffle of dy
    Why       every number moves to another place and none changes: the transpose of a permutation is its inverse.
    Saves     nothing.
    Torch     torch.nn.PixelShuffle; torch's gradient fails for an empty input, here it is empty too.
    Raises    RuntimeError for fewer than 3 dimensions, a factor below 1, or channels that r² does not divide;
              TypeError for a factor that is not an int.
    Source    Shi et al. 2016, Real-time single image and video super-resolution, arXiv:1609.05158.
    """

    def __init__(self, upscale_factor: int) -> None:
        self.upscale_factor = upscale_factor

    def forward(self, x: np.ndarray) -> np.ndarray:
        r = check_factor(self, x, self.upscale_factor)
        if x.shape[-3] % r**2:
            raise RuntimeError(f"{self}: the channels must be divisible by {r}² = {r**2}, got shape {x.shape}.")
        return self.save(shuffle(x, r), None)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.take(dy)
        return unshuffle(dy, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Gather r by r pixels into r² channels, r = downscale_factor: the inverse of PixelShuffle.

        y[c r² + i r + j, h, w] = x[c, h r + i, w r + j]        0 <= i, j < r

    Shapes    x (..., C, H r, W r); y (..., C r², H, W).
    Backward  dx[c, h r + i, w r + j] = dy[c r² + i r + j, h, w], which is PixelShuffle of dy
    Why       every number moves to another place and none changes: the transpose of a permutation is its inverse.
    Saves     nothing.
    Torch     torch.nn.PixelUnshuffle; torch returns an empty input in its own shape; here the shape is y's.
    Raises    RuntimeError for fewer than 3 dimensions, a factor below 1, or a height or width that r does not divide;
              TypeError for a factor that is not an int.
    """

    def __init__(self, downscale_factor: int) -> None:
        self.downscale_factor = downscale_factor

    def forward(self, x: np.ndarray) -> np.ndarray:
        r = check_factor(self, x, self.downscale_factor)
        if x.shape[-2] % r or x.shape[-1] % r:
            raise RuntimeError(f"{self}: height and width must be divisible by {r}, got shape {x.shape}.")
        return self.save(unshuffle(x, r), None)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.take(dy)
        return shuffle(dy, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


def shuffle(x: np.ndarray, r: int) -> np.ndarray:
    *batch, channels, height, width = x.shape
    blocks = x.reshape(*batch, channels // r**2, r, r, height, width)  # ..., c, i, j, h, w
    pixels = np.moveaxis(blocks, (-4, -3), (-3, -1))  # ..., c, h, i, w, j
    return pixels.reshape(*batch, channels // r**2, height * r, width * r)


def unshuffle(x: np.ndarray, r: int) -> np.ndarray:
    *batch, channels, height, width = x.shape
    pixels = x.reshape(*batch, channels, height // r, r, width // r, r)  # ..., c, h, i, w, j
    blocks = np.moveaxis(pixels, (-3, -1), (-4, -3))  # ..., c, i, j, h, w
    return blocks.reshape(*batch, channels * r**2, height // r, width // r)


def check_factor(module: Module, x: np.ndarray, factor: int) -> int:
    if factor < 1:
        raise RuntimeError(f"{module}: the factor must be at least 1.")
    if x.ndim < 3:
        raise RuntimeError(f"{module}: the input must be (..., C, H, W), got shape {x.shape}.")
    return factor
