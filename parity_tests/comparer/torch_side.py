"""A torch Module as a side: autograd is its backward, tensor hooks tell of the gradients."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from parity_tests.checks.sides import Numbers
from parity_tests.comparer.side import LOSS, Cotangent, Key, Probe, Side, named_outputs
from parity_tests.comparer.values import array, arrays, floats, is_float, tensors
from parity_tests.nests import map_nest, numbered


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

    def run(self, inputs, target, training, seed, cotangent, probe=None, wanted=()):
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
        """The gradients of the sources. The unwanted are computed too, so that backward reaches every layer."""
        pairs = [(y, cotangent(i, tuple(y.shape))) for i, y in enumerate(floats(output))]
        pairs = [(y, dy) for y, dy in pairs if y.requires_grad and dy is not None]
        if not pairs or not sources:
            return {
                name: np.zeros(tuple(x.shape), array(x).dtype) for name, x in sources.items() if name not in unwanted
            }
        dys = [torch.tensor(np.asarray(dy), dtype=y.dtype, device=y.device) for y, dy in pairs]
        found = torch.autograd.grad([y for y, _ in pairs], list(sources.values()), dys, allow_unused=True)
        return {
            name: array(torch.zeros_like(x) if dx is None else dx)
            for (name, x), dx in zip(sources.items(), found, strict=True)
            if name not in unwanted
        }

    def local(self, name, args, kwargs, dys, training, seed):
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

    def _wrap(self, name, module, probe, calls):
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


def _wants_gradient(x: Any) -> Any:
    return x.requires_grad_() if is_float(x) and isinstance(x, torch.Tensor) else x
