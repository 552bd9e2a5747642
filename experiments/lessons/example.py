"""A layer's worked example: the same short numbers through both engines, every line of scratch's code with its result,
and the same lines to run.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from zlib import crc32

import numpy as np
import torch

import scratch
from experiments.lessons.small import short_parameter, small
from experiments.lessons.trace import Step, trace
from parity_tests.checks.sides import differentiable
from parity_tests.engine import SCRATCH, TORCH, Engine, find
from parity_tests.nests import leaves, map_nest
from parity_tests.table.recipe import Recipe
from parity_tests.table.row import Layer

DTYPE = np.dtype(np.float64)
SEED = 0
OUTPUTS = {
    "nn.LSTM": ("y", "h", "c"),
    "nn.GRU": ("y", "h"),
    "nn.RNN": ("y", "h"),
    "nn.LSTMCell": ("h", "c"),
    "nn.GRUCell": ("h",),
    "nn.RNNCell": ("h",),
    "nn.MultiheadAttention": ("y", "weights"),
    "nn.AdaptiveLogSoftmaxWithLoss": ("y", "loss"),
}
Numbers = dict[str, np.ndarray]


@dataclass(frozen=True)
class Example:
    """The numbers of one forward and one backward. Results are named as the inputs are, with a d for a gradient."""

    row: Layer
    inputs: Numbers
    parameters: Numbers
    cotangents: Numbers
    forward: list[Step]
    backward: list[Step]
    scratch: Numbers
    torch: Numbers
    returned: str  # what backward returned, as names

    @property
    def largest(self) -> float:
        """The largest difference of the two engines."""
        pairs = ((self.scratch[name], self.torch[name]) for name in self.torch)
        return max((float(np.max(np.abs(a - b), initial=0)) for a, b in pairs), default=0.0)


@lru_cache(1)  # a page asks for its numbers and for their picture
def example(name: str) -> Example | None:
    """None for what is no layer."""
    row = small(name)
    return None if row is None else run(row, find(scratch, name))


def run(row: Layer, kind: Any) -> Example:
    """The example of a row, with the layer of scratch of this class."""
    inputs = given(row)
    names = input_names(kind, inputs)
    ours = prepared(SCRATCH.replacing(row.name, kind), row)
    parameters = {name: np.array(parameter.data) for name, parameter in ours.named_parameters()}
    SCRATCH.seed(SEED)
    forward, output = trace(kind, lambda: ours(*inputs, **row.call))
    dys = cotangents(row, output)
    backward, dx = trace(kind, lambda: ours.backward(*(dys if isinstance(dys, tuple | list) else (dys,))))
    found = outputs(row.name, output)
    return Example(
        row,
        dict(zip(names, map(np.asarray, inputs), strict=True)),
        parameters,
        {f"d{name}": dy for name, dy in zip(found, leaves(dys), strict=True) if dy is not None},
        forward,
        backward,
        found | dict(gradients(row, names, inputs, dx)) | {f"d{n}": _grad(p) for n, p in ours.named_parameters()},
        with_torch(row, inputs, names, dys),
        returned_names(names, inputs, dx),
    )


def given(row: Layer) -> tuple[Any, ...]:
    """The inputs of forward, in float64."""
    return tuple(_drawn(row, row.inputs))


def _drawn(row: Layer, nest: Any) -> Any:
    """Every Recipe as an array; 0.1 stays 0.1, where the checks' draws are rounded to float32."""
    rng = np.random.default_rng(crc32(row.name.encode()))

    def one(leaf: Any) -> Any:
        if not isinstance(leaf, Recipe):
            return leaf
        values = np.asarray(leaf.draw(rng))
        return values.astype(DTYPE) if values.dtype.kind == "f" else values

    return map_nest(one, nest)


def prepared(engine: Engine, row: Layer) -> Any:
    """The layer in training mode, its parameters of one decimal."""
    args, kwargs = _drawn(row, (row.args, row.kwargs))
    args, kwargs = map_nest(lambda leaf: engine.native(leaf) if isinstance(leaf, np.ndarray) else leaf, (args, kwargs))
    engine.seed(SEED)
    module = engine.build(row.name, args, kwargs, DTYPE)
    with engine.no_grad():
        for name, parameter in module.named_parameters():
            engine.array_view(parameter)[...] = short_parameter(name, tuple(parameter.shape))
    return module


