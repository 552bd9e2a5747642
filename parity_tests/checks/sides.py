"""One component on one engine: build it, feed it, and name every number that comes out.

Both engines get the same numbers and return the same names, so that comparing them is comparing two dictionaries:

    output, output 1, ...        what forward returned, nests flattened in order
    grad input, grad input 1, .. the gradient of each differentiable input
    grad weight, ...             the gradient of each parameter, by its name
    buffer running_mean, ...     the buffers after the forward
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any
from zlib import crc32

import numpy as np
import torch

from parity_tests.engine import REFERENCE, SCRATCH, Engine, Torch
from parity_tests.nests import leaves, map_nest, numbered
from parity_tests.table.recipe import Recipe
from parity_tests.table.row import Layer, Refusal, Row

Numbers = dict[str, np.ndarray]


def generator(row: Row, *salt: int) -> np.random.Generator:
    """Numbers that depend only on the row and the salt, so that no row depends on another."""
    return labelled_generator(row.label, *salt)


def labelled_generator(label: str, *salt: int) -> np.random.Generator:
    """The same, of the row with this label."""
    return np.random.default_rng([crc32(label.encode()), *salt])


def draw(nest: Any, rng: np.random.Generator, dtype: Any) -> Any:
    """Replace every Recipe in the nest by an array."""
    return map_nest(lambda leaf: leaf(rng, dtype) if isinstance(leaf, Recipe) else leaf, nest)


def differentiable(row: Layer | Refusal) -> list[bool]:
    """For every leaf of the row's inputs, whether its gradient is asked for."""
    return [isinstance(leaf, Recipe) and leaf.differentiable for leaf in leaves(row.inputs)]


