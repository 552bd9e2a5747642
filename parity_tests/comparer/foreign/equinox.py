"""An Equinox module as a side, layer by layer, also where its layers are called for one sample within jax.vmap.

A model with state, as eqx.nn.make_with_state makes it, is given as the pair (model, state). Its buffers are the running
statistics of its BatchNorms. While layers are watched they do not change: what a run makes of them is asked without.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import numpy as np

from parity_tests.comparer.foreign.equinox_pieces import equinox_piece
from parity_tests.comparer.foreign.jax_side import Arrays, JaxSide
from parity_tests.comparer.foreign.matching import Piece
from parity_tests.comparer.foreign.watching import Watch, is_array, watched_classes
from parity_tests.comparer.nests import leaves
from parity_tests.comparer.side import ROOT, Given
from parity_tests.comparer.values import is_float

STATISTICS = ("mean", "var")  # of a BatchNorm


class EquinoxSide(JaxSide):
    """Parameters are its floating arrays. A model for one sample is mapped over the first axis of the inputs."""

    framework = "equinox"

    def __init__(self, model: eqx.Module, given: Given, loss: Any = None, state: eqx.nn.State | None = None) -> None:
        super().__init__(model, loss)
        self.places = {}
        for i, (path, leaf) in enumerate(jax.tree_util.tree_flatten_with_path(model)[0]):
            if eqx.is_inexact_array(leaf):
                name = ".".join(str(getattr(k, "name", getattr(k, "idx", getattr(k, "key", k)))) for k in path)
                self.places[name] = i
                self.values[name] = np.array(leaf)
        self.layers = dict(_walk(model))
        self.modules |= self.layers
        self.state_parts = jax.tree_util.tree_flatten(_begun(state, self.layers)) if state is not None else None
        for path, layer in self._normalizations().items():
            for name, value in zip(STATISTICS, self.fresh_state().get(_index(layer)), strict=True):
                self.values[f"{path}.{name}".lstrip(".")] = np.array(value)
                self.buffers.add(f"{path}.{name}".lstrip("."))
            self.axis = layer.axis_name
        self.levels: dict[str, int] = {}  # of vmap around each layer
        self._find_levels(given)

    def double(self, dtype: Any = np.float64) -> EquinoxSide:
        twin = super().double(dtype)
        assert isinstance(twin, EquinoxSide)
        if self.state_parts is not None:
            values = [np.asarray(x) for x in self.state_parts[0]]
            twin.state_parts = [x.astype(dtype) if is_float(x) else x for x in values], self.state_parts[1]
        return twin

    def fresh_state(self, values: Arrays | None = None) -> Any:
        """The state, with these running statistics: one that is updated cannot be used again. None if there is none."""
        if self.state_parts is None:
            return None
        state = jax.tree_util.tree_unflatten(self.state_parts[1], self.state_parts[0])
        if values is not None:
            for path, layer in self._normalizations().items():
                state = state.set(_index(layer), tuple(values[f"{path}.{name}".lstrip(".")] for name in STATISTICS))
        return state

    def _normalizations(self) -> dict[str, Any]:
        """The layers with running statistics."""
        known = {} if self.state_parts is None else self.layers
        return {path: layer for path, layer in known.items() if isinstance(layer, eqx.nn.BatchNorm)}

    def _find_levels(self, given: Given) -> None:
        """Whether the model takes one sample or a batch: whichever it can be run with, one sample first."""
        for self.levels[ROOT] in (1, 0):
            try:
                self.evaluate(ROOT, given, False, 0, None)
                return
            except Exception as error:
                first = error
        lacks = self.state_parts is None and any(isinstance(x, eqx.nn.StatefulLayer) for x in self.layers.values())
        hint = ": a model with state is given as the pair (model, state)" if lacks else f": {first}"
        raise TypeError(
            f"compare: {type(self.model).__name__} (equinox) can be called neither with one sample nor with the batch"
            f"{hint}"
        )

    def pieces(self) -> list[Piece]:
        found = (equinox_piece(path, layer, self.values) for path, layer in self.layers.items())
        return [piece for piece in found if piece is not None]

    def apply(self, values: Arrays, name: str, given: Given, training: bool, seed: Any, watch: Watch) -> Any:
        own, structure = jax.tree_util.tree_flatten(self.model)
        for parameter, i in self.places.items():
            own[i] = values[parameter]
        model = eqx.nn.inference_mode(jax.tree_util.tree_unflatten(structure, own), value=not training)
        layers = dict(_walk(model))
        names = {id(layer): self.name_of(self.layers[path]) for path, layer in layers.items()}
        watch.levels = self.levels
        state = self.fresh_state(values)
        with watched_classes({type(layer) for layer in layers.values()}, names, watch):
            known = ROOT if name == ROOT else self.name_of(self.layers[name]) or ""
            return self._mapped(layers[name], self.levels.get(known, 0), given, seed, state)

    def _mapped(self, layer: Any, levels: int, given: Given, seed: Any, state: Any) -> Any:
        """The layer's output and buffers, by vmap over the leading axes; with a key for each sample if it takes one."""
        keys = {}
        if levels and "key" in inspect.signature(type(layer).__call__).parameters and "key" not in given.kwargs:
            lead = next(x for x in leaves(given) if is_array(x)).shape[:levels]
            keys = {"key": jax.random.split(jax.random.key(seed), lead)}

        def compute(arrays: Any) -> Any:
            args, kwargs = eqx.combine(arrays, fixed)
            if not takes_state:
                return layer(*args, **kwargs), {}
            *output, after = layer(*args, state, **kwargs)
            buffers = {f"{path}.{name}".lstrip("."): value for path, norm in self._normalizations().items()
                       for name, value in zip(STATISTICS, after.get(_index(norm)), strict=True)}  # fmt: skip
            return (output[0] if len(output) == 1 else tuple(output)), buffers

        takes_state = state is not None and "state" in inspect.signature(type(layer).__call__).parameters
        arrays, fixed = eqx.partition((given.args, {**given.kwargs, **keys}), is_array)
        function: Callable[..., Any] = compute
        for level in range(levels):
            function = jax.vmap(function, axis_name=self.axis if level == levels - 1 else None)
        output, buffers = function(arrays)
        for _ in range(levels):  # which are the same for every sample
            buffers = {name: value[0] for name, value in buffers.items()}
        return output, buffers


