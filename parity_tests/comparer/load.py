"""Sides and inputs from files: a function in a Python file or module, an ONNX file, arrays, checkpoints.

Loading a Python file runs the code in it, as importing a module does. Everything else is read as data alone.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from parity_tests.comparer.findings import CompareError
from parity_tests.comparer.side import Given
from torch_impl.files import (
    FileRefusedError,
    printable,
    read_checkpoint,
    read_json,
    read_npy,
    read_npz,
    read_safetensors,
    refuse_half,
)

TYPES = {"tensor(float16)": np.float16, "tensor(float)": np.float32, "tensor(double)": np.float64,
         "tensor(int32)": np.int32, "tensor(int64)": np.int64}  # fmt: skip
LONGEST_MAP = 2**22  # bytes of the file that --map names


class OnnxModel:
    """An ONNX file, run by onnxruntime. It has its own parameters and no backward."""

    frozen = True

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            import onnxruntime
        except ImportError:
            raise CompareError(
                f"compare: {path} needs onnxruntime, which is not installed: pip install onnxruntime."
            ) from None
        try:
            self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        except Exception as error:
            raise CompareError(f"compare: onnxruntime cannot load {path}: {_line(error)}") from None

    def forward(self, *inputs: np.ndarray, **named: np.ndarray) -> Any:
        names = [value.name for value in self._session.get_inputs()]
        if named and not inputs and set(named) == set(names):
            inputs, named = tuple(named[name] for name in names), {}
        if named:
            raise CompareError(
                f"compare: the ONNX model takes {', '.join(names)}, got {', '.join(named)} by name: give its inputs in "
                "order, or all of them by these names."
            )
        if len(names) != len(inputs):
            raise CompareError(
                f"compare: the ONNX model takes {len(names)} inputs ({', '.join(names)}), got {len(inputs)}."
            )
        types = [TYPES.get(getattr(value, "type", "")) for value in self._session.get_inputs()]
        inputs = tuple(x if t is None else np.asarray(x).astype(t) for x, t in zip(inputs, types, strict=True))
        outputs = self._session.run(None, dict(zip(names, inputs, strict=True)))
        return outputs[0] if len(outputs) == 1 else tuple(outputs)


def load_side(text: str) -> Any:
    """The function that makes a side, from FILE.py:FUNCTION or PACKAGE.MODULE:FUNCTION; an ONNX file as a model."""
    if text.endswith(".onnx"):
        if not Path(text).is_file():
            raise CompareError(f"compare: there is no file {text}.")
        return OnnxModel(Path(text))
    source, _, name = text.rpartition(":")
    if not source or not name:
        forms = "FILE.py:FUNCTION, PACKAGE.MODULE:FUNCTION, FILE.onnx or a folder"
        raise CompareError(f"compare: expected {forms}, got {text!r}.")
    module = _from_file(Path(source)) if source.endswith(".py") else _from_package(source)
    if not hasattr(module, name):
        raise CompareError(f"compare: {source} has no {name!r}.")
    return getattr(module, name)


def _from_file(path: Path) -> Any:
    if not path.is_file():
        raise CompareError(f"compare: there is no file {path}.")
    name = f"_compared_{path.stem}_{abs(hash(str(path.resolve())))}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise CompareError(f"compare: {path} cannot be loaded: {type(error).__name__}: {_line(error)}") from error
    finally:
        sys.path.pop(0)
    return module


def _from_package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise CompareError(f"compare: {name} cannot be imported: {type(error).__name__}: {_line(error)}") from error


def load_inputs(text: str, seed: int = 0) -> Any:
    """Arrays from a file (.npy, .npz, .safetensors), or drawn, with `;` between.

    `2,8,16` is normal, `2,8:50` integers below 50, `2,8:bool` booleans, `2,8:bfloat16` (float16, float64) of that
    precision, and `mask=2,8:bool` an argument by keyword.
    """
    path = Path(text)
    if path.suffix == ".npy":
        return (_read(path, read_npy),)
    if path.suffix == ".npz":
        return tuple(_read(path, read_npz).values())
    if path.suffix == ".safetensors":
        return tuple(load_arrays(path).values())
    rng = np.random.default_rng(seed)
    try:
        parts = [part.rpartition("=")[::2] for part in text.split(";")]
        values = [(name.strip(), _drawn(shape, rng)) for name, shape in parts]
        named = {name: value for name, value in values if name}
        return (
            Given(tuple(value for name, value in values if not name), named) if named else tuple(v for _, v in values)
        )
    except ValueError:
        raise CompareError(
            f"compare: --input needs a file (.npy, .npz, .safetensors) or shapes, as 2,8,16 or 2,8:50, got {text!r}."
        ) from None


def _drawn(text: str, rng: np.random.Generator) -> Any:
    sizes, _, top = text.partition(":")
    shape = tuple(int(size) for size in sizes.split(","))
    if top == "bool":
        return rng.random(shape) < 0.5
    if top == "bfloat16":
        return torch.from_numpy(rng.normal(size=shape)).bfloat16()
    if top in ("float16", "float32", "float64"):
        return rng.normal(size=shape).astype(top)
    return rng.integers(0, int(top), shape) if top else rng.normal(size=shape).astype(np.float32)


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a checkpoint: safetensors, or what torch.save wrote, read as data alone."""
    if path.suffix == ".safetensors":
        return _read(path, read_safetensors)
    state = _read(path, read_checkpoint)
    if isinstance(state, dict):
        state = state.get("state_dict", state)
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise CompareError(f"compare: {path} holds no state_dict, which is tensors by name and nothing else.")

    def numbers(_: Path) -> dict[str, np.ndarray]:
        for name, value in state.items():
            refuse_half(str(name), value.dtype)
        return {str(name): value.detach().numpy() for name, value in state.items()}

    return _read(path, numbers)


def load_map(path: Path) -> dict[str, str | tuple[str, ...]]:
    """The parameters of the left side by name, each with its name on the right side and what is done to it."""
    entries = _read(path, lambda path: read_json(path, LONGEST_MAP))
    for ours, theirs in entries.items():
        if not isinstance(theirs, str) and not (
            isinstance(theirs, list) and theirs and all(isinstance(part, str) for part in theirs)
        ):
            raise CompareError(f'compare: {path}: {ours!r} must be "right name" or ["right name", "transpose"].')
    return {ours: theirs if isinstance(theirs, str) else tuple(theirs) for ours, theirs in entries.items()}


def _read(path: Path, read: Callable[[Path], Any]) -> Any:
    if not path.exists():
        raise CompareError(f"compare: there is no file {path}.")
    try:
        return read(path)
    except FileRefusedError as error:
        raise CompareError(f"compare: {path} cannot be read: {error}.") from None


def _line(error: Exception) -> str:
    return printable(error) or type(error).__name__
