"""A Keras 3 model as a side, on its torch, JAX or NumPy backend.

Its layers are watched by their `__call__`, its parameters have Keras' names and layouts, and what a probe hears of
layers with channels last is turned to channels first. On the NumPy backend there are no gradients.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from parity_tests.comparer.findings import CompareError
from parity_tests.comparer.foreign.implied import Implied
from parity_tests.comparer.foreign.keras_pieces import piece_of
from parity_tests.comparer.foreign.matching import implied
from parity_tests.comparer.foreign.ops import Ops, TorchOps
from parity_tests.comparer.foreign.watched import WatchedSide
from parity_tests.comparer.nests import map_nest
from parity_tests.comparer.side import ROOT, Given, Side
from parity_tests.comparer.values import arrays

WHOLE = ("RNN", "MultiHeadAttention", "GroupedQueryAttention", "Bidirectional")  # their parts are not layers of ours
OTHER_CALL = (*WHOLE, "LSTM", "GRU", "SimpleRNN")  # called and answering in another way than torch's
WITH_ACTIVATION = ("Dense", "EinsumDense", "Conv", "DepthwiseConv", "SeparableConv")
RESHAPES = ("Flatten", "Reshape", "Permute", "RepeatVector", "InputLayer", "Concatenate", "TimeDistributed")
ON_THE_LAST_AXIS = ("Dense", "EinsumDense", "LayerNormalization", "RMSNormalization", "Embedding", *OTHER_CALL)
ALONG_A_LINE = ("Conv1D", "Conv1DTranspose", "SeparableConv1D", "DepthwiseConv1D", "MaxPooling1D", "AveragePooling1D",
                "GlobalAveragePooling1D", "GlobalMaxPooling1D", "SpatialDropout1D", "ZeroPadding1D", "Cropping1D",
                "UpSampling1D")  # fmt: skip


def side(model: Any, given: Given, loss: Any = None) -> Side:
    """A side for a Keras model or layer. One that is not built yet is called once, which makes its parameters."""
    if not isinstance(model, keras.layers.Layer):
        raise CompareError(f"compare: a Keras side is a model or a layer, got {type(model).__name__}.")
    return KerasSide(model, given, loss)


def _ops() -> Ops:
    backend = keras.backend.backend()
    if backend == "torch":
        return TorchOps()
    if backend == "jax":
        return importlib.import_module("parity_tests.comparer.foreign.jax_ops").JaxOps()
    if backend == "numpy":
        return Ops()
    raise CompareError(f"compare: Keras runs on {backend} here; its torch, jax and numpy backends can be compared.")


class KerasSide(WatchedSide):
    framework = "keras"
    words = {"eps": "epsilon"}  # noqa: RUF012

    def __init__(self, model: Any, given: Given, loss: Any = None) -> None:
        super().__init__(model, loss)
        self.ops = _ops()
        self._layers = dict(_layers_of(model))
        self._last = any(getattr(layer, "data_format", "") == "channels_last" for layer in self._layers.values())
        self._line = self._moves_lines(given)
        if not model.built or not model.variables:
            self.call(model, {}, _native(self, given), training=False)
            self._layers = dict(_layers_of(model))  # some make their own when they are built
        cells = [f"{name}." for name, layer in self._layers.items() if isinstance(layer, keras.layers.RNN)]
        self.modules = {n: layer for n, layer in self._layers.items()
                        if type(layer).__name__ not in RESHAPES and not n.startswith(tuple(cells))}  # fmt: skip
        self._own = {id(layer): name for name, layer in reversed(self._layers.items())}
        self._variables = {name: v for name, v in _variables_of(self._layers) if v.dtype.startswith("float")}
        trained = {id(v) for v in model.trainable_variables}
        self._buffers = {name for name, v in self._variables.items() if id(v) not in trained}

    # --- parameters ---------------------------------------------------------------------------------------------------

    def variables(self) -> dict[str, Any]:
        return self._variables

    def read(self, variable: Any) -> np.ndarray:
        return np.asarray(self.ops.array(variable.value))

    def write(self, variable: Any, value: np.ndarray) -> None:
        variable.assign(value.astype(variable.dtype))

    def is_buffer(self, name: str) -> bool:
        return name in self._buffers

    def parameter_map(self, other: Side, given: Given) -> Any:
        whole = [name for name, layer in self._layers.items() if _is_a(layer, WHOLE)]
        pieces = [piece_of(name, layer) for name, layer in self._layers.items()
                  if not any(name.startswith(f"{around}.") for around in whole)]  # fmt: skip
        found = implied(self, [piece for piece in pieces if piece is not None], other, given)
        found.hidden |= {name for name, layer in self._layers.items() if _is_a(layer, OTHER_CALL)}
        found.hidden |= {name for name, layer in self._layers.items() if self._padded_before(layer, other, found, name)}
        return found

    def _padded_before(self, layer: Any, other: Side, found: Implied, name: str) -> bool:
        """Whether a convolution leaves its padding to a layer before it, where torch's has it."""
        pads = any(type(one).__name__.startswith("ZeroPadding") for one in self._layers.values())
        theirs = getattr(other.modules.get(found.layers.get(name, name)), "padding", 0)
        return pads and getattr(layer, "padding", "") == "valid" and theirs not in (0, (0,), (0, 0), (0, 0, 0))

    def snapshot(self) -> Any:
        return super().snapshot(), [(s, np.array(self.read(s.state))) for s in _generators(self.model)]

    def restore(self, snapshot: Any) -> None:
        buffers, generators = snapshot
        super().restore(buffers)
        for generator, value in generators:
            generator.state.assign(value)

    # --- calls --------------------------------------------------------------------------------------------------------

    def own_name(self, layer: Any) -> str:
        return self._own.get(id(layer), ROOT)

    def call(self, layer: Any, values: dict[str, Any], given: Given, training: bool) -> tuple[Any, dict[str, Any]]:
        mapping = [(self._variables[name], value) for name, value in values.items()]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            layer._get_call_context().set_value("training", training)  # which every layer below it inherits
            try:
                output = layer(*_together(layer, given.args), **given.kwargs)
            finally:
                layer._maybe_reset_call_context()
            changed = {n: scope.get_current_value(self._variables[n]) for n in getattr(self, "_buffers", ())}
        return output, {n: v for n, v in changed.items() if v is not None}

    @contextmanager
    def watching(self) -> Iterator[None]:
        kind = keras.layers.Layer
        original = kind.__call__

        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            return self.called(layer, original, args, kwargs)

        kind.__call__ = call
        try:
            yield
        finally:
            kind.__call__ = original

    def called(self, layer: Any, original: Any, args: Any, kwargs: Any) -> Any:
        """A layer with an activation of its own is watched without it, as torch's is; the activation comes after."""
        with _without_activation(layer) as activation:
            output = super().called(layer, original, args, kwargs)
        return output if activation is None else activation(output)

    def local(self, name, args, kwargs, dys, training, seed):
        with _without_activation(self.modules[name] if name else None):
            return super().local(name, args, kwargs, dys, training, seed)

    # --- layouts ------------------------------------------------------------------------------------------------------

    def heard(self, layer: Any, value: Any) -> Any:
        return np.moveaxis(value, -1, 1) if self._is_moved(layer, value) else value

    def said(self, layer: Any, value: Any) -> Any:
        return np.moveaxis(value, 1, -1) if self._is_moved(layer, value) else value

    def _is_moved(self, layer: Any, value: Any) -> bool:
        """Whether this number of a layer has its channels last, and torch's has them behind the batch."""
        if not isinstance(value, np.ndarray) or not self._last or value.ndim < 3:
            return False
        kind = type(layer).__name__
        if kind in ON_THE_LAST_AXIS or getattr(layer, "data_format", "channels_last") == "channels_first":
            return False
        if kind == "BatchNormalization" and layer.axis not in (-1, value.ndim - 1):
            return False
        return value.ndim > 3 or kind in ALONG_A_LINE or (self._line and kind not in ON_THE_LAST_AXIS)

    def _moves_lines(self, given: Given) -> bool:
        """Whether a number of three axes between layers is a line of channels, not a sequence of features."""
        kinds = {type(layer).__name__ for layer in self._layers.values()}
        return bool(kinds.intersection(ALONG_A_LINE)) and not kinds.intersection(OTHER_CALL)