def input_names(kind: Any, inputs: tuple[Any, ...]) -> list[str]:
    """The inputs as forward calls them."""
    names = [name for name in inspect.signature(kind.forward).parameters if name != "self"]
    if len(names) < len(inputs) or "inputs" in names:
        return ["x"] if len(inputs) == 1 else [f"x{i + 1}" for i in range(len(inputs))]
    return names[: len(inputs)]


def outputs(name: str, output: Any) -> Numbers:
    """The outputs by name: y, or loss, or as the layer's equations call them."""
    arrays = [None if y is None else np.asarray(y) for y in leaves(output)]
    known = OUTPUTS.get(name, ("loss",) if "Loss" in name else ("y",))
    names = known if len(known) == len(arrays) else [f"y{i + 1}" for i in range(len(arrays))]
    return {name: array for name, array in zip(names, arrays, strict=True) if array is not None}


def cotangents(row: Layer, output: Any) -> Any:
    """One for each output, nested as they are: 1 for a loss, otherwise numbers of one decimal."""
    count = iter(range(100))

    def one(y: Any) -> np.ndarray | None:
        number = next(count)
        if y is None or np.asarray(y).dtype.kind != "f":
            return None
        y = np.asarray(y)
        return np.ones((), y.dtype) if y.ndim == 0 else short_parameter(f"{row.name} dy {number}", y.shape)

    return map_nest(one, output)


def gradients(row: Layer, names: list[str], inputs: tuple[Any, ...], dx: Any) -> Iterator[tuple[str, np.ndarray]]:
    """The gradients of the inputs that have one, by name; backward returns one for each floating input."""
    found = iter(leaves(dx))
    for name, x, wanted in zip(names, inputs, differentiable(row), strict=True):
        if np.asarray(x).dtype.kind == "f":
            gradient = next(found, None)
            if wanted:
                yield f"d{name}", np.zeros_like(x) if gradient is None else np.asarray(gradient)


def returned_names(names: list[str], inputs: tuple[Any, ...], dx: Any) -> str:
    """What backward returned, to be assigned to: "dx, (dh0, dc0)"."""
    floating = [f"d{name}" for name, x in zip(names, inputs, strict=True) if np.asarray(x).dtype.kind == "f"]
    free = iter([*floating, "dh0", "dc0"])
    if dx is None:
        return "nothing"
    nested = map_nest(lambda leaf: next(free), dx)
    return nested if isinstance(nested, str) else _listed(nested)[1:-1].removesuffix(",")


def _listed(nest: Any) -> str:
    return nest if isinstance(nest, str) else f"({', '.join(map(_listed, nest))}{',' if len(nest) == 1 else ''})"


def _grad(parameter: Any) -> np.ndarray:
    return np.zeros(parameter.data.shape) if parameter.grad is None else np.array(parameter.grad)


def with_torch(row: Layer, inputs: tuple[Any, ...], names: list[str], dys: Any) -> Numbers:
    """The same by torch's autograd."""
    module = prepared(TORCH, row)
    tensors = [TORCH.native(x) if isinstance(x, np.ndarray) else x for x in inputs]
    sources = {f"d{n}": t for n, t, wanted in zip(names, tensors, differentiable(row), strict=True) if wanted}
    for tensor in sources.values():
        tensor.requires_grad_()
    sources |= {f"d{name}": parameter for name, parameter in module.named_parameters()}
    TORCH.seed(SEED)
    output = module(*tensors, **row.call)
    pairs = [(y, TORCH.native(dy)) for y, dy in zip(leaves(output), leaves(dys), strict=True) if dy is not None]
    pairs = [(y, dy) for y, dy in pairs if y.requires_grad]
    found = outputs(row.name, map_nest(lambda y: None if y is None else TORCH.array(y), output))
    if not (pairs and sources):
        return found
    given_back = torch.autograd.grad(
        [y for y, _ in pairs], [*sources.values()], [dy for _, dy in pairs], allow_unused=True
    )
    for (name, source), gradient in zip(sources.items(), given_back, strict=True):
        found[name] = TORCH.array(torch.zeros_like(source) if gradient is None else gradient)
    return found
