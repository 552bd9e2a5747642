"""Activations: one file for each derivation."""

from scratch.nn.activation.elu import CELU, ELU, SELU
from scratch.nn.activation.gelu import GELU
from scratch.nn.activation.hardsigmoid import Hardsigmoid, Hardswish
from scratch.nn.activation.hardtanh import Hardtanh, ReLU6
from scratch.nn.activation.leaky_relu import LeakyReLU, PReLU, RReLU
from scratch.nn.activation.relu import ReLU, Threshold
from scratch.nn.activation.shrink import Hardshrink, Softshrink
from scratch.nn.activation.sigmoid import GLU, Sigmoid, SiLU
from scratch.nn.activation.softmax import LogSoftmax, Softmax, Softmax2d, Softmin
from scratch.nn.activation.softplus import LogSigmoid, Mish, Softplus
from scratch.nn.activation.softsign import Softsign
from scratch.nn.activation.tanh import Tanh, Tanhshrink

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]
