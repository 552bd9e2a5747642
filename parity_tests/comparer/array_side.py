"""A scratch Module, or any object whose forward takes and gives NumPy arrays, as a side."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import scratch
from parity_tests.comparer.nests import leaves, map_nest, packed_for
from parity_tests.comparer.objects import slots, walk
from parity_tests.comparer.side import LOSS, ROOT, Given, Key, Probe, Side
from parity_tests.comparer.stand_in import overwrite
from parity_tests.comparer.values import Numbers, arrays, copied, floats, is_float, named_numbers, named_outputs
from parity_tests.nests import numbered


class ArraySide(Side):
    """A scratch Module or any object whose forward takes and gives NumPy arrays."""

    def __init__(self, model: Any, loss: Any = None) -> None:
        super().__init__(model, loss)
        self.engine = "scratch" if isinstance(model, scratch.nn.Module) else "object"
        self.modules = dict(walk(model))
        if loss is not None and hasattr(loss, "forward"):
            self.modules[LOSS] = loss
        self.find_slots()
        self.nests: dict[Key, Any] = {}  # how each call's backward lays its gradients out
        self.local_nests: dict[str, Any] = {}

    def find_slots(self) -> None:
        """The arrays that the model has now: some make them at their first forward."""
        self.slots = {name: slot for path, module in walk(self.model) for name, slot in slots(path, module)}

    def state(self) -> Numbers:
        return {name: slot.value() for name, slot in self.slots.items()}

    def load(self, name: str, value: np.ndarray) -> None:
        slot = self.slots[name]
        own = slot.value()
        own[...] = value

    def parameter_names(self) -> list[str]:
        return [name for name, slot in self.slots.items() if not slot.buffer]

    def has_gradient(self, name: str) -> bool:
        return self.slots[name].gradient() is not None

    def train(self, mode: bool) -> None:
        if not self.fixed_mode():
            train(self.model, mode)

    def fixed_mode(self) -> bool:
        return self.frozen

    def can_backward(self) -> bool:
        return hasattr(self.model, "backward") and (self.loss is None or hasattr(self.loss, "backward"))

    def snapshot(self) -> Any:
        fixed = {id(slot.value()) for slot in self.slots.values() if not slot.buffer}
        parts = [(part, _snapshot(part, fixed)) for _, part in walk(self.model) if hasattr(part, "__dict__")]
        holders = [slot.holder() for slot in self.slots.values()]
        return parts, [(holder, holder.grad) for holder in holders if hasattr(holder, "grad")]

    def restore(self, snapshot: Any) -> None:
        parts, gradients = snapshot
        for part, saved in parts:
            _restore(part, saved)
        for holder, gradient in gradients:
            holder.grad = gradient

    def double(self, dtype: Any = np.float64) -> ArraySide:
        twin = ArraySide(copy.deepcopy(self.model), copy.deepcopy(self.loss))
        for slot in twin.slots.values():
            slot.cast(dtype)
        return twin

    def run(self, given, target, training, seed, cotangent, probe=None, wanted=(), sink=None):
        self.train(training)
        self.seed(seed)
        for slot in self.slots.values():
            slot.clear()
        if hasattr(self.model, "zero_grad"):
            self.model.zero_grad()
        given = packed_for("scratch", copied(arrays(given)))
        with self._probed(probe), quiet():
            output = self._whole(probe, given)
            prediction = output
            numbers: Numbers = {}
            if self.loss is not None:
                numbers |= named_outputs(output, "prediction")
                output = call(self.loss, output, arrays(target))
            numbers |= named_outputs(output)
            if cotangent is not None and self.can_backward():
                names = {n: y for n, y in named_numbers("output", output).items() if is_float(y)}
                dys = [cotangent(n, np.shape(y)) for n, y in names.items()]
                if self.loss is not None:
                    dy = self.loss.backward(*dys) if _takes_cotangent(self.loss) else self.loss.backward()
                    dx = self.model.backward(*_as_arguments(prediction, dy))
                else:
                    dy = _filled(output, dys)
                    dx = self.model.backward(*_as_arguments(output, dy))
                numbers |= input_gradients(dx, given)
                found = ((n, slot.gradient()) for n, slot in self.slots.items() if n in wanted)
                numbers |= {f"grad {n}": g for n, g in found if g is not None}
        return numbers | {f"buffer {name}": np.array(slot.value()) for name, slot in self.slots.items() if slot.buffer}

    def _whole(self, probe: Probe | None, given: Given) -> Any:
        """The model's output. A model that is called without a forward reports the whole to the probe."""
        watched = hasattr(self.model, "forward") and hasattr(self.model, "__dict__")
        if probe is None or watched:
            return call(self.model, *given.args, **given.kwargs)
        probe.enter((ROOT, 0))
        probe.stand_in((ROOT, 0), given.args, given.kwargs)
        output = call(self.model, *given.args, **given.kwargs)
        probe.forward((ROOT, 0), given.args, given.kwargs, output)
        return output

    def local(self, name, args, kwargs, dys, training, seed):
        module = self.modules[name]
        below = list(walk(module))
        own = {n: slot for path, part in below for n, slot in slots(path, part)}
        before = [(part, _snapshot(part)) for _, part in below if hasattr(part, "__dict__")]
        if not self.fixed_mode():
            train(module, training)
        self.seed(seed)
        for slot in own.values():
            slot.clear()
        args, kwargs = packed_for("scratch", copied(arrays((args, kwargs))))
        try:
            with quiet():
                output = call(module, *args, **kwargs)
                numbers = named_outputs(output)
                if dys is not None and hasattr(module, "backward"):
                    scalar = name == LOSS and not _takes_cotangent(module)
                    dy = () if scalar else _as_arguments(output, _filled(output, dys))
                    numbers |= input_gradients(module.backward(*dy), (args, kwargs))
                    numbers |= {f"grad {n}": g for n, slot in own.items() if (g := slot.gradient()) is not None}
            return numbers | {f"buffer {n}": np.array(slot.value()) for n, slot in own.items() if slot.buffer}
        finally:
            for part, saved in before:
                _restore(part, saved)

    def _wrap(self, name, module, probe, calls):
        forward_, backward_ = module.forward, getattr(module, "backward", None)
        open_calls: list[tuple[Key, Any, bool]] = []

        def forward(*args: Any, **kwargs: Any) -> Any:
            key = name, calls.get(name, 0)
            calls[name] = key[1] + 1
            probe.enter(key)
            outputs = probe.stand_in(key, args, kwargs)
            if outputs is not None:
                overwrite((args, kwargs), probe.written(key))
                open_calls.append((key, args, True))
                return packed_for("scratch", copied(arrays(outputs)))
            y = forward_(*args, **kwargs)
            probe.forward(key, args, kwargs, y)
            open_calls.append((key, args, False))
            return y

        def backward(*dys: Any) -> Any:
            key, args, stood_in = open_calls.pop() if open_calls else ((name, 0), (), False)
            for i, dy in enumerate(_in_order(dys)):
                if is_float(dy):
                    probe.cotangent(key, i, dy)
            if stood_in:
                given = probe.stand_in_gradients(key)
                return _laid_out(given, args, self.nests.get(key))
            assert backward_ is not None
            dx = backward_(*dys)
            self.nests[key] = map_nest(lambda g: g is not None, dx)
            for i, g in enumerate(_in_order(dx)):
                if is_float(g):
                    probe.gradient(key, i, g)
            return dx

        vars(module)["forward"] = forward
        if backward_ is not None:
            vars(module)["backward"] = backward


