"""Functions with the parameters that they are called with: functools.partial(function, parameters)."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from parity_tests.comparer.foreign import pieces
from parity_tests.comparer.foreign.matching import Piece
from parity_tests.comparer.foreign.pullback import Evaluated, Gradients, Pull, PullbackSide
from parity_tests.comparer.nests import map_nest
from parity_tests.comparer.side import ROOT, Given, Probe
from parity_tests.comparer.values import Numbers, is_float

TRAINING = ("train", "training", "is_training")
EVALUATING = ("deterministic", "use_running_average", "inference", "eval_mode")
KERNELS = ("kernel", "weight", "weights", "w", "W", "scale")
BIASES = ("bias", "biases", "b")


def modes(function: Any, training: bool) -> dict[str, bool]:
    """The keywords by which a function is told its mode."""
    try:
        names = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}
    return {n: training for n in TRAINING if n in names} | {n: not training for n in EVALUATING if n in names}


class Held:
    """A function, and the arguments that a partial of it holds: the arrays in their pytrees are its parameters.

    Their names are dotted, from the keys and positions in the pytrees; if several arguments hold arrays, they begin
    with the argument's number or name.
    """

    def __init__(self, model: Any, is_array: Callable[[Any], bool]) -> None:
        partial = isinstance(model, functools.partial)
        self.function = model.func if partial else model
        parts: dict[Any, Any] = {**dict(enumerate(model.args)), **model.keywords} if partial else {}
        self.arguments = parts
        holding = [key for key, nest in parts.items() if any(True for _ in _named(nest, "", is_array))]
        self.prefixes = {key: str(key) if len(holding) > 1 else "" for key in holding}
        self.title = getattr(self.function, "__name__", type(self.function).__name__)
        self.is_array = is_array

    def values(self) -> Numbers:
        """The floating ones, by name."""
        found: Numbers = {}
        for key, prefix in self.prefixes.items():
            found |= {n: np.array(v) for n, v in _named(self.arguments[key], prefix, self.is_array)}
        return {name: value for name, value in found.items() if is_float(value)}

    def call(self, values: Mapping[str, Any], args: Any, kwargs: Any, training: bool) -> Any:
        """The output, with these values for the parameters."""
        own = {key: _filled(nest, self.prefixes[key], values) if key in self.prefixes else nest
               for key, nest in self.arguments.items()}  # fmt: skip
        first = [own.pop(key) for key in self.arguments if isinstance(key, int)]
        return self.function(*first, *args, **{**own, **modes(self.function, training), **kwargs})


def pieces_of_names(values: Numbers) -> list[Piece]:
    """Kernels and biases that lie beside each other, by their usual names; kernels are (..., in, out) if that fits."""
    groups: dict[str, dict[str, str]] = {}
    for name in values:
        path, _, own = name.rpartition(".")
        stem = own.rstrip("0123456789_")
        path, own = (f"{path}.{own[len(stem) :]}".strip("."), stem) if stem != own else (path, own)
        part = "weight" if own in KERNELS else "bias" if own in BIASES else ""
        if part:
            groups.setdefault(path, {})[part] = name
    return [_piece(path, parts, values[parts["weight"]].ndim) for path, parts in groups.items() if "weight" in parts]


def _piece(path: str, parts: dict[str, str], axes: int) -> Piece:
    weight, bias = parts["weight"], parts.get("bias", "")
    if axes == 2:  # of a square one the name says how it is stored
        forms: list[tuple[str, ...]] = [("transpose",), ()]
        return pieces.linear(path, weight, bias, *(forms[::-1] if weight.endswith("weight") else forms))
    if axes > 2:
        return pieces.conv(path, axes, weight, bias, pieces.kernel_moves(axes), ())
    return pieces.norm(path, (), {name: part for part, name in parts.items()})


def _parts(nest: Any) -> list[tuple[Any, Any]] | None:
    """The parts of a pytree by name, in the order in which they are written; None for a leaf."""
    if isinstance(nest, Mapping):
        return list(nest.items())
    if isinstance(nest, list | tuple):
        return list(zip(getattr(nest, "_fields", range(len(nest))), nest, strict=True))
    return None


def _below(path: str, name: Any) -> str:
    return f"{path}.{name}" if path else str(name)


def _named(nest: Any, path: str, is_array: Callable[[Any], bool]) -> Iterator[tuple[str, Any]]:
    """The arrays by dotted name."""
    parts = _parts(nest)
    if parts is None:
        if is_array(nest):
            yield path, nest
        return
    for name, part in parts:
        yield from _named(part, _below(path, name), is_array)


def _filled(nest: Any, path: str, values: Mapping[str, Any]) -> Any:
    """The pytree with these values for its arrays."""
    parts = _parts(nest)
    if parts is None:
        return values.get(path, nest)
    filled = [_filled(part, _below(path, name), values) for name, part in parts]
    if isinstance(nest, Mapping):
        return type(nest)(zip((name for name, _ in parts), filled, strict=True))  # type: ignore[call-arg]
    return type(nest)(*filled) if hasattr(nest, "_fields") else type(nest)(filled)


class HeldSide(PullbackSide):
    """A function with the parameters that it holds, in a framework that shows nothing within it.

    With kernels of images it is given images with their channels last, if it can be run so.
    """

    turned = False

    def __init__(self, model: Any, given: Given, loss: Any, is_array: Callable[[Any], bool]) -> None:
        super().__init__(model, loss)
        self.held = Held(model, is_array)
        self.values = self.held.values()
        self.title = self.held.title
        self.modules[ROOT] = model
        if any(value.ndim in (4, 5) for value in self.values.values()):
            for self.turned in (True, False):
                try:
                    self.evaluate(ROOT, given, False, 0, None)
                    break
                except Exception:
                    continue

    def own_modules(self) -> Mapping[str, Any]:
        return {ROOT: self.model}

    def pieces(self) -> list[Piece]:
        return pieces_of_names(self.values)

    def pulled(self, given: Given, training: bool) -> tuple[Any, Pull]:
        """The output, and the way back."""
        raise NotImplementedError

    def evaluate(self, name: str, given: Given, training: bool, seed: int, probe: Probe | None) -> Evaluated:
        first, last = (_first, _last) if self.turned else (_same, _same)
        output, back = self.pulled(Given(*map_nest(last, tuple(given))), training)

        def pull(dys: Gradients) -> tuple[Gradients, Numbers]:
            dxs, gradients = back([last(dy) for dy in dys])
            return [first(dx) for dx in dxs], gradients

        return Evaluated(map_nest(first, output), pull, {})


def _first(x: Any) -> Any:
    return np.moveaxis(x, -1, 1) if is_float(x) and np.ndim(x) in (4, 5) else x


def _last(x: Any) -> Any:
    return np.moveaxis(x, 1, -1) if is_float(x) and np.ndim(x) in (4, 5) else x


def _same(x: Any) -> Any:
    return x
