"""A Flax NNX module as a side, layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from flax import nnx

from parity_tests.comparer.foreign.flax_pieces import flax_piece
from parity_tests.comparer.foreign.jax_side import Arrays, JaxSide
from parity_tests.comparer.foreign.matching import Piece
from parity_tests.comparer.foreign.watching import Watch, watched_classes
from parity_tests.comparer.side import Given


class NnxSide(JaxSide):
    """Parameters are nnx.Param, buffers nnx.BatchStat; the states of random numbers stay as they are."""

    framework = "flax.nnx"
    words = {"eps": "epsilon"}  # noqa: RUF012

    def __init__(self, model: nnx.Module, given: Given, loss: Any = None) -> None:
        super().__init__(model, loss)
        self.graph, state = nnx.split(model)
        self.variables = dict(nnx.to_flat_state(state))
        self.paths = {}
        for path, variable in self.variables.items():
            if isinstance(variable, nnx.Param | nnx.BatchStat) and hasattr(variable[...], "dtype"):
                name = _dotted(path)
                self.paths[name] = path
                self.values[name] = np.array(variable[...])
                if not isinstance(variable, nnx.Param):
                    self.buffers.add(name)
        self.layers = {_dotted(path): layer for path, layer in nnx.iter_modules(model)}
        self.modules |= self.layers
        self.channels_last = any(isinstance(layer, nnx.Conv | nnx.ConvTranspose) for layer in self.layers.values())
        self.find_layout(given)

    def pieces(self) -> list[Piece]:
        found = (flax_piece(path, layer, self.values) for path, layer in self.layers.items())
        return [piece for piece in found if piece is not None]

    def apply(self, values: Arrays, name: str, given: Given, training: bool, seed: int, watch: Watch) -> Any:
        state = {path: variable.copy() for path, variable in self.variables.items()}
        for own, path in self.paths.items():
            state[path] = self.variables[path].replace(values[own])
        model = nnx.merge(self.graph, nnx.from_flat_state(state))
        model.train() if training else model.eval()
        layers = {_dotted(path): layer for path, layer in nnx.iter_modules(model)}
        names = {id(layer): self.name_of(self.layers[path]) for path, layer in layers.items()}
        with watched_classes({type(layer) for layer in layers.values()}, names, watch):
            output = layers[name](*given.args, **given.kwargs)
        after = dict(nnx.to_flat_state(nnx.state(model)))
        return output, {own: after[self.paths[own]][...] for own in self.buffers}


def _dotted(path: tuple[Any, ...]) -> str:
    return ".".join(map(str, path))


def side(model: nnx.Module, given: Given, loss: Any) -> NnxSide:
    return NnxSide(model, given, loss)
