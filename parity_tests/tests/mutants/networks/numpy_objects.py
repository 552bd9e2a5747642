"""A convolutional classifier in NumPy objects, each with its own backward, and the same in torch."""

import numpy as np
import torch
from torch import nn


class Linear:
    def __init__(self, inputs, outputs):
        self.weight = np.zeros((outputs, inputs), np.float32)
        self.bias = np.zeros(outputs, np.float32)

    def forward(self, x):
        self._x = x
        return x @ self.weight.T + self.bias

    def backward(self, dy):
        self.dweight = dy.T @ self._x
        self.dbias = dy.sum(axis=0)
        return dy @ self.weight


class Conv2d:
    def __init__(self, inputs, outputs, kernel, padding=0):
        self.weight = np.zeros((outputs, inputs, kernel, kernel), np.float32)
        self.bias = np.zeros(outputs, np.float32)
        self.kernel, self.padding = kernel, padding

    def forward(self, x):
        p = self.padding
        self._x = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        windows = np.lib.stride_tricks.sliding_window_view(self._x, (self.kernel, self.kernel), axis=(2, 3))
        self._windows = windows
        return np.einsum("nchwij,ocij->nohw", windows, self.weight) + self.bias[:, None, None]

    def backward(self, dy):
        self.dweight = np.einsum("nchwij,nohw->ocij", self._windows, dy)
        self.dbias = dy.sum(axis=(0, 2, 3))
        dx = np.zeros_like(self._x)
        H, W = dy.shape[2:]
        for i in range(self.kernel):
            for j in range(self.kernel):
                dx[:, :, i : i + H, j : j + W] += np.einsum("nohw,oc->nchw", dy, self.weight[:, :, i, j])
        p = self.padding
        return dx[:, :, p:-p, p:-p] if p else dx


class BatchNorm2d:
    def __init__(self, channels, eps=1e-5, momentum=0.1):
        self.weight = np.ones(channels, np.float32)
        self.bias = np.zeros(channels, np.float32)
        self.running_mean = np.zeros(channels, np.float32)
        self.running_var = np.ones(channels, np.float32)
        self.eps, self.momentum, self.training = np.float32(eps), np.float32(momentum), True

    def forward(self, x):
        axes = (0, 2, 3)
        if self.training:
            n = x.size // x.shape[1]
            mean, var = x.mean(axis=axes), x.var(axis=axes)
            self.running_mean += self.momentum * (mean - self.running_mean)
            self.running_var += self.momentum * (var * np.float32(n / (n - 1)) - self.running_var)
        else:
            mean, var = self.running_mean, self.running_var
        self._scale = (1 / np.sqrt(var + self.eps))[:, None, None]
        self._x = (x - mean[:, None, None]) * self._scale
        return self._x * self.weight[:, None, None] + self.bias[:, None, None]

    def backward(self, dy):
        axes = (0, 2, 3)
        self.dweight = (dy * self._x).sum(axis=axes)
        self.dbias = dy.sum(axis=axes)
        g = dy * self.weight[:, None, None]
        if self.training:
            g = g - g.mean(axis=axes, keepdims=True) - self._x * (g * self._x).mean(axis=axes, keepdims=True)
        return g * self._scale


class ReLU:
    def forward(self, x):
        self._on = x > 0
        return x * self._on

    def backward(self, dy):
        return dy * self._on


class AvgPool2d:
    def forward(self, x):
        n, c, h, w = x.shape
        return x.reshape(n, c, h // 2, 2, w // 2, 2).mean(axis=(3, 5))

    def backward(self, dy):
        return dy.repeat(2, axis=2).repeat(2, axis=3) / np.float32(4)


class LogSoftmax:
    def forward(self, x):
        shifted = x - x.max(axis=1, keepdims=True)
        self._y = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return self._y

    def backward(self, dy):
        return dy - np.exp(self._y) * dy.sum(axis=1, keepdims=True)


class Network:
    def __init__(self):
        self.conv = Conv2d(2, 4, 3, padding=1)
        self.norm = BatchNorm2d(4)
        self.relu = ReLU()
        self.pool = AvgPool2d()
        self.conv2 = Conv2d(4, 3, 2)
        self.fc = Linear(3 * 2 * 2, 5)
        self.softmax = LogSoftmax()

    def forward(self, x):
        x = self.pool.forward(self.relu.forward(self.norm.forward(self.conv.forward(x))))
        x = self._squash(self.conv2.forward(x))
        return self.softmax.forward(self.fc.forward(x.reshape(len(x), -1)))

    def _squash(self, x):
        self._tanh = np.tanh(x - x.mean(axis=(2, 3), keepdims=True) * np.float32(0.5))
        return self._tanh

    def backward(self, dy):
        dx = self.fc.backward(self.softmax.backward(dy)).reshape(self._tanh.shape) * (1 - self._tanh**2)
        dx = dx - dx.mean(axis=(2, 3), keepdims=True) * np.float32(0.5)
        dx = self.pool.backward(self.conv2.backward(dx))
        return self.conv.backward(self.norm.backward(self.relu.backward(dx)))


class TorchNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU()
        self.pool = nn.AvgPool2d(2)
        self.conv2 = nn.Conv2d(4, 3, 2)
        self.fc = nn.Linear(3 * 2 * 2, 5)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, x):
        x = self.pool(self.relu(self.norm(self.conv(x))))
        x = self.conv2(x)
        x = torch.tanh(x - 0.5 * x.mean((2, 3), keepdim=True))
        return self.softmax(self.fc(x.flatten(1)))


def build():
    return Network()


def reference():
    return TorchNetwork()


def inputs(rng: np.random.Generator):
    return (rng.normal(size=(3, 2, 6, 6)).astype(np.float32),)