def cotangent(row: Row, number: int, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """A random, read-only cotangent for one output. Ones would hide a softmax backward that returns zeros."""
    return _normal(row.label, number, shape, np.dtype(dtype))


@lru_cache(256)  # a row asks for the same few a hundred times
def _normal(label: str, number: int, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """float32 numbers in this precision, read-only."""
    numbers = np.asarray(labelled_generator(label, 2, number).normal(size=shape), np.float32).astype(dtype)
    numbers.flags.writeable = False
    return numbers


def parameter_noise(row: Row, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Moves parameters off their initial values, so that a bias of zeros or a scale of ones hides nothing."""
    return np.asarray(generator(row, 3, crc32(name.encode())).uniform(-0.25, 0.25, shape), np.float32)


class ScratchSide:
    """The NumPy component."""

    def __init__(self, row: Layer | Refusal, dtype: Any, seed: int = 0, engine: Engine = SCRATCH) -> None:
        self.row, self.dtype, self.engine, self.wanted = row, np.dtype(dtype), engine, differentiable(row)
        args, kwargs = draw((row.args, row.kwargs), generator(row, 1), self.dtype)
        engine.seed(seed)
        self.module = engine.build(row.name, args, kwargs, self.dtype)

    def state(self) -> Numbers:
        return dict(self.module.state_dict())

    def parameters(self) -> Numbers:
        return {name: parameter.data for name, parameter in self.module.named_parameters()}

    def forward(self, inputs: Any, call: Any, training: bool, seed: int) -> Any:
        self.module.train(training)  # each time: that it was in this mode already must change nothing
        self.engine.seed(seed)
        return self.module(*inputs, **call)

    def run(self, inputs: Any, call: Any, training: bool = True, seed: int = 0, keep: bool = False) -> Numbers:
        """Forward and backward. `keep` leaves the gradients of an earlier run in place."""
        if not keep:
            self.module.zero_grad()
        output = self.forward(inputs, call, training, seed)
        numbers = {numbered("output", i): np.asarray(y) for i, y in enumerate(leaves(output)) if y is not None}
        dx = self.backward(self.cotangents(output))
        gradients = iter(leaves(dx))
        inputs_flat = list(leaves(inputs))
        for i, wanted in enumerate(self.wanted):
            if _is_float(inputs_flat[i]):
                gradient = next(gradients, None)
                if wanted:
                    numbers[numbered("grad input", i)] = _or_zeros(gradient, inputs_flat[i])
        for name, parameter in self.module.named_parameters():
            numbers[f"grad {name}"] = _or_zeros(parameter.grad, parameter.data)
        return numbers | {f"buffer {name}": np.array(buffer) for name, buffer in self.module.named_buffers()}

    def cotangents(self, output: Any, more: tuple[int, ...] = ()) -> Any:
        """Random read-only cotangents, nested as the output; with further dimensions `more`, invalid ones."""
        count = iter(range(sum(1 for _ in leaves(output))))

        def one(y: Any) -> np.ndarray | None:
            if y is None:
                return None
            number = next(count)
            if not _is_float(y):
                return None
            return cotangent(self.row, number, (*y.shape, *more), y.dtype)

        return map_nest(one, output)

    def backward(self, cotangents: Any) -> Any:
        """A module takes one argument for each output, nested as the outputs are."""
        return self.module.backward(*(cotangents if isinstance(cotangents, tuple | list) else (cotangents,)))


class TorchSide:
    """The torch component, on a device."""

    def __init__(self, row: Layer | Refusal, dtype: Any, seed: int = 0, engine: Torch = REFERENCE) -> None:
        self.row, self.dtype, self.engine, self.wanted = row, np.dtype(dtype), engine, differentiable(row)
        args, kwargs = draw((row.args, row.kwargs), generator(row, 1), self.dtype)
        engine.seed(seed)
        args, kwargs = map_nest(self._tensor, (args, kwargs))
        self.module = engine.build(row.name, args, kwargs, dtype)

    def _tensor(self, value: Any) -> Any:
        return self.engine.native(value) if isinstance(value, np.ndarray | np.generic) else value

    def state(self) -> Numbers:
        return {name: self.engine.array_view(tensor) for name, tensor in self.module.state_dict().items()}

    @cached_property
    def parameters(self) -> dict[str, torch.Tensor]:
        return dict(self.module.named_parameters())

    @cached_property
    def buffers(self) -> dict[str, torch.Tensor]:
        return dict(self.module.named_buffers())

    def load_parameters(self, values: Numbers) -> None:
        """Copy in place, in this side's precision; from here on both sides compute with the same numbers."""
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(self.engine.native(values[name]))

    def forward(self, inputs: Any, call: Any, training: bool, seed: int) -> Any:
        if self.module.training is not training:
            self.module.train(training)
        self.engine.seed(seed)
        return self.module(*inputs, **map_nest(self._tensor, call))

    def run(self, inputs: Any, call: Any, training: bool = True, seed: int = 0) -> Numbers:
        inputs = map_nest(self._tensor, inputs)
        wanted = {i: x.requires_grad_() for i, (x, w) in enumerate(zip(leaves(inputs), self.wanted, strict=True)) if w}
        output = self.forward(inputs, call, training, seed)
        outputs = [y for y in leaves(output) if y is not None]
        numbers = {numbered("output", i): self.engine.array_view(y) for i, y in enumerate(outputs)}
        sources = {numbered("grad input", i): x for i, x in wanted.items()}
        sources |= {f"grad {name}": p for name, p in self.parameters.items()}
        targets = [(y, self._cotangent(i, y)) for i, y in enumerate(outputs) if y.requires_grad]
        if targets and sources:
            ys, dys = zip(*targets, strict=True)
            gradients: tuple[torch.Tensor | None, ...] = torch.autograd.grad(
                ys, list(sources.values()), dys, allow_unused=True
            )
        else:
            gradients = tuple(None for _ in sources)
        for (name, source), gradient in zip(sources.items(), gradients, strict=True):
            gradient = torch.zeros_like(source) if gradient is None else gradient
            numbers[name] = self.engine.array_view(gradient.to_dense() if gradient.is_sparse else gradient)
        return numbers | {f"buffer {name}": self.engine.array(b) for name, b in self.buffers.items()}

    def _cotangent(self, number: int, y: torch.Tensor) -> torch.Tensor:
        return self.engine.native(cotangent(self.row, number, tuple(y.shape), self.dtype))


def _is_float(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f"


def _or_zeros(gradient: Any, like: np.ndarray) -> np.ndarray:
    return np.zeros_like(like) if gradient is None else np.array(gradient)
