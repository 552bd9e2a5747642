"""A side for frameworks whose layers are objects that are called: their calls are watched for the length of a run.

A framework supplies its tensors (`Ops`), its variables by name, its layers by name, how a layer is called on given
values of the variables, and in which layout a layer's numbers are. The probe hears everything in torch's layout.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from parity_tests.comparer.foreign.ops import HiddenError, Ops
from parity_tests.comparer.losses import TorchLoss
from parity_tests.comparer.nests import map_nest
from parity_tests.comparer.side import ROOT, Given, Key, Probe, Side
from parity_tests.comparer.values import Numbers, arrays, floats, is_float, named_numbers, named_outputs
from parity_tests.nests import numbered

ABSENT = object()


class WatchedSide(Side):
    """One model of a framework with layers that can be called and variables that can be replaced in a call."""

    ops: Ops

    def __init__(self, model: Any, loss: Any = None) -> None:
        super().__init__(model, TorchLoss(loss) if isinstance(loss, torch.nn.Module) else loss)
        self._probe: Probe | None = None
        self._names: dict[int, str] = {}
        self._calls: dict[str, int] = {}
        self._outputs: dict[str, Any] = {}  # what each layer gave in its last call

    # --- what a framework supplies ------------------------------------------------------------------------------------

    def variables(self) -> dict[str, Any]:
        """Its parameters and buffers by name."""
        raise NotImplementedError

    def read(self, variable: Any) -> np.ndarray:
        raise NotImplementedError

    def write(self, variable: Any, value: np.ndarray) -> None:
        raise NotImplementedError

    def is_buffer(self, name: str) -> bool:
        raise NotImplementedError

    def call(self, layer: Any, values: dict[str, Any], given: Given, training: bool) -> tuple[Any, dict[str, Any]]:
        """The layer's output with these values in place of its variables', and the buffers afterwards."""
        raise NotImplementedError

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Let every call of a layer go through `self.called(layer, original, args, kwargs)`."""
        raise NotImplementedError
        yield

    def heard(self, layer: Any, value: Any) -> Any:
        """An array of this layer's in torch's layout."""
        return value

    def said(self, layer: Any, value: Any) -> Any:
        """An array in torch's layout, in this layer's own."""
        return value

    # --- a side -------------------------------------------------------------------------------------------------------

    def state(self) -> Numbers:
        return {name: self.read(variable) for name, variable in self.variables().items()}

    def load(self, name: str, value: np.ndarray) -> None:
        self.write(self.variables()[name], np.array(value))

    def parameter_names(self) -> list[str]:
        return [name for name in self.variables() if not self.is_buffer(name)]

    def snapshot(self) -> Any:
        return {n: np.array(self.read(v)) for n, v in self.variables().items() if self.is_buffer(n)}

    def restore(self, snapshot: Any) -> None:
        for name, value in snapshot.items():
            self.load(name, value)

    def can_backward(self) -> bool:
        return self.ops.differentiates and (self.loss is None or hasattr(self.loss, "backward"))

    def run(self, given, target, training, seed, cotangent, probe=None, wanted=(), sink=None):
        self.seed(seed)
        numbers: Numbers = {}

        def ends(output: Any) -> Any:
            """The numbers at the end, and the cotangents of the model's own floating outputs."""
            if self.loss is None:
                numbers.update(named_outputs(output))
                names = [n for n, y in named_numbers("output", output).items() if is_float(np.asarray(y))]
                return None if cotangent is None else [cotangent(n, numbers[n].shape) for n in names]
            numbers.update(named_outputs(output, "prediction"))
            numbers["output"] = np.asarray(self.loss.forward(output, arrays(target)))
            if cotangent is None:
                return None
            return floats(np.asarray(self.loss.backward(cotangent("output", numbers["output"].shape))))

        gradients, buffers = self._compute(self.model, ROOT, given, training, ends, probe, set(wanted))
        for name, value in buffers.items():
            self.load(name, value)
        return numbers | gradients | {f"buffer {n}": v for n, v in self.state().items() if self.is_buffer(n)}

    def local(self, name, args, kwargs, dys, training, seed):
        self.seed(seed)
        layer, numbers = self.modules[name], {}

        def ends(output: Any) -> Any:
            numbers.update(named_outputs(output))
            return None if dys is None else [dys[i] if i < len(dys) else None for i in range(len(floats(output)))]

        own = self.own_name(layer)
        dot = f"{own}." if own else ""
        wanted = {n for n in self.parameter_names() if n.startswith(dot)}
        gradients, buffers = self._compute(layer, own, Given(args, kwargs), training, ends, None, wanted)
        gradients = {w.replace(f"grad {dot}", "grad ", 1) if not w.startswith("grad input") else w: g
                     for w, g in gradients.items()}  # fmt: skip
        state = {n: v for n, v in self.state().items() if self.is_buffer(n)} | buffers
        return numbers | gradients | {f"buffer {n[len(dot) :]}": v for n, v in state.items() if n.startswith(dot)}

    def own_name(self, layer: Any) -> str:
        """The name that a layer has on its own side."""
        raise NotImplementedError

    def _compute(
        self, layer: Any, name: str, given: Given, training: bool, ends: Any, probe: Probe | None, wanted: set[str]
    ) -> tuple[Numbers, Numbers]:
        """Gradients by name, and the buffers afterwards; `ends` is told the output and says its cotangents."""
        ops = self.ops
        given = map_nest(lambda x: self.said(layer, x), arrays(given))
        native = map_nest(lambda x: ops.tensor(x) if isinstance(x, np.ndarray | np.generic) else x, given)
        places = [i for i, x in enumerate(_leaves(given)) if is_float(x)]
        names = sorted(wanted) if ops.differentiates else []
        variables = self.variables()
        leaves = [_leaves(native)[i] for i in places] + [ops.tensor(self.read(variables[n])) for n in names]

        def function(xs: list[Any]) -> tuple[list[Any], Any]:
            inputs = dict(zip(places, xs, strict=False))
            count = iter(range(len(_leaves(native))))
            filled = map_nest(lambda x: inputs.get(next(count), x), native)
            values = dict(zip(names, xs[len(places) :], strict=True))
            with self._watched(probe):
                output, buffers = self.call(layer, values, filled, training)
            plain = map_nest(ops.array, output)
            kept = {n: np.array(ops.array(b)) for n, b in buffers.items()}
            return [y for y in _leaves(output) if _floating(ops, y)], (plain, kept)

        told: dict[str, Any] = {}

        def cotangents(_: list[np.ndarray]) -> list[Any] | None:
            dys = ends(map_nest(lambda y: self.heard(layer, y), told["output"]))
            return None if dys is None else [None if d is None else self.said(layer, np.asarray(d)) for d in dys]

        def noted(xs: list[Any]) -> tuple[list[Any], Any]:
            outputs, aside = function(xs)
            told["output"] = aside[0]
            return outputs, aside

        (_, buffers), gradients = ops.vjp(noted, leaves, cotangents)
        numbers = {numbered("grad input", i): np.array(self.heard(layer, g)) for i, g in
                   enumerate(gradients[: len(places)])}  # fmt: skip
        numbers |= {f"grad {n}": np.array(g) for n, g in zip(names, gradients[len(places) :], strict=False)}
        return numbers, buffers

    # --- watching -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _watched(self, probe: Probe | None) -> Iterator[None]:
        if probe is None:
            yield
            return
        self._probe, self._calls = probe, {}
        self._names = {id(layer): name for name, layer in self.modules.items()}
        try:
            with self.watching():
                yield
        finally:
            self._probe = None

    def called(self, layer: Any, original: Any, args: Any, kwargs: Any) -> Any:
        """A call of a layer, watched: the probe hears of it, and may put its own outputs in place of the layer's."""
        name, ops = self._names.get(id(layer)), self.ops
        try:
            told = {k: v for k, v in kwargs.items() if k != "training" and v is not None}  # such as no mask
            plain = map_nest(ops.array, (args, told))
        except HiddenError:  # what holds it is watched
            name = None
        if name is None or self._probe is None:
            return original(layer, *args, **kwargs)
        key = name, self._calls.get(name, 0)
        self._calls[name] = key[1] + 1
        probe = _Hearing(self._probe, self, layer)
        xs = [x for x in _leaves((args, kwargs)) if _floating(ops, x)]
        probe.enter(key)
        outputs = probe.stand_in(key, plain[0], plain[1])
        if outputs is not None:
            return self._replaced(name, ops.stand_in(probe, key, floats(outputs), xs), outputs)
        args, kwargs = _refill((args, kwargs), ops.tap(xs, lambda i, g: probe.gradient(key, i, g)), ops)
        output = original(layer, *args, **kwargs)
        probe.forward(key, plain[0], plain[1], map_nest(ops.array, output))
        self._outputs[name] = map_nest(lambda y: ABSENT if _floating(ops, y) else y, output)
        ys = [y for y in _leaves(output) if _floating(ops, y)]
        return _refill(output, ops.tap(ys, lambda i, g: probe.cotangent(key, i, g)), ops)

    def _replaced(self, name: str, values: list[Any], outputs: Any) -> Any:
        """A replaced layer's outputs in the nest that it gives itself: torch's may give more, as its LSTM does."""
        left = iter(values)
        if name in self._outputs:
            return map_nest(lambda y: next(left) if y is ABSENT else y, self._outputs[name])
        return map_nest(lambda y: next(left) if is_float(y) else self._native(y), outputs)

    def _native(self, value: Any) -> Any:
        return self.ops.tensor(value) if isinstance(value, np.ndarray | np.generic) else value


