"""The sides of a comparison: a scratch Module, a torch Module, or any object with a forward, behind one interface.

Every layer is observed by the same means on all of them: its `forward` (and `backward`, where it has one) is wrapped on
the instance for the length of a run, and the Probe is told what goes in and out. A Probe may also stand in for a layer
and hand out values of its own: then what a layer receives depends on the code between the layers alone.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

import scratch
from parity_tests.comparer.values import array, arrays, cast, fill, floats, is_float, leaves, tensors
from parity_tests.sides import Numbers, map_nest, numbered

Key = tuple[str, int]  # a layer's dotted name, and which of its calls in one forward
LOSS = "loss"
ROOT = ""


class Probe:
    """What a run tells of each call of each layer. Gradients are numbered by floating leaf."""

    def enter(self, key: Key) -> None:
        """The call begins."""

    def stand_in(self, key: Key, args: Any, kwargs: Any) -> Any:
        """The outputs to use in place of the layer's, or None to let it compute."""
        return None

    def forward(self, key: Key, args: Any, kwargs: Any, output: Any) -> None:
        """The call has ended."""

    def cotangent(self, key: Key, number: int, dy: np.ndarray) -> None:
        """The gradient with respect to an output has arrived."""

    def gradient(self, key: Key, number: int, dx: np.ndarray) -> None:
        """The gradient with respect to an input has been computed."""

    def stand_in_gradients(self, key: Key) -> list[np.ndarray | None]:
        """The gradients of the floating inputs, for a call that the probe stood in for."""
        return []


Cotangent = Callable[[int, tuple[int, ...]], np.ndarray]


class Side:
    """One implementation. `modules` are its layers by dotted name, the loss among them, the whole under ''."""

    engine = "object"
    modules: dict[str, Any]

    def __init__(self, model: Any, loss: Any = None) -> None:
        self.model, self.loss = model, loss

    def state(self) -> Numbers:
        """Parameters and buffers by name: live arrays."""
        raise NotImplementedError

    def parameter_names(self) -> list[str]:
        raise NotImplementedError

    def seed(self, seed: int) -> None:
        seed_all(seed)

    def train(self, mode: bool) -> None:
        """Training or eval mode, where there is such a thing."""

    def double(self) -> Side | None:
        """The same in float64, or None where that cannot be made."""
        raise NotImplementedError

    def run(
        self,
        inputs: tuple[Any, ...],
        target: Any,
        training: bool,
        seed: int,
        cotangent: Cotangent | None,
        probe: Probe | None = None,
        wanted: Collection[str] = (),
    ) -> Numbers:
        """Forward, and with a cotangent backward: output, grad input, buffer NAME, and grad NAME where it is wanted."""
        raise NotImplementedError

    def local(self, name: str, args: Any, kwargs: Any, dys: list[Any] | None, training: bool, seed: int) -> Numbers:
        """One layer alone on given inputs and cotangents. Its buffers end as they began."""
        raise NotImplementedError

    def can_backward(self) -> bool:
        return True

    @property
    def frozen(self) -> bool:
        """Whether its parameters are its own affair, as in an ONNX file."""
        return bool(getattr(self.model, "frozen", False))

    @contextmanager
    def _probed(self, probe: Probe | None) -> Iterator[None]:
        """Wrap the layers for the length of one run."""
        if probe is None:
            yield
            return
        wrapped = []
        calls: dict[str, int] = {}
        try:
            for name, module in self.modules.items():
                before = {key: vars(module)[key] for key in ("forward", "backward") if key in vars(module)}
                wrapped.append((module, before))
                self._wrap(name, module, probe, calls)
            yield
        finally:
            for module, before in wrapped:
                for key in ("forward", "backward"):
                    vars(module).pop(key, None)
                vars(module).update(before)

    def _wrap(self, name: str, module: Any, probe: Probe, calls: dict[str, int]) -> None:
        raise NotImplementedError


