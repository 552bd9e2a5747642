"""PixelShuffle and PixelUnshuffle."""

from scratch.nn.pixelshuffle.pixelshuffle import PixelShuffle, PixelUnshuffle

__all__ = ["PixelShuffle", "PixelUnshuffle"]
