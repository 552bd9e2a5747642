"""The networks, each built once by a function that takes the library, `scratch` or `torch_impl`, as its argument.

Layers are made in one order, and each layer draws its weights when it is made, so one seed gives one network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from experiments.config import Config


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
    nn = lib.nn
    layers = [nn.Flatten()]
    for width in hidden:
        layers += [nn.Linear(in_features, width, **factory), getattr(nn, activation)()]
        if dropout:
            layers.append(nn.Dropout(dropout))
        in_features = width
    layers.append(nn.Linear(in_features, classes, **factory))
    return nn.Sequential(*layers)


def build(lib: Any, config: Config, shape: tuple[int, ...], classes: int, **factory: Any) -> Any:
    """The network that a config names, for images of this shape."""
    c = config
    builders = {
        "mlp": lambda: mlp(lib, math.prod(shape), c.hidden, classes, c.activation, c.dropout, **factory),
    }
    return builders[config.model]()