class TorchSide(Side):
    """A torch Module. Its backward is autograd's."""

    engine = "torch"

    def __init__(self, model: torch.nn.Module, loss: Any = None) -> None:
        super().__init__(model, loss)
        self.modules = dict(model.named_modules())
        if loss is not None and isinstance(loss, torch.nn.Module):
            self.modules[LOSS] = loss
        self.device = next((p.device for p in model.parameters()), torch.device("cpu"))

    def state(self) -> Numbers:
        return {name: array(tensor) for name, tensor in self.model.state_dict().items()}

    def load(self, name: str, value: np.ndarray) -> None:
        with torch.no_grad():
            self.model.state_dict()[name].copy_(torch.tensor(value))

    def parameter_names(self) -> list[str]:
        return [name for name, _ in self.model.named_parameters()]

    def train(self, mode: bool) -> None:
        self.model.train(mode)

    def double(self) -> TorchSide | None:
        loss = copy.deepcopy(self.loss).double() if isinstance(self.loss, torch.nn.Module) else self.loss
        return TorchSide(copy.deepcopy(self.model).double(), loss)

    def run(self, inputs, target, training, seed, cotangent, probe=None, wanted=()):  # type: ignore[no-untyped-def]
        self.train(training)
        self.seed(seed)
        xs = map_nest(_wants_gradient, tensors(inputs, self.device))
        with self._probed(probe), torch.enable_grad(), not_in_place(self.model):
            output = self.model(*xs)
            if self.loss is not None:
                output = self.loss(output, tensors(target, self.device))
            numbers = named_outputs(arrays(output))
            if cotangent is not None:
                sources = {numbered("grad input", i): x for i, x in enumerate(floats(xs))}
                sources |= {f"grad {n}": p for n, p in self.model.named_parameters() if p.requires_grad}
                unwanted = {f"grad {n}" for n, _ in self.model.named_parameters() if n not in wanted}
                numbers |= self._gradients(output, sources, cotangent, unwanted)
        return numbers | {f"buffer {name}": np.array(array(b)) for name, b in self.model.named_buffers()}

    def _gradients(
        self, output: Any, sources: dict[str, Any], cotangent: Cotangent, unwanted: Collection[str] = ()
    ) -> Numbers:
        """The gradients of the sources. Those unwanted are computed too, so that the backward pass reaches every layer."""
        pairs = [(y, cotangent(i, tuple(y.shape))) for i, y in enumerate(floats(output))]
        pairs = [(y, dy) for y, dy in pairs if y.requires_grad and dy is not None]
        if not pairs or not sources:
            return {name: np.zeros(tuple(x.shape), array(x).dtype) for name, x in sources.items() if name not in unwanted}
        dys = [torch.tensor(np.asarray(dy), dtype=y.dtype, device=y.device) for y, dy in pairs]
        found = torch.autograd.grad([y for y, _ in pairs], list(sources.values()), dys, allow_unused=True)
        return {
            name: array(torch.zeros_like(x) if dx is None else dx)
            for (name, x), dx in zip(sources.items(), found, strict=True)
            if name not in unwanted
        }

    def local(self, name, args, kwargs, dys, training, seed):  # type: ignore[no-untyped-def]
        module = self.modules[name]
        module.train(training)
        self.seed(seed)
        before = {n: b.clone() for n, b in module.named_buffers()}
        xs, options = map_nest(_wants_gradient, tensors(args, self.device)), tensors(kwargs, self.device)
        with torch.enable_grad(), not_in_place(module):
            output = module(*xs, **options)
            numbers = named_outputs(arrays(output))
            if dys is not None:
                sources = {numbered("grad input", i): x for i, x in enumerate(floats(xs))}
                sources |= {f"grad {n}": p for n, p in module.named_parameters() if p.requires_grad}
                numbers |= self._gradients(output, sources, lambda i, shape: dys[i] if i < len(dys) else None)
        numbers |= {f"buffer {n}": np.array(array(b)) for n, b in module.named_buffers()}
        with torch.no_grad():
            for n, b in module.named_buffers():
                b.copy_(before[n])
        return numbers

    def _wrap(self, name, module, probe, calls):  # type: ignore[no-untyped-def]
        original = module.forward

        def forward(*args: Any, **kwargs: Any) -> Any:
            key = name, calls.get(name, 0)
            calls[name] = key[1] + 1
            probe.enter(key)
            outputs = probe.stand_in(key, arrays(args), arrays(kwargs))
            if outputs is not None:
                return _stand_in(probe, key, outputs, args)
            alias = map_nest(lambda x: x.view_as(x) if is_float(x) and x.requires_grad else x, args)
            y = original(*alias, **kwargs)
            probe.forward(key, arrays(args), arrays(kwargs), arrays(y))
            for i, x in enumerate(floats(alias)):
                if x.requires_grad:
                    x.register_hook(lambda dx, i=i: probe.gradient(key, i, array(dx)))
            y = map_nest(lambda x: x.view_as(x) if is_float(x) and x.requires_grad else x, y)
            for i, out in enumerate(floats(y)):
                if out.requires_grad:
                    out.register_hook(lambda dy, i=i: probe.cotangent(key, i, array(dy)))
            return y

        vars(module)["forward"] = forward


