"""Between scratch and torch: copy parameters either way, and run NumPy modules and optimizers inside torch.

    net = TorchModule(scratch.nn.Sequential(...))        # a torch.nn.Module whose forward and backward are NumPy
    opt = TorchOptimizer(scratch.optim.Adam(...), net)   # a torch.optim.Optimizer whose step is NumPy

Memory is shared, not copied: the torch parameters are views of the scratch arrays, so torch.optim may train scratch
modules, scratch.optim may train them inside Lightning, and torch.autograd.gradcheck checks the hand-written backward.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch.autograd.function import once_differentiable

import scratch
from scratch.nn import Module, Parameter
from torch_impl.files import FileRefusedError, read_safetensors, write_whole

AnyModule = Module | torch.nn.Module


# --- parameters, either way -------------------------------------------------------------------------------------------


def arrays(module: AnyModule) -> dict[str, np.ndarray]:
    """The state_dict of either kind of module as NumPy arrays, on the CPU."""
    return {name: _array(value) for name, value in module.state_dict().items()}


def load_arrays(module: AnyModule, state: Mapping[str, np.ndarray], strict: bool = True) -> None:
    """Load NumPy arrays into either kind of module. Names, shapes and count must match, as load_state_dict says."""
    if isinstance(module, Module):
        module.load_state_dict(state, strict)
    else:
        module.load_state_dict({name: torch.tensor(value) for name, value in state.items()}, strict)


def copy_parameters(source: AnyModule, target: AnyModule) -> None:
    """Copy all parameters and buffers by name. Either side may be scratch's or torch's."""
    load_arrays(target, arrays(source))


def save_safetensors(module: AnyModule, path: str | os.PathLike[str]) -> None:
    """Write the state_dict as a safetensors file. It appears under its name complete or not at all."""
    from safetensors.numpy import save

    data = save({name: np.array(value, order="C") for name, value in arrays(module).items()})
    write_whole(path, lambda file: file.write(data))


def load_safetensors(module: AnyModule, path: str | os.PathLike[str], strict: bool = True) -> None:
    """Load a safetensors file written from either kind of module, by us or by a stranger.

    Raises    ValueError if it is no plain, whole safetensors file; what load_state_dict raises if it does not fit.
    """
    try:
        state = read_safetensors(path)
    except FileRefusedError as error:
        raise FileRefusedError(f"load_safetensors: {os.fspath(path)} is not read: {error}.") from error
    load_arrays(module, state, strict)


def _array(value: Any) -> np.ndarray:
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


# --- a scratch Module inside torch ------------------------------------------------------------------------------------


class TorchModule(torch.nn.Module):
    """A scratch Module that torch drives: autograd calls its backward, its parameters are torch parameters.

    `state_dict()` has the names that the torch twin of the module has. Each forward takes its saved values along in the
    autograd graph, so a layer may be used several times, and `retain_graph=True` works.

    Raises    RuntimeError when moved to another device or dtype: NumPy computes on the CPU, in the dtype of its arrays.
    """

    def __init__(self, module: Module) -> None:
        super().__init__()
        self.scratch_module = module
        self._links: list[tuple[Parameter, torch.nn.Parameter, np.ndarray]] = []
        self._modes: list[tuple[torch.nn.Module, Module]] = []
        self._mirror(self, module, {})

    def _mirror(self, holder: torch.nn.Module, module: Module, twins: dict[int, torch.nn.Parameter]) -> None:
        """Give `holder` the parameters, buffers and children of `module`, in its order, sharing memory."""
        holder.training = module.training
        self._modes.append((holder, module))
        for name, value in vars(module).items():
            if isinstance(value, Parameter):
                if id(value) not in twins:
                    twins[id(value)] = torch.nn.Parameter(torch.from_numpy(value.data), value.requires_grad)
                    self._links.append((value, twins[id(value)], value.data))
                holder.register_parameter(name, twins[id(value)])
            elif name in module._buffer_names:
                tensor = None if value is None else torch.from_numpy(value)
                holder.register_buffer(name, tensor, persistent=name not in module._not_persistent)
            elif isinstance(value, Module):
                child = torch.nn.Module()
                self._mirror(child, value, twins)
                holder.add_module(name, child)

    def pairs(self) -> list[tuple[Parameter, torch.nn.Parameter]]:
        """The scratch and torch views of each parameter, linked again if an optimizer has moved scratch's arrays."""
        for i, (parameter, twin, linked) in enumerate(self._links):
            if parameter.data is not linked:
                twin.data = torch.from_numpy(parameter.data)
                self._links[i] = parameter, twin, parameter.data
        return [(parameter, twin) for parameter, twin, _ in self._links]

    def forward(self, *inputs: Any) -> Any:
        leaves = list(_leaves(inputs))
        for tensor in leaves:
            if isinstance(tensor, torch.Tensor) and tensor.device.type != "cpu":
                raise RuntimeError(f"TorchModule: NumPy computes on the CPU, got a tensor on {tensor.device}.")
        for holder, module in self._modes:  # Lightning sets `training` part by part, without train()
            module.training = holder.training
        twins = [twin for _, twin in self.pairs()]
        recording = torch.is_grad_enabled() and any(
            isinstance(t, torch.Tensor) and t.requires_grad for t in (*leaves, *twins)
        )
        shape = _Shape(inputs)
        outputs = _Run.apply(self, shape, recording, *leaves, *twins)
        return shape.output.fill(iter(outputs))

    def train(self, mode: bool = True) -> TorchModule:
        super().train(mode)
        self.scratch_module.train(mode)
        return self

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> TorchModule:
        for tensor in (*self.parameters(), *self.buffers()):
            moved = fn(tensor)
            if moved.device != tensor.device or moved.dtype != tensor.dtype:
                raise RuntimeError(
                    f"TorchModule: the arrays of {type(self.scratch_module).__name__} are {tensor.dtype} on the CPU "
                    f"and cannot become {moved.dtype} on {moved.device}. Build the scratch module with that dtype, and "
                    "train it with accelerator='cpu'."
                )
        return self