def _index(norm: Any) -> Any:
    """Where the state has the running statistics of a BatchNorm."""
    return norm.batch_state_index if norm.mode == "batch" else norm.ema_state_index


def _begun(state: Any, layers: dict[str, Any]) -> Any:
    """A state whose running statistics are taken as they are, as torch's: not corrected for a count, nor empty."""
    for layer in layers.values():
        if isinstance(layer, eqx.nn.BatchNorm):
            if layer.mode == "batch":
                state = state.set(layer.batch_counter, 0 * state.get(layer.batch_counter))
            else:
                state = state.set(layer.ema_first_time_index, state.get(layer.ema_first_time_index) & False)
    return state


def _walk(layer: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The modules below one that can be called, by dotted name; lists, tuples and dicts count as levels."""
    if isinstance(layer, eqx.Module):
        if callable(layer):
            yield path, layer
        parts = [(field.name, getattr(layer, field.name, None)) for field in dataclasses.fields(layer)]
    elif isinstance(layer, list | tuple):
        parts = list(enumerate(layer))  # type: ignore[arg-type]
    elif isinstance(layer, dict):
        parts = list(layer.items())
    else:
        return
    for name, part in parts:
        yield from _walk(part, f"{path}.{name}" if path else str(name))


def side(model: Any, given: Given, loss: Any) -> EquinoxSide:
    if isinstance(model, eqx.Module):
        return EquinoxSide(model, given, loss)
    if len(model) == 2 and isinstance(model[0], eqx.Module) and isinstance(model[1], eqx.nn.State):
        copied = jax.tree_util.tree_map(lambda x: x, model[1])  # the given one stays usable
        return EquinoxSide(model[0], given, loss, copied)
    raise TypeError("compare: an Equinox side is a module, or the pair (model, state) of eqx.nn.make_with_state.")
