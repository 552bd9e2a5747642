"""Augmentation: training images moved and turned at random, by the same numbers for both engines."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

import scratch


class Augmentation(NamedTuple):
    """The largest movement of an image: `shift` in whole pixels along each axis, `rotate` in degrees, in both
    directions.
    """

    shift: int = 0
    rotate: float = 0.0

    def __bool__(self) -> bool:
        return self.shift > 0 or self.rotate > 0

    def draw(self, count: int, generator: scratch.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The shift down and right of each image, in pixels, and its angle in radians, counterclockwise."""
        down, right = scratch.randint(-self.shift, self.shift + 1, (2, count), generator=generator)
        turns = scratch.rand(count, generator=generator, dtype=np.float64)
        return down, right, np.deg2rad(self.rotate) * (2 * turns - 1)


def move(images: np.ndarray, down: np.ndarray, right: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Turn each image (N, H, W) around its center by its angle, then move it; pixels from outside are 0.

    A pixel of the result looks up where it came from: moved back, then turned back,

        (v, u) = R(-angle) (row - center - down, column - center - right) + center

    and mixes the four pixels around that point, each weighted by its distance (bilinear interpolation). Without an
    angle the point is a pixel, which is copied bit for bit.
    """
    n, h, w = images.shape
    row = np.arange(h)[:, None] - (h - 1) / 2 - down[:, None, None]
    column = np.arange(w) - (w - 1) / 2 - right[:, None, None]
    sine, cosine = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    v = cosine * row + sine * column + (h - 1) / 2
    u = cosine * column - sine * row + (w - 1) / 2
    top, left = np.floor(v).astype(np.int64), np.floor(u).astype(np.int64)
    below, beside = v - top, u - left
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    image = np.arange(n)[:, None, None]

    def pixel(i: np.ndarray, j: np.ndarray) -> np.ndarray:
        return padded[image, np.clip(i + 1, 0, h + 1), np.clip(j + 1, 0, w + 1)]

    mixed = (1 - below) * ((1 - beside) * pixel(top, left) + beside * pixel(top, left + 1))
    mixed += below * ((1 - beside) * pixel(top + 1, left) + beside * pixel(top + 1, left + 1))
    return mixed.astype(images.dtype)
