"""TorchModule: a scratch Module that torch drives."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import torch

import scratch
from scratch.nn import Module, Parameter
from torch_impl.bridge.nest import Shape, leaves
from torch_impl.bridge.run import Run
from torch_impl.bridge.seen import Link, Seen, refuse_double
from torch_impl.bridge.shared import HALF, Known, as_array, as_tensor, same_memory
from torch_impl.bridge.traced import refuse_traced, uncompiled


class TorchModule(torch.nn.Module):
    """A scratch Module that torch drives: autograd calls its backward, its parameters are torch parameters.

    Forward computes with the numbers that torch has under the parameters' and buffers' names, whatever torch did to
    them: memory is shared, and shared again where torch replaced it, as deepcopy, pickle, load_state_dict(assign=True),
    functional_call, pruning and parametrizations do. Each forward takes its saved values along in the autograd graph,
    so a layer may be used several times, and `retain_graph=True` works.

    `state_dict()` has the names that the torch twin of the module has. Every submodule has its own TorchModule, net[0]
    for example, which torch's tools take for the twin: it is an instance of torch.nn.BatchNorm1d where scratch's is a
    BatchNorm1d, and its settings, such as momentum or p, are scratch's.

    torch.compile leaves it as it is. Its gradients cannot be differentiated again, and torch.func's transforms, tracing
    and export cannot follow it: they are refused.

    Raises    RuntimeError when moved to another device or dtype: NumPy computes on the CPU, in the dtype of its arrays;
              if a parameter, buffer or child has become something that NumPy does not compute with; where it is to be
              differentiated twice, transformed by torch.func, traced or exported. TypeError for anything but a Module.
    """

    scratch_module: Module
    _seen: Seen | None = None  # at the last forward, if torch computes no weight from others

    def __new__(cls, module: Any = None, *_: Any, **__: Any) -> TorchModule:
        kind = _twin(module)
        return super().__new__(cls if kind is None or issubclass(cls, kind) else _seen_as(cls, kind))  # type: ignore[arg-type]

    def __init__(self, module: Module) -> None:
        torch.nn.Module.__init__(self)
        module, holders = _parts_of(module)
        if not isinstance(module, Module):
            raise TypeError(f"TorchModule: expected a scratch Module, got {type(module).__name__}.")
        self._mirror(module, {}, holders)

    def _mirror(self, module: Module, twins: dict[int, tuple], holders: dict[int, TorchModule]) -> None:
        """Get the parameters, buffers and children of `module`, in its order, sharing memory."""
        holders[id(module)] = self
        self.training = module.training
        self._known: dict[str, Known] = {}
        for name, value in vars(module).items():
            if isinstance(value, Parameter):
                if id(value) not in twins:
                    twin = torch.nn.Parameter(torch.from_numpy(value.data), value.requires_grad)
                    twins[id(value)] = twin, Known(value.data)
                twin, self._known[name] = twins[id(value)]
                self.register_parameter(name, twin)
            elif name in module._buffer_names:
                self.register_buffer(name, as_tensor(value), persistent=name not in module._not_persistent)
                self._known[name] = Known(value)
            elif isinstance(value, Module):
                if id(value) not in holders:
                    child = TorchModule.__new__(TorchModule, value)
                    torch.nn.Module.__init__(child)
                    child._mirror(value, twins, holders)
                self.add_module(name, holders[id(value)])
        self.scratch_module = module

    # --- computing ----------------------------------------------------------------------------------------------------

    def forward(self, *inputs: Any) -> Any:
        refuse_traced()
        if torch.compiler.is_compiling() or "torch._dynamo" in sys.modules:
            return self._uncompiled(*inputs)
        return self._compute(*inputs)

    def _compute(self, *inputs: Any) -> Any:
        seen = self._found()
        tensors = [*leaves(inputs), *(link.tensor for link in seen.links)]
        recording = torch.is_grad_enabled() and any(isinstance(t, torch.Tensor) and t.requires_grad for t in tensors)
        if recording and seen.doubles:
            seen.refuse_doubles()
        shape = Shape(inputs)
        outputs = Run.apply(seen, shape, recording, *tensors)
        if not seen.has_its_buffers():
            self._link()
        return shape.output.fill(iter(outputs))

    _uncompiled = uncompiled(_compute)

    def pairs(self) -> list[tuple[Parameter, torch.nn.Parameter]]:
        """The scratch and torch views of each parameter, linked again if an optimizer has moved scratch's arrays."""
        seen = self._found()
        seen.refuse_doubles()
        pairs = [(link.parameter, link.tensor) for link in seen.links]
        for parameter, tensor in pairs:
            if not isinstance(tensor, torch.nn.Parameter):
                raise RuntimeError(
                    f"TorchModule: a weight of shape {parameter.shape} is computed by torch, by pruning or by a "
                    "parametrization, so NumPy cannot train it. Train it with torch.optim."
                )
        return pairs  # type: ignore[return-value]

    def _found(self) -> Seen:
        """What torch has for each parameter now; scratch's arrays are those numbers afterwards."""
        if self._seen is not None and self._seen.holds():
            return self._seen
        links: dict[Parameter, Link] = {}
        holders: list[TorchModule] = []
        doubles: list[tuple[str, torch.Tensor, torch.Tensor]] = []
        for path, holder in self.named_modules():
            if isinstance(holder, TorchModule):
                holders.append(holder)
                if holder is not self:
                    holder._run_hooks(path)
                for name, link in holder._own(path):
                    known = links.setdefault(link.parameter, link).tensor
                    if known is not link.tensor:
                        if not same_memory(known, link.parameter.data):
                            refuse_double(name)
                        doubles.append((name, known, link.tensor))
        seen = Seen(list(links.values()), holders, doubles)
        computed = not all(isinstance(link.tensor, torch.nn.Parameter) for link in seen.links)
        self.__dict__["_seen"] = None if computed else seen
        return seen

    def _own(self, path: str) -> Iterator[tuple[str, Link]]:
        """The parameters of this module only, with their names, and what torch has for them."""
        module, children = self.scratch_module, 0
        for name, value in list(vars(module).items()):
            where = f"{path}.{name}" if path else name
            if isinstance(value, Parameter):
                tensor = self._parameters.get(name)
                if tensor is None:
                    tensor = getattr(self, name, None)  # a parametrization, or what pruning computed
                yield where, Link(value, self._follow(name, where, tensor), self._known[name])
            elif name in module._buffer_names:
                if value is not None:
                    self._follow(name, where, getattr(self, name, None))
            elif isinstance(value, Module):
                children += 1
                if getattr(self._modules.get(name), "scratch_module", None) is not value:
                    kind = type(self._modules.get(name)).__name__
                    raise RuntimeError(
                        f"TorchModule: {where} is {kind} in torch and {type(value).__name__} in scratch, which "
                        "computes. Change the scratch module, and build a new TorchModule of it."
                    )
        if children != len(self._modules.keys() - {"parametrizations"}):
            raise RuntimeError(
                f"TorchModule: {path or type(module).__name__} has children in torch that scratch, which computes, "
                f"does not have: {list(self._modules)}. Change the scratch module, and build a new TorchModule of it."
            )

    def _follow(self, name: str, where: str, tensor: Any) -> torch.Tensor:
        """Make scratch's array and torch's tensor one memory again, with torch's numbers.

        Only if scratch has moved an array since they were linked, as optimizers do, the tensor follows.
        """
        module = self.scratch_module
        value = vars(module)[name]
        array = value.data if isinstance(value, Parameter) else value
        if isinstance(array, np.generic):  # what NumPy makes of an array without dimensions in an expression
            array = np.asarray(array)
            setattr(module, name, array)
        known = self._known.get(name)
        if not isinstance(tensor, torch.Tensor) or known is None or known.array is None or array is None:
            raise RuntimeError(
                f"TorchModule: {where} is {type(tensor).__name__} in torch and {type(array).__name__} in scratch. "
                "Change the scratch module, and build a new TorchModule of it."
            )
        if tensor.layout is not torch.strided or tensor.dtype in HALF:
            raise RuntimeError(
                f"TorchModule: {where} is {tensor.dtype}, {tensor.layout}, in torch now, but NumPy computes with dense "
                f"arrays of {array.dtype}. Convert it: tensor.to_dense().to(torch.{array.dtype})."
            )
        if known.shows(tensor, array):
            return tensor
        if same_memory(tensor, array):
            pass
        elif array is not known.array and same_memory(tensor, known.array):
            tensor.data = torch.from_numpy(array)
        else:
            numbers = as_array(tensor)
            if (numbers.shape, numbers.dtype) != (array.shape, array.dtype):
                raise RuntimeError(
                    f"TorchModule: {where} is {numbers.dtype}{list(numbers.shape)} in torch now, but NumPy computes "
                    f"with {array.dtype}{list(array.shape)}. Build the scratch module like that."
                )
            array = numbers
            if isinstance(value, Parameter):
                value.data = array
            else:
                setattr(module, name, array)
        known.remember(array)
        return tensor

    def _link(self) -> None:
        """Share memory again with the tensors that are registered, here and below, where nothing computes them."""
        for holder in self.modules():
            if isinstance(holder, TorchModule):
                holder._link_own()

    def _link_own(self) -> None:
        for name in self._known:
            tensor = self._parameters.get(name, self._buffers.get(name))
            if tensor is not None:
                self._follow(name, name, tensor)

    def _run_hooks(self, path: str) -> None:
        """Recompute weights as torch.nn.utils do, by a hook before forward. Other hooks on a part would never run."""
        for hook in self._forward_pre_hooks.values():
            if type(hook).__module__.startswith("torch.nn.utils."):
                hook(self, ())
            else:
                break
        else:
            if not (self._forward_hooks or self._backward_hooks or self._backward_pre_hooks):
                return
        warnings.warn(
            f"TorchModule: hooks on {path} do not run, because NumPy computes the whole network in one call. Put them "
            "on the TorchModule itself, or make one for each part.",
            stacklevel=5,
        )

    # --- what torch does to a module ----------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        """A setting is scratch's; `training` is both's."""
        module = self.__dict__.get("scratch_module")
        if module is not None and (name == "training" or _is_setting(module, name)):
            if isinstance(value, torch.Tensor | torch.nn.Module):
                raise RuntimeError(
                    f"TorchModule: {name} of {module} is {vars(module).get(name)!r} and cannot become "
                    f"{type(value).__name__}. Build the scratch module with it, and a new TorchModule of that."
                )
            setattr(module, name, value)
            if name != "training":
                return
        torch.nn.Module.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        try:
            return torch.nn.Module.__getattr__(self, name)
        except AttributeError:
            module = self.__dict__.get("scratch_module")
            if module is None or not _is_setting(module, name):
                raise
            return vars(module)[name]

    def extra_repr(self) -> str:
        return self.scratch_module.extra_repr()

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> TorchModule:
        def checked(tensor: torch.Tensor) -> torch.Tensor:
            moved = fn(tensor)
            if moved.device != tensor.device or moved.dtype != tensor.dtype:
                raise RuntimeError(
                    f"TorchModule: the arrays of {type(self.scratch_module).__name__} are {tensor.dtype} on the CPU "
                    f"and cannot become {moved.dtype} on {moved.device}. Build the scratch module with that dtype, and "
                    "train it with accelerator='cpu'."
                )
            return moved

        torch.nn.Module._apply(self, checked, recurse)
        self._link()
        return self

    def _save_to_state_dict(self, *arguments: Any) -> None:
        self._link()
        super()._save_to_state_dict(*arguments)

    def _load_from_state_dict(self, *arguments: Any) -> None:
        self._link()
        super()._load_from_state_dict(*arguments)
        self._link()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_seen"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy, or a module read from a file: NumPy and torch each have their own arrays."""
        torch.nn.Module.__setstate__(self, state)
        self._link()

    def __reduce_ex__(self, protocol: Any) -> Any:
        parts = getattr(type(self), "_parts", (type(self), None))
        return _blank, parts, self.__getstate__()


