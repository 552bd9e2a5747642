"""Inverted residuals: depthwise convolutions, squeeze and excitation, ReLU6 and Hardswish."""

import numpy as np
from torch import nn
from torch.nn import functional as F


class SqueezeExcite(nn.Module):
    def __init__(self, channels, squeeze):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeeze, 1)
        self.fc2 = nn.Conv2d(squeeze, channels, 1)

    def forward(self, x):
        scale = self.pool(x)
        scale = F.relu(self.fc1(scale))
        scale = F.hardsigmoid(self.fc2(scale))
        return scale * x


class ConvBNAct(nn.Sequential):
    def __init__(self, in_channels, out_channels, kernel=3, stride=1, groups=1, act=nn.ReLU6):
        padding = (kernel - 1) // 2
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel, stride, padding, groups=groups, bias=False),
            nn.BatchNorm2d(out_channels, eps=1e-3, momentum=0.01),
            act(),
        )


class InvertedResidual(nn.Module):
    def __init__(self, in_channels, out_channels, stride, expand, excite=False):
        super().__init__()
        hidden = in_channels * expand
        self.use_res_connect = stride == 1 and in_channels == out_channels
        layers = []
        if expand != 1:
            layers.append(ConvBNAct(in_channels, hidden, kernel=1))
        layers.append(ConvBNAct(hidden, hidden, stride=stride, groups=hidden))
        if excite:
            layers.append(SqueezeExcite(hidden, max(1, hidden // 4)))
        layers.append(nn.Conv2d(hidden, out_channels, 1, bias=False))
        layers.append(nn.BatchNorm2d(out_channels, eps=1e-3, momentum=0.01))
        self.block = nn.Sequential(*layers)

    def forward(self, x):
        if self.use_res_connect:
            return x + self.block(x)
        return self.block(x)


class MobileNet(nn.Module):
    def __init__(self, classes=5, dropout=0.2):
        super().__init__()
        self.features = nn.Sequential(
            ConvBNAct(3, 4, stride=2, act=nn.Hardswish),
            InvertedResidual(4, 4, stride=1, expand=1),
            InvertedResidual(4, 6, stride=2, expand=2),
            InvertedResidual(6, 6, stride=1, expand=2, excite=True),
        )
        self.head = ConvBNAct(6, 8, kernel=1, act=nn.Hardswish)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(8, classes)

    def forward(self, x):
        x = self.features(x)
        x = self.head(x)
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)
        x = self.dropout(x)
        return self.classifier(x)


def build():
    return MobileNet()


def inputs(rng: np.random.Generator):
    return (rng.normal(size=(3, 3, 12, 12)).astype(np.float32),)