class _StandIn(torch.autograd.Function):
    """A layer whose outputs and gradients are given."""

    @staticmethod
    def forward(ctx: Any, probe: Probe, key: Key, outputs: list[torch.Tensor], *inputs: Any) -> Any:
        ctx.probe, ctx.key, ctx.count = probe, key, len(inputs) - 1
        return tuple(y.clone() for y in outputs)

    @staticmethod
    def backward(ctx: Any, *dys: Any) -> Any:
        for i, dy in enumerate(dys):
            if dy is not None:
                ctx.probe.cotangent(ctx.key, i, array(dy))
        given = iter(tensors(ctx.probe.stand_in_gradients(ctx.key)))
        return None, None, None, None, *(next(given, None) for _ in range(ctx.count))


def _stand_in(probe: Probe, key: Key, outputs: Any, args: Any) -> Any:
    inputs = floats(args)
    given = [torch.as_tensor(np.array(y)) for y in floats(outputs)]
    root = torch.zeros((), requires_grad=True)  # without a floating input the outputs still ask for a gradient
    values = iter(_StandIn.apply(probe, key, given, root, *inputs) if given else ())
    return map_nest(lambda y: next(values) if is_float(y) else tensors(y), outputs)


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

    def run(self, inputs, target, training, seed, cotangent, probe=None, wanted=()):  # type: ignore[no-untyped-def]
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
                    prediction_gradient = self.loss.backward(*dys) if _takes_cotangent(self.loss) else self.loss.backward()
                    dx = self.model.backward(*_as_arguments(prediction, prediction_gradient))
                else:
                    dy = fill(output, iter(cast(dy, np.asarray(y).dtype) for dy, y in zip(dys, floats(output), strict=True)))
                    dx = self.model.backward(*_as_arguments(output, dy))
                numbers |= input_gradients(dx, inputs)
                given = ((n, slot.gradient()) for n, slot in self.slots.items() if n in wanted)
                numbers |= {f"grad {n}": g for n, g in given if g is not None}
        return numbers | {f"buffer {name}": np.array(slot.value()) for name, slot in self.slots.items() if slot.buffer}

    def local(self, name, args, kwargs, dys, training, seed):  # type: ignore[no-untyped-def]
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

    def _wrap(self, name, module, probe, calls):  # type: ignore[no-untyped-def]
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


# --- objects made of arrays -----------------------------------------------------------------------------------------------


class Slot:
    """An array of an object: where it is, and where its gradient will be."""

    def __init__(self, owner: Any, attribute: str, buffer: bool) -> None:
        self.owner, self.attribute, self.buffer = owner, attribute, buffer

    def _holder(self) -> Any:
        value = self.owner[self.attribute] if isinstance(self.owner, dict) else getattr(self.owner, self.attribute)
        return value

    def value(self) -> np.ndarray:
        holder = self._holder()
        return holder.data if hasattr(holder, "grad") else holder

    def cast(self, dtype: Any) -> None:
        holder = self._holder()
        value = self.value()
        if value.dtype.kind != "f":
            return
        if hasattr(holder, "grad"):
            holder.data = value.astype(dtype)
        elif isinstance(self.owner, dict):
            self.owner[self.attribute] = value.astype(dtype)
        else:
            setattr(self.owner, self.attribute, value.astype(dtype))

    def _gradient_places(self) -> Iterator[tuple[Any, str]]:
        owner, name = self.owner, self.attribute
        for table in ("grads", "gradients", "grad"):
            if isinstance(getattr(owner, table, None), dict):
                yield getattr(owner, table), name
        for spelled in (f"d{name}", f"grad_{name}", f"{name}_grad", f"d_{name}"):
            yield owner, spelled

    def clear(self) -> None:
        holder = self._holder()
        if hasattr(holder, "grad"):
            holder.grad = None
            return
        if self.buffer or isinstance(self.owner, dict):
            return
        for place, name in self._gradient_places():
            kept = place.get(name) if isinstance(place, dict) else vars(place).get(name)
            if isinstance(kept, np.ndarray):
                kept[...] = 0

    def gradient(self) -> np.ndarray | None:
        holder = self._holder()
        if hasattr(holder, "grad"):
            return np.zeros_like(holder.data) if holder.grad is None else np.array(holder.grad)
        if self.buffer or isinstance(self.owner, dict):
            return None
        for place, name in self._gradient_places():
            kept = place.get(name) if isinstance(place, dict) else vars(place).get(name)
            if kept is not None and np.shape(kept) == np.shape(self.value()):
                return np.array(kept)
        return None