def _parts_of(module: Any) -> tuple[Any, dict[int, TorchModule]]:
    """The scratch module to wrap, and the TorchModules that its parts have already.

    torch's Sequential and ModuleList make net[:2] of a dict or a list of parts; those keep their parameters.
    """
    parts = dict(enumerate(module)) if isinstance(module, list) else module
    if not isinstance(parts, Mapping) or not all(isinstance(part, TorchModule) for part in parts.values()):
        return module, {}
    made = {str(name): part.scratch_module for name, part in parts.items()}
    whole = scratch.nn.ModuleList(made.values()) if isinstance(module, list) else scratch.nn.Sequential(made)
    return whole, {id(part.scratch_module): part for part in parts.values()}


def _is_setting(module: Module, name: str) -> bool:
    held = vars(module)
    return (
        name in held
        and not name.startswith("_")
        and name not in module._buffer_names
        and not isinstance(held[name], Parameter | Module | scratch.nn.saved.Saved)
    )


# --- classes that torch's tools look for ------------------------------------------------------------------------------

WITH_STATE_OF_THEIR_OWN = (torch.nn.ParameterList, torch.nn.ParameterDict)


def _twin(module: Any) -> type[torch.nn.Module] | None:
    """The class of torch.nn that this scratch module, or what it is derived from, is the twin of."""
    kinds = type(module).__mro__ if isinstance(module, Module) else ()
    for name in (kind.__name__ for kind in kinds if kind.__module__.startswith("scratch.nn.") and kind is not Module):
        twin: Any = getattr(torch.nn, name, None)
        if twin is not None and not issubclass(twin, WITH_STATE_OF_THEIR_OWN):
            return twin
    return None


@cache
def _seen_as(cls: Any, kind: Any) -> type[TorchModule]:
    """A subclass that is also a `kind`, whose methods all come after TorchModule's."""
    return type(cls.__name__, (cls, kind), {"_parts": (cls, kind), "__module__": cls.__module__})


def _blank(cls: type[TorchModule], kind: type[torch.nn.Module] | None) -> TorchModule:
    made = cls if kind is None else _seen_as(cls, kind)  # type: ignore[arg-type]
    return made.__new__(made)