class _Hearing(Probe):
    """A probe that hears a layer's numbers in torch's layout, and whose own are said in the layer's."""

    def __init__(self, probe: Probe, side: WatchedSide, layer: Any) -> None:
        self.probe, self.side, self.layer = probe, side, layer

    def _heard(self, nest: Any) -> Any:
        return map_nest(lambda x: self.side.heard(self.layer, x), nest)

    def _said(self, nest: Any) -> Any:
        return map_nest(lambda x: self.side.said(self.layer, x), nest)

    def enter(self, key: Key, around: tuple[str, ...] = ()) -> None:
        self.probe.enter(key, around)

    def stand_in(self, key: Key, args: Any, kwargs: Any) -> Any:
        outputs = self.probe.stand_in(key, self._heard(args), self._heard(kwargs))
        return None if outputs is None else self._said(arrays(outputs))

    def forward(self, key: Key, args: Any, kwargs: Any, output: Any) -> None:
        self.probe.forward(key, self._heard(args), self._heard(kwargs), self._heard(output))

    def cotangent(self, key: Key, number: int, dy: np.ndarray) -> None:
        self.probe.cotangent(key, number, self.side.heard(self.layer, dy))

    def gradient(self, key: Key, number: int, dx: np.ndarray) -> None:
        self.probe.gradient(key, number, self.side.heard(self.layer, dx))

    def stand_in_gradients(self, key: Key) -> list[np.ndarray | None]:
        return [None if g is None else self.side.said(self.layer, g) for g in self.probe.stand_in_gradients(key)]


def _floating(ops: Ops, value: Any) -> bool:
    return ops.is_tensor(value) and is_float(np.empty(0, ops.array(value).dtype))


def _leaves(nest: Any) -> list[Any]:
    found: list[Any] = []
    map_nest(found.append, nest)
    return found


def _refill(nest: Any, values: list[Any], ops: Ops) -> Any:
    left = iter(values)
    return map_nest(lambda x: next(left) if _floating(ops, x) else x, nest)