def _native(side: KerasSide, given: Given) -> Given:
    said = map_nest(lambda x: side.said(side.model, x), arrays(given))
    return map_nest(lambda x: side.ops.tensor(x) if isinstance(x, np.ndarray) else x, said)


def _together(layer: Any, args: Any) -> Any:
    """Several inputs as one list, as a functional model takes them."""
    inputs = getattr(layer, "inputs", None) if isinstance(layer, keras.Model) else None
    return ([*args],) if inputs is not None and len(inputs) == len(args) > 1 else args


@contextmanager
def _without_activation(layer: Any) -> Iterator[Any]:
    """A linear layer or convolution without its activation, which is what is given; None if it has none."""
    activation = getattr(layer, "activation", None)
    linear = keras.activations.linear
    if activation is None or activation is linear or not type(layer).__name__.startswith(WITH_ACTIVATION):
        yield None
        return
    layer.activation = linear
    try:
        yield activation
    finally:
        layer.activation = activation


def _is_a(layer: Any, kinds: tuple[str, ...]) -> bool:
    return any(kind.__name__ in kinds for kind in type(layer).__mro__)


def _layers_of(layer: Any, path: str = ROOT, seen: set[int] | None = None) -> Iterator[tuple[str, Any]]:
    """The layers below one by dotted name: as its attributes call them, or else by their own names."""
    seen = set() if seen is None else seen
    if id(layer) in seen:
        return
    seen.add(id(layer))
    yield path, layer
    names = _attribute_names(layer)
    for below in layer._flatten_layers(include_self=False, recursive=False):
        name = names.get(id(below), below.name)
        yield from _layers_of(below, f"{path}.{name}" if path else name, seen)


def _attribute_names(layer: Any) -> dict[int, str]:
    """The attributes that hold layers, of the user's own classes: Keras' own have their layers' names."""
    if type(layer).__module__.partition(".")[0] == "keras":
        return {}
    held = {**getattr(layer, "_modules", {}), **vars(layer)}
    names: dict[int, str] = {}
    for name, value in held.items():
        if name.startswith("_"):
            continue
        parts = (
            enumerate(value) if isinstance(value, list | tuple) else value.items() if isinstance(value, dict) else ()
        )
        for key, part in ((None, value), *parts):
            if isinstance(part, keras.layers.Layer):
                names.setdefault(id(part), name if key is None else f"{name}.{key}")
    return names


def _variables_of(layers: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The variables of every layer by name; those of a recurrent layer's cell are the layer's."""
    seen: set[int] = set()
    for path, layer in layers.items():
        own = layer._trainable_variables + layer._non_trainable_variables
        cell = getattr(layer, "cell", None)
        if _is_a(layer, WHOLE) and isinstance(cell, keras.layers.Layer):
            own = own + cell.variables
        for variable in own:
            if id(variable) not in seen:
                seen.add(id(variable))
                yield f"{path}.{variable.name}" if path else variable.name, variable


def _generators(layer: Any) -> list[Any]:
    found = list(getattr(layer, "_seed_generators", ()))
    for below in layer._flatten_layers(include_self=False, recursive=False):
        found += _generators(below)
    return found
