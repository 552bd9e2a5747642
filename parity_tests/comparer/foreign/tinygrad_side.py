"""A tinygrad model as a side: the calls of its layers, on the graph that tinygrad keeps until a number is read.

Names are those of a state_dict, which are torch's. Gradients of what goes into layers and comes out of them are those
of zeros that are added there; a layer that is replaced gives constants, and hands its gradients back through a sum that
is added to what is differentiated.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np
from tinygrad import Tensor, dtypes, nn
from tinygrad.helpers import Context

from parity_tests.comparer.foreign.implied import Implied
from parity_tests.comparer.foreign.ops import Cotangents, Function, Ops
from parity_tests.comparer.foreign.watched import WatchedSide
from parity_tests.comparer.side import ROOT, Given, Key, Probe, Side


def side(model: Any, given: Given, loss: Any = None) -> Side:
    return TinygradSide(model, loss)


class TinyOps(Ops):
    differentiates = True

    def __init__(self) -> None:
        self._taps: list[tuple[Tensor, Callable[[np.ndarray], None]]] = []
        self._sums: list[Callable[[], Tensor | None]] = []

    def tensor(self, value: Any) -> Any:
        return Tensor(np.ascontiguousarray(value)).realize()

    def array(self, value: Any) -> Any:
        return value.numpy() if isinstance(value, Tensor) else value

    def is_tensor(self, value: Any) -> bool:
        return isinstance(value, Tensor)

    def tap(self, xs: list[Any], told: Callable[[int, np.ndarray], None]) -> list[Any]:
        return [self._added(x, partial(told, i)) for i, x in enumerate(xs)]

    def _added(self, x: Tensor, told: Callable[[np.ndarray], None]) -> Tensor:
        zeros = self.tensor(np.zeros(x.shape, np.float32))
        self._taps.append((zeros, told))
        return x + zeros

    def stand_in(self, probe: Probe, key: Key, outputs: list[np.ndarray], xs: list[Any]) -> list[Any]:
        def given_back() -> Tensor | None:
            pairs = zip(xs, probe.stand_in_gradients(key), strict=False)
            sums = [(x * self.tensor(g)).sum() for x, g in pairs if g is not None and np.shape(g) == tuple(x.shape)]
            return sum(sums[1:], start=sums[0]) if sums else None

        self._sums.append(given_back)
        ys = [self.tensor(y) for y in outputs]
        return [self._added(y, partial(probe.cotangent, key, i)) for i, y in enumerate(ys)]

    def vjp(self, function: Function, xs: list[Any], cotangents: Cotangents) -> tuple[Any, list[np.ndarray]]:
        self._taps, self._sums = [], []
        outputs, aside = function(xs)
        dys = cotangents([y.numpy() for y in outputs])
        if dys is None:
            return aside, []
        sums = [(y * self.tensor(dy)).sum() for y, dy in zip(outputs, dys, strict=True) if dy is not None]
        sums += [found for made in self._sums if (found := made()) is not None]
        targets = [*xs, *(zeros for zeros, _ in self._taps)]
        if not sums or not targets:
            return aside, [np.zeros(x.shape, np.float32) for x in xs]
        found = sum(sums[1:], start=sums[0]).gradient(*targets)
        Tensor.realize(*found)
        for (_, told), gradient in reversed([*zip(self._taps, found[len(xs) :], strict=True)]):
            told(gradient.numpy())
        return aside, [gradient.numpy() for gradient in found[: len(xs)]]


class TinygradSide(WatchedSide):
    framework = "tinygrad"

    def __init__(self, model: Any, loss: Any = None) -> None:
        super().__init__(model, loss)
        self.ops = TinyOps()
        self.modules = dict(_layers(model))
        self._own = {id(layer): name for name, layer in reversed(self.modules.items())}
        tensors = nn.state.get_state_dict(model)
        self._variables = {name: t for name, t in tensors.items() if dtypes.is_float(t.dtype)}

    def parameter_map(self, other: Side, given: Given) -> Any:
        """Names are torch's. An attention of one's own takes one input where torch's takes three: it is not watched."""
        alike = {n for n, module in other.modules.items() if type(module).__name__ == "MultiheadAttention"}
        hidden = {n for n, layer in self.modules.items() if n in alike and _takes(layer) < 3}
        return Implied(hidden=hidden) if hidden else None

    def variables(self) -> dict[str, Any]:
        return self._variables

    def read(self, variable: Any) -> np.ndarray:
        return np.asarray(variable.numpy())

    def write(self, variable: Any, value: np.ndarray) -> None:
        variable.replace(self.ops.tensor(value))

    def is_buffer(self, name: str) -> bool:
        return name.rpartition(".")[2].startswith("running_")

    def own_name(self, layer: Any) -> str:
        return self._own.get(id(layer), ROOT)

    def call(self, layer: Any, values: dict[str, Any], given: Given, training: bool) -> tuple[Any, dict[str, Any]]:
        variables = self.variables()
        before = {name: variables[name].uop for name in variables}
        copies = {name: self.ops.tensor(self.read(t)) for name, t in variables.items() if self.is_buffer(name)}
        for name, value in (copies | values).items():  # a layer writes into the memory of its buffers
            variables[name].replace(value)
        try:
            with Context(TRAINING=int(training)):
                output = layer(*given.args, **given.kwargs)
            buffers = {n: self.ops.tensor(t.numpy()) for n, t in variables.items() if self.is_buffer(n)}
        finally:
            for name, uop in before.items():
                variables[name].uop = uop
        return output, buffers

    @contextmanager
    def watching(self) -> Iterator[None]:
        with ExitStack() as stack:
            for kind in {type(layer) for layer in self.modules.values() if not isinstance(layer, Tensor)}:
                if "__call__" in vars(kind):
                    stack.enter_context(self._calls_of(kind))
            yield

    @contextmanager
    def _calls_of(self, kind: Any) -> Iterator[None]:
        original = kind.__call__
        kind.__call__ = lambda layer, *args, **kwargs: self.called(layer, original, args, kwargs)
        try:
            yield
        finally:
            kind.__call__ = original


def _takes(layer: Any) -> int:
    """How many inputs it must be given."""
    found = inspect.signature(layer).parameters.values()
    return sum(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in found)


def _layers(layer: Any, path: str = ROOT, seen: set[int] | None = None) -> Iterator[tuple[str, Any]]:
    """The objects that are called, by dotted name; lists and dicts count as levels."""
    seen = set() if seen is None else seen
    if id(layer) in seen or isinstance(layer, Tensor | str | bytes | np.ndarray):
        return
    seen.add(id(layer))
    if callable(layer) and hasattr(layer, "__dict__") and not isinstance(layer, type):
        yield path, layer
    below = layer if isinstance(layer, dict) else dict(enumerate(layer)) if isinstance(layer, list | tuple) else {}
    for name, part in (below or getattr(layer, "__dict__", {})).items():
        if not callable(part) or type(part).__call__ is not type(lambda: 0).__call__:
            yield from _layers(part, f"{path}.{name}" if path else str(name), seen)
