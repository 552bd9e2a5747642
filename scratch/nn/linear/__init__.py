"""Linear layers: one file each."""

from scratch.nn.linear.bilinear import Bilinear
from scratch.nn.linear.identity import Identity
from scratch.nn.linear.linear import Linear

__all__ = ["Bilinear", "Identity", "Linear"]