def walk(obj: Any, path: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, Any]]:
    """An object and the objects with a forward below it, by dotted name; lists and dicts count as levels."""
    if isinstance(obj, scratch.nn.Module):
        yield from obj.named_modules(path)
        return
    seen = set() if seen is None else seen
    if id(obj) in seen:
        return
    seen.add(id(obj))
    yield path, obj
    for name, value in list(vars(obj).items()) if hasattr(obj, "__dict__") else []:
        yield from _walk_value(f"{path}.{name}" if path else name, value, seen)


def _walk_value(path: str, value: Any, seen: set[int]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list | tuple):
        for i, part in enumerate(value):
            yield from _walk_value(f"{path}.{i}", part, seen)
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _walk_value(f"{path}.{name}", part, seen)
    elif callable(getattr(value, "forward", None)) and not inspect.isclass(value) and hasattr(value, "__dict__"):
        yield from walk(value, path, seen)


def slots(path: str, module: Any) -> Iterator[tuple[str, Slot]]:
    """The arrays of one layer: Parameters, buffers, or, in a plain object, every floating array it was built with."""
    dot = f"{path}." if path else ""
    own = getattr(module, "parameters", None)
    if isinstance(own, dict):
        yield from ((f"{dot}{name}", Slot(own, name, False)) for name in own)
        return
    buffers = getattr(module, "_buffer_names", ())
    for name, value in list(vars(module).items()):
        if isinstance(value, scratch.nn.Parameter):
            yield f"{dot}{name}", Slot(module, name, False)
        elif isinstance(value, np.ndarray) and (name in buffers or not isinstance(module, scratch.nn.Module)):
            if not name.startswith("_") and not _is_gradient_name(name, module):
                running = name in buffers or name.startswith("running_") or value.dtype.kind != "f"
                yield f"{dot}{name}", Slot(module, name, running)


def _is_gradient_name(name: str, module: Any) -> bool:
    """dW beside W is the gradient of W."""
    bare = [name[1:], name.removeprefix("d_"), name.removeprefix("grad_"), name.removesuffix("_grad")]
    return any(other != name and isinstance(vars(module).get(other), np.ndarray) for other in bare)


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


def named_outputs(output: Any) -> Numbers:
    present = [y for y in leaves(output) if y is not None]
    return {numbered("output", i): np.asarray(y) for i, y in enumerate(present)}


@contextmanager
def quiet() -> Iterator[None]:
    """NaN and infinity are findings here, not NumPy warnings."""
    with np.errstate(all="ignore"):
        yield


@contextmanager
def not_in_place(model: torch.nn.Module) -> Iterator[None]:
    """What a layer was given must still be there when the other side is asked."""
    changed = [m for m in model.modules() if getattr(m, "inplace", False) is True]
    try:
        for m in changed:
            m.inplace = False  # type: ignore[assignment]
        yield
    finally:
        for m in changed:
            m.inplace = True  # type: ignore[assignment]


def seed_all(seed: int) -> None:
    """Every generator that a side may draw from. torch.manual_seed walks the stack each time, for devices not in use."""
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
    scratch.manual_seed(seed)
    np.random.seed(seed % 2**32)


def side_of(model: Any, loss: Any = None) -> Side:
    if isinstance(model, Side):
        return model
    if isinstance(model, torch.nn.Module):
        return TorchSide(model, loss)
    if callable(getattr(model, "forward", None)):
        return ArraySide(model, loss)
    raise TypeError(
        f"compare: a side is a scratch Module, a torch Module or an object with forward(x), got {type(model).__name__}."
    )


def _wants_gradient(x: Any) -> Any:
    return x.requires_grad_() if is_float(x) and isinstance(x, torch.Tensor) else x


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
