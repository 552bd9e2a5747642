"""The example as two programs that run: scratch's backward, and the call of torch's autograd that gives the same."""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np
import torch

import scratch
import torch_impl
from experiments.lessons.example import Example
from parity_tests.built import Built
from parity_tests.checks.sides import differentiable
from parity_tests.engine import find
from parity_tests.table.recipe import Recipe


def scratch_program(example: Example) -> str:
    """Forward and backward in NumPy; the results are variables of the names that the page shows."""
    layer = _built("scratch", example.row.name, example.row.args, example.row.kwargs)
    lines = ["import numpy as np", "import scratch", "", "scratch.manual_seed(0)", f"layer = {layer}"]
    lines += [f"{_path(name)}.data[...] = {_list(value)}" for name, value in example.parameters.items()]
    lines += [f"{name} = {_array(value)}" for name, value in example.inputs.items()]
    results = list(_results(example))
    lines += ["", f"{_nest(results)} = layer({', '.join([*example.inputs, *_options(example)])})"]
    lines += [
        f"d{name} = {_array(example.cotangents[f'd{name}'])}" for name in results if f"d{name}" in example.cotangents
    ]
    given = [f"d{name}" if f"d{name}" in example.cotangents else "None" for name in results]
    lines += [f"{example.returned} = layer.backward({_cotangents(given)})"]
    lines += [f"{_variable(name)} = {_path(name)}.grad" for name in example.parameters]
    return "\n".join(lines)


def torch_program(example: Example) -> str:
    """The same with torch: all gradients by one call of torch.autograd.grad."""
    layer = _built("torch", example.row.name, example.row.args, example.row.kwargs)
    imports = ["import torch"] + (["import torch_impl"] if "torch_impl." in layer else [])
    lines = [*imports, "", "torch.manual_seed(0)", f"layer = {layer}.double()"]
    if example.parameters:
        lines.append("with torch.no_grad():")
        lines += [f"    {_path(name)}.copy_({_tensor(value)})" for name, value in example.parameters.items()]
    wanted = dict(zip(example.inputs, differentiable(example.row), strict=True))
    lines += [f"{name} = {_tensor(value, wanted[name])}" for name, value in example.inputs.items()]
    results = list(_results(example))
    lines += ["", f"{_nest(results)} = layer({', '.join([*example.inputs, *_options(example)])})"]
    with_cotangent = [name for name in results if f"d{name}" in example.cotangents and _moves(example)]
    lines += [f"d{name} = {_tensor(example.cotangents[f'd{name}'])}" for name in with_cotangent]
    sources = [name for name in example.inputs if wanted[name]] + [_path(name) for name in example.parameters]
    gradients = [f"d{name}" for name in example.inputs if wanted[name]] + [_variable(n) for n in example.parameters]
    if sources and with_cotangent:
        lines += [
            f"{', '.join(gradients)}{',' if len(gradients) == 1 else ''} = torch.autograd.grad(",
            f"    [{', '.join(with_cotangent)}],",
            f"    [{', '.join(sources)}],",
            f"    [{', '.join(f'd{name}' for name in with_cotangent)}],",
            ")",
        ]
    return "\n".join(lines)


def _moves(example: Example) -> bool:
    """Whether torch's output has a gradient at all."""
    return any(differentiable(example.row)) or bool(example.parameters)


def _results(example: Example) -> list[str]:
    return [name for name in example.scratch if not name.startswith("d")]


def _nest(names: list[str]) -> str:
    """The outputs as a layer returns them: LSTM returns y, (h, c)."""
    return "y, (h, c)" if names == ["y", "h", "c"] else ", ".join(names)


def _cotangents(given: list[str]) -> str:
    return "dy, (dh, dc)" if given == ["dy", "dh", "dc"] else ", ".join(given)


def _path(parameter: str) -> str:
    """A parameter as code: tail[0].weight of "tail.0.weight"."""
    return re.sub(r"\.?\b(\d+)\b", r"[\1]", f"layer.{parameter}")


def _variable(parameter: str) -> str:
    """The gradient of a parameter as a variable: d_0_weight of "0.weight"."""
    return "d" + ("_" if parameter[0].isdigit() else "") + parameter.replace(".", "_")


def _options(example: Example) -> list[str]:
    return [f"{name}={value!r}" for name, value in example.row.call.items()]


def _built(library: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    words = [_argument(library, value) for value in args]
    words += [f"{key}={_argument(library, value)}" for key, value in kwargs.items()]
    if library == "scratch":
        kind = find(scratch, name)
        if "dtype" in inspect.signature(kind).parameters:
            words.append("dtype=np.float64")
        return f"scratch.{name}({', '.join(words)})"
    return f"{package_of(name)}.{name}({', '.join(words)})"


def package_of(name: str) -> str:
    """The package: torch where the component is torch's own, torch_impl where it is this project's."""
    try:
        return "torch" if find(torch, name) is find(torch_impl, name) else "torch_impl"
    except AttributeError:
        return "torch_impl"


def _argument(library: str, value: Any) -> str:
    if isinstance(value, Built):
        return _built(library, value.name, value.args, value.kwargs)
    if isinstance(value, Recipe):
        raise TypeError("an example has no drawn arguments")
    return repr(value)


def _list(value: np.ndarray) -> str:
    """The numbers as a nested list, without needless digits."""
    return repr(value.tolist())


def _array(value: np.ndarray) -> str:
    return f"np.array({_list(value)}{'' if value.size else f', np.{value.dtype}'})"


def _tensor(value: np.ndarray, gradient: bool = False) -> str:
    kind = "" if value.dtype.kind != "f" else ", dtype=torch.float64"
    return f"torch.tensor({_list(value)}{kind}{', requires_grad=True' if gradient else ''})"
