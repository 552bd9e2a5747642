"""The networks, each built once by a function that takes the library, `scratch` or `torch_impl`, as its argument.

Layers are made in one order, and each layer draws its weights when it is made, so the same seed gives the same network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.training.config import RECURRENT, Config


def mlp(
    lib: Any,
    in_features: int,
    hidden: Sequence[int] = (128,),
    classes: int = 10,
    activation: str = "ReLU",
    dropout: float = 0.0,
    **factory: Any,
) -> Any:
    """Images to logits: flatten; for each width of `hidden` Linear, activation and dropout; then Linear to the classes.

    `factory` goes to every layer that has parameters: dtype.
    """
    return lib.nn.Sequential(
        lib.nn.Flatten(), *_fully_connected(lib, in_features, hidden, classes, activation, dropout, factory)
    )


def cnn(
    lib: Any,
    image: tuple[int, int],
    channels: Sequence[int] = (16, 32),
    hidden: Sequence[int] = (128,),
    classes: int = 10,
    activation: str = "ReLU",
    dropout: float = 0.0,
    **factory: Any,
) -> Any:
    """Images (N, H, W) to logits: for each of `channels` a 3x3 convolution, activation, 2x2 pooling; then as the mlp.

    Raises    ValueError if the image is too small to be halved that often.
    """
    nn = lib.nn
    height, width = image
    if min(image) < 2 ** len(channels):
        raise ValueError(f"cnn: {len(channels)} poolings halve an image of {height}x{width} to nothing. Use fewer.")
    layers = [nn.Unflatten(1, (1, height))]
    before = 1
    for after in channels:
        convolution = nn.Conv2d(before, after, 3, padding=1, **factory)
        layers += [convolution, getattr(nn, activation)(), nn.MaxPool2d(2)]
        before, height, width = after, height // 2, width // 2
    layers += [
        nn.Flatten(),
        *_fully_connected(lib, before * height * width, hidden, classes, activation, dropout, factory),
    ]
    return nn.Sequential(*layers)


def recurrent(
    lib: Any,
    kind: str,
    in_features: int,
    hidden: Sequence[int] = (128,),
    classes: int = 10,
    dropout: float = 0.0,
    **factory: Any,
) -> Any:
    """Images (N, H, W) to logits: an RNN, LSTM or GRU reads the H rows in order; a Linear judges its last state."""
    name = kind.lower()

    class RowReader(lib.nn.Module):
        """One class for both libraries. `backward` is scratch's; torch derives its own."""

        def __init__(self) -> None:
            super().__init__()
            width, layers = hidden[0], len(hidden)
            layer = getattr(lib.nn, kind)
            setattr(self, name, layer(in_features, width, layers, batch_first=True, dropout=dropout, **factory))
            self.linear = lib.nn.Linear(width, classes, **factory)

        def forward(self, rows: Any) -> Any:
            _, last = getattr(self, name)(rows)
            h = last[0] if kind == "LSTM" else last
            return self.linear(h[-1])

        def backward(self, dlogits: Any) -> Any:
            dlast = self.linear.backward(dlogits)
            dh = np.zeros((len(hidden), *dlast.shape), dlast.dtype)
            dh[-1] = dlast
            drows, _ = getattr(self, name).backward(None, (dh, None) if kind == "LSTM" else dh)
            return drows

    return RowReader()


def _fully_connected(
    lib: Any, in_features: int, hidden: Sequence[int], classes: int, activation: str, dropout: float, factory: Any
) -> list[Any]:
    nn = lib.nn
    layers = []
    for width in hidden:
        layers += [nn.Linear(in_features, width, **factory), getattr(nn, activation)()]
        if dropout:
            layers.append(nn.Dropout(dropout))
        in_features = width
    return [*layers, nn.Linear(in_features, classes, **factory)]


def build(lib: Any, config: Config, shape: tuple[int, ...], classes: int, **factory: Any) -> Any:
    """The network that a config names, for images of this shape, its weights drawn from the library's global stream."""
    c = config
    height, width = shape
    builders = {
        "mlp": lambda: mlp(lib, math.prod(shape), c.hidden, classes, c.activation, c.dropout, **factory),
        "cnn": lambda: cnn(lib, (height, width), c.channels, c.hidden, classes, c.activation, c.dropout, **factory),
    }
    if c.model in RECURRENT:
        network = recurrent(lib, c.model.upper(), width, c.hidden, classes, c.dropout, **factory)
    else:
        network = builders[c.model]()
    if c.init != "default":
        initialize(lib, network, c.init)
    return network


def initialize(lib: Any, network: Any, init: str) -> None:
    """Draw every weight again by a function of `nn.init`; biases become 0."""
    draw = getattr(lib.nn.init, f"{init}_")
    for name, parameter in network.named_parameters():
        if "bias" in name:
            lib.nn.init.zeros_(parameter)
        else:
            draw(parameter)