class _Run(torch.autograd.Function):
    """One forward of a scratch module as a node of torch's graph."""

    @staticmethod
    def forward(ctx: Any, owner: TorchModule, shape: _Shape, recording: bool, *tensors: Any) -> Any:
        module = owner.scratch_module
        inputs = shape.fill(_numpy(t) for t in tensors)
        if recording:
            output = module(*inputs)
            ctx.save_for_backward(*(t for t in tensors if isinstance(t, torch.Tensor)))  # detects writes in between
            ctx.saved = [(m, m.saved) for m in module.modules()]
            for m in module.modules():
                m.saved = None
        else:
            with scratch.no_grad():
                output = module(*inputs)
        ctx.owner, ctx.inputs = owner, tensors[: shape.count]
        shape.output = ctx.output = _Shape(output)
        return tuple(None if y is None else torch.from_numpy(np.asarray(y)) for y in _leaves(output))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *cotangents: Any) -> Any:
        _ = ctx.saved_tensors
        module = ctx.owner.scratch_module
        parameters = [parameter for parameter, _ in ctx.owner.pairs()]
        kept = [(p.grad, p.grad_buffer) for p in parameters]
        for p in parameters:
            p.grad = p.grad_buffer = None
        for m, saved in ctx.saved:
            m.saved = saved
        needs_input_grad = module.needs_input_grad
        module.requires_input_grad_(any(ctx.needs_input_grad[3 : 3 + len(ctx.inputs)]))
        try:
            dx = module.backward(*_as_arguments(ctx.output.fill(_numpy(dy) for dy in cotangents)))
            gradients = [p.grad for p in parameters]
        finally:
            module.requires_input_grad_(needs_input_grad)
            for m, _ in ctx.saved:
                m.saved = None
            for p, (grad, buffer) in zip(parameters, kept, strict=True):
                p.grad, p.grad_buffer = grad, buffer
        return None, None, None, *_input_gradients(ctx.inputs, dx), *(_tensor(g) for g in gradients)


class _Shape:
    """How a nest of tuples is laid out, so that it can travel flat through torch and be rebuilt."""

    def __init__(self, nest: Any) -> None:
        self.kind = type(nest) if isinstance(nest, tuple | list) else None
        self.parts = [_Shape(part) for part in nest] if self.kind else []
        self.count = sum(1 for _ in _leaves(nest))
        self.output: _Shape

    def fill(self, leaves: Iterator[Any]) -> Any:
        if self.kind is None:
            return next(leaves)
        parts = [part.fill(leaves) for part in self.parts]
        return self.kind(*parts) if hasattr(self.kind, "_fields") else self.kind(parts)


