"""A scratch Module, or any object whose forward takes and gives NumPy arrays, as a side."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import scratch
from parity_tests.checks.sides import Numbers
from parity_tests.comparer.objects import slots, walk
from parity_tests.comparer.side import LOSS, Key, Side, named_outputs
from parity_tests.comparer.values import cast, fill, floats, is_float, leaves
from parity_tests.nests import map_nest, numbered


class ArraySide(Side):
    """A scratch Module or any object whose forward takes and gives NumPy arrays."""

    def __init__(self, model: Any, loss: Any = None) -> None:
        super().__init__(model, loss)
        self.engine = "scratch" if isinstance(model, scratch.nn.Module) else "object"
        self.modules = dict(walk(model))
        if loss is not None and hasattr(loss, "forward"):
            self.modules[LOSS] = loss
        self.slots = {name: slot for path, module in walk(model) for name, slot in slots(path, module)}
        self.nests: dict[Key, Any] = {}  # how each call's backward lays its gradients out
        self.local_nests: dict[str, Any] = {}

    def state(self) -> Numbers:
        return {name: slot.value() for name, slot in self.slots.items()}

    def load(self, name: str, value: np.ndarray) -> None:
        slot = self.slots[name]
        own = slot.value()
        own[...] = value

    def parameter_names(self) -> list[str]:
        return [name for name, slot in self.slots.items() if not slot.buffer]

    def train(self, mode: bool) -> None:
        train(self.model, mode)

    def can_backward(self) -> bool:
        return hasattr(self.model, "backward")

    def double(self) -> ArraySide | None:
        try:
            twin = ArraySide(copy.deepcopy(self.model), copy.deepcopy(self.loss))
            for slot in twin.slots.values():
                slot.cast(np.float64)
        except Exception:
            return None
        return twin

    def run(self, inputs, target, training, seed, cotangent, probe=None, wanted=()):
        self.train(training)
        self.seed(seed)
        for slot in self.slots.values():
            slot.clear()
        if hasattr(self.model, "zero_grad"):
            self.model.zero_grad()
        with self._probed(probe), quiet():
            output = call(self.model, *inputs)
            prediction = output
            if self.loss is not None:
                output = call(self.loss, output, target)
            numbers = named_outputs(output)
            if cotangent is not None and self.can_backward():
                dys = [cotangent(i, np.shape(y)) for i, y in enumerate(floats(output))]
                if self.loss is not None:
                    prediction_gradient = (
                        self.loss.backward(*dys) if _takes_cotangent(self.loss) else self.loss.backward()
                    )
                    dx = self.model.backward(*_as_arguments(prediction, prediction_gradient))
                else:
                    dy = fill(
                        output, iter(cast(dy, np.asarray(y).dtype) for dy, y in zip(dys, floats(output), strict=True))
                    )
                    dx = self.model.backward(*_as_arguments(output, dy))
                numbers |= input_gradients(dx, inputs)
                given = ((n, slot.gradient()) for n, slot in self.slots.items() if n in wanted)
                numbers |= {f"grad {n}": g for n, g in given if g is not None}
        return numbers | {f"buffer {name}": np.array(slot.value()) for name, slot in self.slots.items() if slot.buffer}

    def local(self, name, args, kwargs, dys, training, seed):
        module = self.modules[name]
        below = list(walk(module))
        own = {n: slot for path, part in below for n, slot in slots(path, part)}
        before = [(part, _snapshot(part)) for _, part in below]
        train(module, training)
        self.seed(seed)
        for slot in own.values():
            slot.clear()
        try:
            with quiet():
                output = call(module, *args, **kwargs)
                numbers = named_outputs(output)
                if dys is not None and hasattr(module, "backward"):
                    values = iter(
                        cast(np.zeros_like(y) if dy is None else dy, np.asarray(y).dtype)
                        for dy, y in zip(dys, floats(output), strict=False)
                    )
                    dy = fill(output, values)
                    scalar = name == LOSS and not _takes_cotangent(module)
                    dx = module.backward() if scalar else module.backward(*_as_arguments(output, dy))
                    numbers |= input_gradients(dx, args)
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
                open_calls.append((key, args, True))
                return map_nest(lambda y: np.array(y) if isinstance(y, np.ndarray) else y, outputs)
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


def _snapshot(part: Any) -> dict[str, Any]:
    """Attributes, and copies of the arrays among them: what a forward may change in place."""
    return {key: (value, value.copy() if isinstance(value, np.ndarray) else None) for key, value in vars(part).items()}


def _restore(part: Any, saved: dict[str, Any]) -> None:
    vars(part).clear()
    for key, (value, copied) in saved.items():
        vars(part)[key] = value
        if copied is not None and value.flags.writeable:
            value[...] = copied
