"""What an initialiser fills: a Parameter or an array, which it returns."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from scratch.arrays import check_own_rules
from scratch.nn.parameter import Parameter

T = TypeVar("T", Parameter, np.ndarray)


def array_to_fill(call: str, tensor: Parameter | np.ndarray) -> np.ndarray:
    x = tensor.data if isinstance(tensor, Parameter) else tensor
    if not isinstance(x, np.ndarray):
        raise TypeError(f"{call}: expected a Parameter or an array to fill, got {type(tensor).__name__}.")
    check_own_rules(call, "what is filled", x)
    return x


def matrix_to_fill(call: str, tensor: Parameter | np.ndarray) -> np.ndarray:
    x = array_to_fill(call, tensor)
    if x.ndim != 2:
        raise ValueError(f"{call}: needs an array of 2 dimensions, got shape {x.shape}.")
    return x