def _leaves(nest: Any) -> Iterator[Any]:
    if isinstance(nest, tuple | list):
        for part in nest:
            yield from _leaves(part)
    else:
        yield nest


def _as_arguments(cotangents: Any) -> tuple[Any, ...]:
    """backward(dy) for one output, backward(dy, (dh, dc)) for several, as scratch modules take them."""
    return tuple(cotangents) if isinstance(cotangents, tuple | list) else (cotangents,)


def _input_gradients(inputs: Any, gradients: Any) -> list[torch.Tensor | None]:
    """Hand the gradients, in order, to the floating inputs; what comes after the last one is a target and gets none."""
    gradients = iter([_tensor(g) for g in _leaves(gradients)])
    floating = [isinstance(x, torch.Tensor) and x.is_floating_point() for x in inputs]
    return [next(gradients, None) if f else None for f in floating]


def _numpy(value: Any) -> Any:
    return value.detach().numpy() if isinstance(value, torch.Tensor) else value


def _tensor(value: Any) -> torch.Tensor | None:
    return None if value is None else torch.from_numpy(np.asarray(value))


# --- a scratch optimizer inside torch ---------------------------------------------------------------------------------


class TorchOptimizer(torch.optim.Optimizer):
    """A scratch optimizer that torch's schedulers and Lightning drive.

    The hyperparameters are those of `param_groups` here: a scheduler that sets their lr sets scratch's. `state_dict` is
    torch's layout, so a checkpoint can be continued by the torch twin, and the other way round.
    """

    def __init__(self, optimizer: scratch.optim.Optimizer, module: TorchModule) -> None:
        self.scratch_optimizer = optimizer
        self.pairs = module.pairs()
        twins = {id(parameter): twin for parameter, twin in self.pairs}
        groups = [{**group, "params": [twins[id(p)] for p in group["params"]]} for group in optimizer.param_groups]
        super().__init__(groups, dict(optimizer.defaults))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        for group, own in zip(self.param_groups, self.scratch_optimizer.param_groups, strict=True):
            own.update({key: value for key, value in group.items() if key != "params"})
        if closure is None:
            self._pull_gradients()
            return self.scratch_optimizer.step()

        def evaluate() -> Any:
            with torch.enable_grad():
                loss = closure()
            self._pull_gradients()
            return loss

        return self.scratch_optimizer.step(evaluate)

    def _pull_gradients(self) -> None:
        for parameter, twin in self.pairs:
            parameter.grad = None if twin.grad is None else twin.grad.numpy()

    def state_dict(self) -> dict[str, Any]:
        return _convert(self.scratch_optimizer.state_dict(), lambda x: torch.tensor(x), np.ndarray)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.scratch_optimizer.load_state_dict(_convert(state_dict, _array, torch.Tensor))
        self.pull_hyperparameters()

    def pull_hyperparameters(self) -> None:
        """Take over what was set on the scratch side."""
        for group, own in zip(self.param_groups, self.scratch_optimizer.param_groups, strict=True):
            group.update({key: value for key, value in own.items() if key != "params"})


class TorchScheduler(torch.optim.lr_scheduler.LRScheduler):
    """A scratch learning rate schedule of a TorchOptimizer, stepped by Lightning or by hand.

    Scratch computes the rates; they show in `param_groups` of the TorchOptimizer too. `state_dict` is the schedule's
    own, which torch's twin loads.
    """

    def __init__(self, scheduler: scratch.optim.lr_scheduler.LRScheduler, optimizer: TorchOptimizer) -> None:
        self.scratch_scheduler = scheduler
        self.optimizer: TorchOptimizer = optimizer
        optimizer.pull_hyperparameters()

    def step(self, epoch: int | None = None) -> None:
        self.scratch_scheduler.step(epoch)
        self.optimizer.pull_hyperparameters()

    def get_last_lr(self) -> list[float | torch.Tensor]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        return self.scratch_scheduler.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.scratch_scheduler.load_state_dict(state_dict)


def _convert(nest: Any, convert: Callable[[Any], Any], kind: type) -> Any:
    if isinstance(nest, dict):
        return {key: _convert(value, convert, kind) for key, value in nest.items()}
    if isinstance(nest, list):
        return [_convert(value, convert, kind) for value in nest]
    return convert(nest) if isinstance(nest, kind) else nest
