"""An Equinox module as a side, layer by layer, also where its layers are called for one sample within jax.vmap."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import numpy as np

from parity_tests.comparer.foreign.jax_side import Arrays, JaxSide
from parity_tests.comparer.foreign.units import Unit, kind_of_layer, simple, walk_names
from parity_tests.comparer.foreign.watching import Watch, is_array, watched_classes
from parity_tests.comparer.nests import leaves
from parity_tests.comparer.side import ROOT, Given

KINDS = {
    "Linear": "linear", "Conv": "conv", "Embedding": "embedding", "LayerNorm": "norm", "GroupNorm": "norm",
    "RMSNorm": "norm", "PReLU": "prelu", "MultiheadAttention": "attention", "LSTMCell": "lstm", "GRUCell": "gru",
}  # fmt: skip
PARTS = {"weight": "weight", "bias": "bias", "negative_slope": "weight"}
ATTENTION = {"query_proj": "q", "key_proj": "k", "value_proj": "v", "output_proj": "out"}
RECURRENT = {"weight_ih": "weight_ih", "weight_hh": "weight_hh", "bias": "bias", "bias_n": "bias_hh.n"}


class EquinoxSide(JaxSide):
    """Parameters are its floating arrays. A model for one sample is mapped over the first axis of the inputs."""

    framework = "equinox"

    def __init__(self, model: eqx.Module, given: Given, loss: Any = None) -> None:
        super().__init__(model, loss)
        self.places = {}
        for i, (path, leaf) in enumerate(jax.tree_util.tree_flatten_with_path(model)[0]):
            if eqx.is_inexact_array(leaf):
                name = ".".join(str(getattr(k, "name", getattr(k, "idx", getattr(k, "key", k)))) for k in path)
                self.places[name] = i
                self.values[name] = np.array(leaf)
        self.layers = dict(_walk(model))
        self.modules |= self.layers
        self.levels: dict[str, int] = {}  # of vmap around each layer
        self._find_levels(given)

    def _find_levels(self, given: Given) -> None:
        """Whether the model takes one sample or a batch: whichever it can be run with, one sample first."""
        for self.levels[ROOT] in (1, 0):
            try:
                self.evaluate(ROOT, given, False, 0, None)
                return
            except Exception as error:
                first = error
        raise TypeError(
            f"compare: {type(self.model).__name__} (equinox) can be called neither with one sample nor with the batch: "
            f"{first}"
        )

    def units(self) -> list[Unit]:
        return [unit for path, layer in self.layers.items() if (unit := self._unit(path, layer)) is not None]

    def _unit(self, path: str, layer: Any) -> Unit | None:
        kind = kind_of_layer(layer, KINDS)
        if kind == "attention":
            own = {below.rpartition("."): name for below, name in walk_names(self.values, path)}
            parts = {f"{ATTENTION[w]}.{a}": name for (w, _, a), name in own.items() if w in ATTENTION}
            return Unit(kind, path, parts, path)
        if kind in ("lstm", "gru"):
            parts = {RECURRENT[below]: name for below, name in walk_names(self.values, path)}
            return Unit(kind, path, parts)
        unit = simple(kind, path, PARTS, self.values) if kind else None
        return unit if unit is not None and unit.names else None

    def apply(self, values: Arrays, name: str, given: Given, training: bool, seed: Any, watch: Watch) -> Any:
        own, structure = jax.tree_util.tree_flatten(self.model)
        for parameter, i in self.places.items():
            own[i] = values[parameter]
        model = eqx.nn.inference_mode(jax.tree_util.tree_unflatten(structure, own), value=not training)
        layers = dict(_walk(model))
        names = {id(layer): self.name_of(self.layers[path]) for path, layer in layers.items()}
        watch.levels = self.levels
        with watched_classes({type(layer) for layer in layers.values()}, names, watch):
            known = ROOT if name == ROOT else self.name_of(self.layers[name]) or ""
            return self._mapped(layers[name], self.levels.get(known, 0), given, seed), {}

    def _mapped(self, layer: Any, levels: int, given: Given, seed: Any) -> Any:
        """The layer's output, by vmap over the leading axes; with a key for each sample where it takes one."""
        keys = {}
        if levels and "key" in inspect.signature(type(layer).__call__).parameters and "key" not in given.kwargs:
            lead = next(x for x in leaves(given) if is_array(x)).shape[:levels]
            keys = {"key": jax.random.split(jax.random.key(seed), lead)}

        def compute(arrays: Any) -> Any:
            args, kwargs = eqx.combine(arrays, fixed)
            return layer(*args, **kwargs)

        arrays, fixed = eqx.partition((given.args, {**given.kwargs, **keys}), is_array)
        function: Callable[..., Any] = compute
        for _ in range(levels):
            function = jax.vmap(function)
        return function(arrays)


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
    return EquinoxSide(model, given, loss)
