"""A torch Module as a side: autograd is its backward, tensor hooks tell of the gradients."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.utils.checkpoint

from parity_tests.comparer.nests import map_nest, packed_for
from parity_tests.comparer.side import LOSS, Cotangent, Probe, Side
from parity_tests.comparer.stand_in import overwrite, stand_in
from parity_tests.comparer.twin import computing_in, twin_of
from parity_tests.comparer.values import Numbers, array, floats, is_float, kept, named_numbers, named_outputs, tensors
from parity_tests.nests import numbered

CHECKPOINT = torch.utils.checkpoint.__file__
OWN = ("_parameters", "_buffers", "_modules")  # what a module does not keep as attributes


class TorchSide(Side):
    """A torch Module. Its backward is autograd's.

    `layers` is the module whose layers are watched, where `model` itself is a wrapper such as a compiled one.
    """

    engine = "torch"

    def __init__(self, model: torch.nn.Module, loss: Any = None, layers: torch.nn.Module | None = None) -> None:
        super().__init__(model, loss)
        self.layers = model if layers is None else layers
        self.modules = dict(self.layers.named_modules())
        if loss is not None and isinstance(loss, torch.nn.Module):
            self.modules[LOSS] = loss
        self.device = next((p.device for p in self.layers.parameters()), torch.device("cpu"))
        self.precision: torch.dtype | None = None  # that of a twin, in which everything is computed
        self.records = True  # whether gradients are recorded in a run
        self.eager = False  # whether compiled modules are run as they are without
        self._in_backward = False
        self._fixed = not _can_switch(self.layers)
        self._compiled = model is not self.layers or any(_impl(m) is not None for m in self.layers.modules())

    # --- state --------------------------------------------------------------------------------------------------------

    def state(self) -> Numbers:
        return {name: array(tensor) for name, tensor in self._tensors().items()}

    def _tensors(self, buffers: bool = True) -> dict[str, torch.Tensor]:
        """Parameters and saved buffers as in a state_dict, by the names of their modules: a hook may change those."""
        found: dict[str, torch.Tensor] = {}
        for path, module in self.layers.named_modules(remove_duplicate=False):
            dot = f"{path}." if path else ""
            saved = {n: b for n, b in module._buffers.items() if n not in module._non_persistent_buffers_set}
            own = {**module._parameters, **(saved if buffers else {})}
            found |= {f"{dot}{name}": tensor for name, tensor in own.items() if _is_tensor(tensor)}
        return found

    def load(self, name: str, value: np.ndarray) -> None:
        with torch.no_grad():
            self._tensors()[name].copy_(torch.tensor(value))

    def virtual(self) -> dict[str, list[str]]:
        found = {}
        for path, module in self.layers.named_modules():
            dot = f"{path}." if path else ""
            for name, parts in getattr(module, "parametrizations", {}).items():
                found[f"{dot}{name}"] = [f"{dot}parametrizations.{name}.{n}" for n, _ in parts.named_parameters()]
            own = module._parameters
            for name in (n.removesuffix("_g") for n in own if n.endswith("_g")):
                if f"{name}_v" in own and hasattr(module, name):
                    found[f"{dot}{name}"] = [f"{dot}{name}_g", f"{dot}{name}_v"]
        return found

    def load_virtual(self, name: str, value: np.ndarray) -> None:
        path, _, own = name.rpartition(".")
        module = self.layers.get_submodule(path)
        with torch.no_grad():
            if own in getattr(module, "parametrizations", {}):
                setattr(module, own, torch.tensor(value))
            else:
                g, v = getattr(module, f"{own}_g"), getattr(module, f"{own}_v")
                v.copy_(torch.tensor(value))
                kept = [d for d in range(v.ndim) if g.shape[d] == 1]
                g.copy_(torch.linalg.vector_norm(v, dim=kept, keepdim=True))

    def virtual_value(self, name: str) -> np.ndarray:
        path, _, own = name.rpartition(".")
        return np.array(array(getattr(self.layers.get_submodule(path), own)))

    def parameter_names(self) -> list[str]:
        return list({id(p): name for name, p in reversed([*self.all_parameters()])}.values())[::-1]

    def trainable(self) -> list[str]:
        asked = {name for name, parameter in self.all_parameters() if parameter.requires_grad}
        return [name for name in self.parameter_names() if name in asked]

    def all_parameters(self) -> Iterator[tuple[str, torch.Tensor]]:
        """By every name, where one has several."""
        return iter(self._tensors(buffers=False).items())

    def tied(self) -> list[list[str]]:
        """The names of each parameter that has several."""
        groups: dict[int, list[str]] = {}
        for name, parameter in self.all_parameters():
            groups.setdefault(id(parameter), []).append(name)
        return [names for names in groups.values() if len(names) > 1]

    def half(self) -> bool:
        return any(p.dtype in (torch.float16, torch.bfloat16) for p in self.layers.parameters())

    def train(self, mode: bool) -> None:
        if not self._fixed:
            self.layers.train(mode)
            if self.model is not self.layers:
                self.model.train(mode)

    def fixed_mode(self) -> bool:
        return self._fixed

    def snapshot(self) -> Any:
        parts = list(dict.fromkeys([*self.model.modules(), *self.layers.modules(), *_modules_of(self.loss)]))
        attributes = [({k: v for k, v in vars(m).items() if k not in OWN}, dict(m._buffers)) for m in parts]
        contents = [{n: b.detach().clone() for n, b in m._buffers.items() if b is not None} for m in parts]
        gradients = [(p, p.grad, p.requires_grad) for p in self.layers.parameters()]
        return parts, attributes, contents, gradients

    def restore(self, snapshot: Any) -> None:
        parts, attributes, contents, gradients = snapshot
        for module, (own, buffers), content in zip(parts, attributes, contents, strict=True):
            held = vars(module)
            for key in [key for key in held if key not in own and key not in OWN]:
                del held[key]
            held.update(own)
            module._buffers.clear()
            module._buffers.update(buffers)
            with torch.no_grad():
                for name, value in content.items():
                    module._buffers[name].copy_(value)
        for parameter, gradient, trainable in gradients:
            parameter.requires_grad_(trainable)
            parameter.grad = gradient

    def double(self, dtype: Any = np.float64) -> TorchSide:
        precision = torch.float64 if np.dtype(dtype) == np.float64 else torch.float32
        loss = twin_of(self.loss, precision) if isinstance(self.loss, torch.nn.Module) else self.loss
        twin = TorchSide(twin_of(self.layers, precision), loss)
        twin.precision, twin._fixed = precision, self._fixed
        return twin

    # --- running ------------------------------------------------------------------------------------------------------

    def run(self, given, target, training, seed, cotangent, probe=None, wanted=(), sink=None):
        self.train(training)
        self.seed(seed)
        model = self.model if probe is None and not self.eager else self.layers
        sources = packed_for("torch", tensors(given, self.device))
        sources = map_nest(_wants_gradient, sources) if self.records else sources
        xs = sources
        if probe is not None or not self._compiled:  # the model may write into what it is given
            xs = map_nest(lambda x: x.clone() if is_float(x) else x, sources)
        with (
            self._eager(probe),
            self._probed(probe),
            torch.set_grad_enabled(self.records),
            not_in_place(model, probe),
            computing_in(self.precision),
        ):
            output = model(*xs.args, **xs.kwargs)
            numbers: Numbers = {}
            if self.loss is not None:
                numbers |= named_outputs(output, "prediction")
                output = self.loss(output, tensors(target, self.device))
            numbers |= named_outputs(output)
            if cotangent is not None:
                named = {numbered("grad input", i): x for i, x in enumerate(floats(sources))}
                parameters = {f"grad {n}": p for n, p in self.all_parameters() if p.requires_grad}
                keep = set(named) | {f"grad {n}" for n in wanted}
                with self._emptied(sink, parameters, keep) as keep:
                    numbers |= self._gradients(output, named | parameters, cotangent, keep)
        return numbers | {f"buffer {name}": np.array(array(b)) for name, b in self.layers.named_buffers()}

    @contextmanager
    def _emptied(self, sink: Any, parameters: dict[str, Any], keep: set[str]) -> Iterator[set[str]]:
        """What is to be kept. Other gradients of parameters are dropped as soon as they are whole; a sink gets all."""
        names: dict[int, list[str]] = {}
        for name, parameter in parameters.items():
            names.setdefault(id(parameter), []).append(name)
        told: set[str] = set()

        def hand_over(parameter: torch.Tensor) -> None:
            for name in names[id(parameter)]:
                if sink is not None and name in keep:
                    told.add(name)
                    sink(name, array(parameter.grad))
            parameter.grad = None

        dropped = {id(p): p for name, p in parameters.items() if sink is not None or name not in keep}
        kept_ids = {id(p) for name, p in parameters.items() if sink is None and name in keep}
        hooks = [p.register_post_accumulate_grad_hook(hand_over) for i, p in dropped.items() if i not in kept_ids]
        try:
            yield keep if sink is None else keep - set(parameters)
        finally:
            for hook in hooks:
                hook.remove()
        for name, parameter in parameters.items():
            if sink is not None and name in keep - told:
                sink(name, np.zeros(tuple(parameter.shape), array(parameter).dtype))

    def _gradients(self, output: Any, sources: dict[str, Any], cotangent: Cotangent, keep: set[str]) -> Numbers:
        """The gradients of the sources. Those not kept are computed too, so that backward reaches every layer."""
        pairs = [(y, _cotangent(cotangent, n, y)) for n, y in named_numbers("output", output).items()
                 if is_float(y) and isinstance(y, torch.Tensor)]  # fmt: skip
        pairs = [(y, dy) for y, dy in pairs if y.requires_grad and dy is not None]
        before = {name: x.grad for name, x in sources.items()}
        for x in sources.values():
            x.grad = None
        self._in_backward = True
        try:
            if pairs:
                torch.autograd.backward([y for y, _ in pairs], [dy for _, dy in pairs])
            return {name: array(torch.zeros_like(x) if x.grad is None else x.grad)
                    for name, x in sources.items() if name in keep}  # fmt: skip
        finally:
            self._in_backward = False
            for name, x in sources.items():
                x.grad = before[name]

    def local(self, name, args, kwargs, dys, training, seed):
        module = self.modules[name]
        self.seed(seed)
        buffers = {n: (b, b.clone()) for n, b in module.named_buffers()}
        modes = [(m, m.training) for m in module.modules()]
        sources = packed_for("torch", tensors((args, kwargs), self.device))
        asked = sources[0][:1] if name == LOSS else sources  # a loss need not have a gradient of its target
        map_nest(_wants_gradient, asked)
        xs, options = map_nest(lambda x: x.clone() if is_float(x) else x, sources)
        try:
            if not self._fixed:
                module.train(training)
            with torch.enable_grad(), computing_in(self.precision):
                output = module(*xs, **options)
                numbers = named_outputs(output)
                if dys is not None:
                    named = {numbered("grad input", i): x for i, x in enumerate(floats(asked))}
                    named |= {f"grad {n}": p for n, p in module.named_parameters() if p.requires_grad}
                    values = iter(dys)
                    numbers |= self._gradients(output, named, lambda n, shape: next(values, None), set(named))
            return numbers | {f"buffer {n}": np.array(array(b)) for n, b in module.named_buffers()}
        finally:
            with torch.no_grad():
                for buffer, value in buffers.values():
                    buffer.copy_(value)
            for m, mode in modes:
                m.training = mode

    @contextmanager
    def _eager(self, probe: Probe | None) -> Iterator[None]:
        """Modules compiled in place run uncompiled while they are watched."""
        without = probe is not None or self.eager
        compiled = [(m, _impl(m)) for m in self.layers.modules() if without and _impl(m) is not None]
        try:
            for module, _ in compiled:
                module._compiled_call_impl = None
            yield
        finally:
            for module, implementation in compiled:
                module._compiled_call_impl = implementation

    def _wrap(self, name, module, probe, calls):
        original = module.forward

        def forward(*args: Any, **kwargs: Any) -> Any:
            if self._in_backward:  # a checkpoint recomputes what was not saved: not a further call
                if calls.get(name) != 1:
                    return original(*args, **kwargs)
                key = name, 0
                outputs = probe.again(key)
            else:
                key = name, calls.get(name, 0)
                calls[name] = key[1] + 1
                probe.enter(key, _state_around(module))
                outputs = probe.stand_in(key, kept(args), kept(kwargs))
            if outputs is not None:
                overwrite((args, kwargs), probe.written(key))
                return stand_in(probe, key, outputs, (args, kwargs))
            alias = map_nest(lambda x: x.view_as(x) if _tracked(x) else x, (args, kwargs))
            y = original(*alias[0], **alias[1])
            y = map_nest(lambda x: x.view_as(x) if _tracked(x) else x, y)
            if not self._in_backward:
                probe.forward(key, kept(args), kept(kwargs), kept(y))
            for i, x in enumerate(floats(alias)):
                if _tracked(x):
                    _ = x.grad_fn  # brings the node up to date before it is watched
                    x.register_hook(lambda dx, i=i: probe.gradient(key, i, array(dx)))
            for i, out in enumerate(floats(y)):
                if _tracked(out):
                    out.register_hook(lambda dy, i=i: probe.cotangent(key, i, array(dy)))
                elif not _in_checkpoint():
                    probe.cut(key, i)
            memory = {_memory(x) for x in floats((args, kwargs))}  # what follows may write into what is given back
            own = lambda x: isinstance(x, torch.Tensor) and is_float(x) and _memory(x) not in memory  # noqa: E731
            return map_nest(lambda x: x.clone() if own(x) else x, y)

        vars(module)["forward"] = forward


@contextmanager
def not_in_place(model: torch.nn.Module, probe: Probe | None) -> Iterator[None]:
    """The inputs of a watched layer must remain unchanged until the other side is run."""
    changed = [m for m in model.modules() if getattr(m, "inplace", False) is True] if probe is not None else []
    try:
        for m in changed:
            m.inplace = False  # type: ignore[assignment]
        yield
    finally:
        for m in changed:
            m.inplace = True  # type: ignore[assignment]


def _state_around(module: torch.nn.Module) -> tuple[str, ...]:
    """The state in which a layer is called, besides its arguments."""
    cast = f"autocast to {torch.get_autocast_dtype('cpu')}" if torch.is_autocast_enabled("cpu") else "no autocast"
    grad = "gradients recorded" if torch.is_grad_enabled() or _in_checkpoint() else "no gradients recorded"
    return cast, grad, "training mode" if module.training else "eval mode"


def _memory(x: Any) -> int:
    return x.untyped_storage().data_ptr() if isinstance(x, torch.Tensor) and x.layout == torch.strided else id(x)


def _in_checkpoint() -> bool:
    """Whether torch.utils.checkpoint runs this, which records gradients later."""
    frame = sys._getframe()
    while frame is not None and frame.f_code.co_filename != CHECKPOINT:
        frame = frame.f_back  # type: ignore[assignment]
    return frame is not None


def _impl(module: torch.nn.Module) -> Any:
    return getattr(module, "_compiled_call_impl", None)


def _can_switch(model: torch.nn.Module) -> bool:
    """Whether train() and eval() work; an exported program refuses them."""
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.train(model.training)
    except Exception:
        return False
    finally:
        for module, mode in modes:
            vars(module)["training"] = mode
    return True


def _cotangent(cotangent: Cotangent, name: str, y: torch.Tensor) -> torch.Tensor | None:
    dy = cotangent(name, (*y.shape, 2) if y.is_complex() and _makes(cotangent) else tuple(y.shape))
    if dy is None:
        return None
    given = torch.tensor(np.asarray(dy))
    if y.is_complex() and not given.is_complex():
        given = torch.view_as_complex(given)
    return given.to(y.dtype).to(y.device)


def _makes(cotangent: Cotangent) -> bool:
    """Whether cotangents are drawn, as for a whole model, and not recorded ones."""
    return bool(getattr(cotangent, "drawn", False))


def _modules_of(loss: Any) -> list[torch.nn.Module]:
    return list(loss.modules()) if isinstance(loss, torch.nn.Module) else []


def _is_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and not torch.nn.parameter.is_lazy(value)


def _tracked(x: Any) -> bool:
    """Whether autograd knows it; a layer may also give NumPy's arrays."""
    return isinstance(x, torch.Tensor) and is_float(x) and x.requires_grad


def _wants_gradient(x: Any) -> Any:
    return x.requires_grad_() if is_float(x) and isinstance(x, torch.Tensor) else x