def train(model: Any, mode: bool) -> None:
    switch = getattr(model, "train", None)
    if isinstance(model, scratch.nn.Module) or (callable(switch) and inspect.signature(switch).parameters):
        model.train(mode)
        return
    for _, part in walk(model):
        if isinstance(getattr(part, "training", None), bool):
            part.training = mode


def call(model: Any, *inputs: Any, **options: Any) -> Any:
    """The model's output: by forward where it has one, else by calling it."""
    if hasattr(model, "forward") and not isinstance(model, scratch.nn.Module):
        return model.forward(*inputs, **options)
    return model(*inputs, **options)


def input_gradients(dx: Any, inputs: Any) -> Numbers:
    """One gradient per floating input, in order; None means zero."""
    found = iter(_in_order(dx))
    numbers = {}
    for i, x in enumerate(floats(inputs)):
        g = next(found, None)
        numbers[numbered("grad input", i)] = np.zeros_like(x) if g is None else np.array(g)
    return numbers


@contextmanager
def quiet() -> Iterator[None]:
    """NaN and infinity are findings here, not NumPy warnings."""
    with np.errstate(all="ignore"):
        yield


def _in_order(nest: Any) -> list[Any]:
    return list(leaves(nest))


def _as_arguments(output: Any, dy: Any) -> tuple[Any, ...]:
    return tuple(dy) if isinstance(output, tuple | list) else (dy,)


def _takes_cotangent(loss: Any) -> bool:
    return isinstance(loss, scratch.nn.Module) or bool(inspect.signature(loss.backward).parameters)


def _laid_out(given: list[Any], args: Any, like: Any) -> Any:
    """Gradients in the nest that this layer's own backward uses."""
    values = iter(np.array(g) if g is not None else None for g in given)
    if like is not None:
        return map_nest(lambda _: next(values, None), like)
    parts = [map_nest(lambda _: next(values, None), arg) for arg in args if floats(arg)]
    return parts[0] if len(parts) == 1 else tuple(parts) if parts else None


def _filled(output: Any, dys: list[Any]) -> Any:
    """The cotangents in the nest of the output, zeros where there is none."""
    values = iter(dys)

    def one(y: Any) -> Any:
        dy = next(values, None)
        return np.zeros_like(y) if dy is None else np.asarray(dy).astype(np.asarray(y).dtype, copy=False)

    return map_nest(lambda y: one(y) if is_float(y) else y, output)


def _snapshot(part: Any, fixed: Collection[int] = ()) -> dict[str, Any]:
    """Attributes, and copies of the arrays and containers among them but `fixed` ones: what a forward may change."""
    return {key: (value, _contents(value, fixed)) for key, value in vars(part).items()}


def _contents(value: Any, fixed: Collection[int]) -> Any:
    if isinstance(value, np.ndarray):
        return None if id(value) in fixed else value.copy()
    if type(value) is list:
        return [(v, _contents(v, fixed)) for v in value]
    if type(value) is dict:
        return {k: (v, _contents(v, fixed)) for k, v in value.items()}
    return None


def _restore(part: Any, saved: dict[str, Any]) -> None:
    vars(part).clear()
    for key, (value, contents) in saved.items():
        vars(part)[key] = value
        _refill(value, contents)


def _refill(value: Any, contents: Any) -> None:
    if isinstance(value, np.ndarray) and contents is not None:
        if value.flags.writeable:
            value[...] = contents
    elif type(value) is list:
        value[:] = [v for v, _ in contents]
        for v, inner in contents:
            _refill(v, inner)
    elif type(value) is dict:
        value.clear()
        value.update({k: v for k, (v, _) in contents.items()})
        for v, inner in contents.values():
            _refill(v, inner)
