"""A U-Net with skip connections; the way up is a transposed convolution, or a resize and a convolution."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class DoubleConv(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
            nn.GroupNorm(2, out_channels),
            nn.SiLU(),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1),
            nn.GroupNorm(2, out_channels),
            nn.SiLU(),
        )

    def forward(self, x):
        return self.net(x)


class Up(nn.Module):
    def __init__(self, in_channels, out_channels, learned):
        super().__init__()
        self.learned = learned
        if learned:
            self.up = nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2)
        else:
            self.up = nn.Conv2d(in_channels, out_channels, kernel_size=1)
        self.conv = DoubleConv(2 * out_channels, out_channels)

    def forward(self, x, skip):
        if self.learned:
            x = self.up(x)
        else:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = self.up(x)
        dy = skip.shape[2] - x.shape[2]
        dx = skip.shape[3] - x.shape[3]
        x = F.pad(x, (dx // 2, dx - dx // 2, dy // 2, dy - dy // 2))
        return self.conv(torch.cat([skip, x], dim=1))


class UNet(nn.Module):
    def __init__(self, channels=2, classes=3, width=4):
        super().__init__()
        self.inc = DoubleConv(channels, width)
        self.down1 = DoubleConv(width, 2 * width)
        self.down2 = DoubleConv(2 * width, 2 * width)
        self.pool = nn.MaxPool2d(2)
        self.up1 = Up(2 * width, 2 * width, learned=True)
        self.up2 = Up(2 * width, width, learned=False)
        self.outc = nn.Conv2d(width, classes, kernel_size=1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(self.pool(x1))
        x3 = self.down2(self.pool(x2))
        y = self.up1(x3, x2)
        y = self.up2(y, x1)
        return torch.sigmoid(self.outc(y))


def build():
    return UNet()


def inputs(rng: np.random.Generator):
    return (rng.normal(size=(2, 2, 9, 10)).astype(np.float32),)
