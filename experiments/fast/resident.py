"""Resident: a data set that lies on the device as bytes, and batches cut out of it there."""

from __future__ import annotations

from typing import Any

import torch

from experiments.training.data import SOURCES, Part


class Resident:
    """Images as bytes in one long row on the device, each with `margin` black pixels around it."""

    def __init__(self, part: Part, device: torch.device, margin: int = 0) -> None:
        images = torch.nn.functional.pad(torch.tensor(part.images), (margin,) * 4)
        self.count, height, self.width = images.shape
        self.area, self.margin = height * self.width, margin
        self.pixels = images.reshape(-1).to(device)
        self.labels = torch.as_tensor(part.labels).to(device)
        rows, columns = (torch.arange(size, device=device) for size in part.images.shape[1:])
        self.window = rows[:, None] * self.width + columns  # from the corner of an image to each of its pixels
        self.scale = 1 / SOURCES["mnist"][1]

    def corners(self, numbers: torch.Tensor, down: Any, right: Any) -> torch.Tensor:
        """The starts of the windows that show these images; `down` and `right` count from 0 to twice the margin."""
        return numbers * self.area + down * self.width + right

    def batch(self, corners: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (B, H, W), scaled to standard deviation 1 with black at 0, and their labels (B,)."""
        images = self.pixels.take(corners[:, None, None] + self.window)
        return images.float().mul_(self.scale), self.labels[corners // self.area]
