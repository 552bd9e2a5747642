"""Convolution and transposed convolution over one, two and three axes."""

from scratch.nn.conv.conv import Conv1d, Conv2d, Conv3d
from scratch.nn.conv.conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]
