"""Copy parameters and buffers between scratch and torch, and to and from safetensors files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from scratch.nn import Module
from torch_impl.bridge.shared import on_cpu
from torch_impl.files import FileRefusedError, read_safetensors, refuse_half, write_whole

AnyModule = Module | torch.nn.Module


def arrays(module: AnyModule) -> dict[str, np.ndarray]:
    """The state_dict of either kind of module as NumPy arrays, on the CPU.

    Raises    ValueError for parameters in half precision.
    """
    return _arrays(module.state_dict())


def _arrays(state: Mapping[str, Any]) -> dict[str, np.ndarray]:
    for name, value in state.items():
        refuse_half(name, getattr(value, "dtype", None))
    return {name: on_cpu(value) for name, value in state.items()}


def load_arrays(module: AnyModule, state: Mapping[str, np.ndarray], strict: bool = True) -> None:
    """Load arrays into either kind of module. Names, shapes and count must match, as load_state_dict says.

    Raises    TypeError for anything but a dict by names; ValueError for arrays in half precision; what load_state_dict
              raises if they do not fit.
    """
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        what = f"a dict with the keys {list(state)!r:.100}" if isinstance(state, Mapping) else type(state).__name__
        raise TypeError(f"load_arrays: expected a dict of arrays by their names, got {what}.")
    state = _arrays(state)
    if isinstance(module, Module):
        module.load_state_dict(state, strict)
    else:
        module.load_state_dict({name: torch.tensor(value) for name, value in state.items()}, strict)


def copy_parameters(source: AnyModule, target: AnyModule) -> None:
    """Copy all parameters and buffers by name. Either side may be scratch's or torch's."""
    load_arrays(target, arrays(source))


def save_safetensors(module: AnyModule, path: str | os.PathLike[str]) -> None:
    """Write the state_dict as a safetensors file. It appears under its name complete or not at all."""
    from safetensors.numpy import save

    data = save({name: np.array(value, order="C") for name, value in arrays(module).items()})
    write_whole(path, lambda file: file.write(data))


def load_safetensors(module: AnyModule, path: str | os.PathLike[str], strict: bool = True) -> None:
    """Load a safetensors file written from either kind of module, trusted or not.

    Raises    ValueError if it is not a plain, complete safetensors file; what load_state_dict raises if it does not
              fit.
    """
    try:
        state = read_safetensors(path)
    except FileRefusedError as error:
        raise FileRefusedError(f"load_safetensors: {os.fspath(path)} is not read: {error}.") from error
    load_arrays(module, state, strict)
