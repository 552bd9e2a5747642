"""The side for a model, of torch or of arrays, and the unwrapping of wrappers."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch

from parity_tests.comparer.array_side import ArraySide
from parity_tests.comparer.errors import told
from parity_tests.comparer.findings import CompareError
from parity_tests.comparer.foreign import side_of_framework
from parity_tests.comparer.nests import leaves, map_nest, packed_for
from parity_tests.comparer.side import Given, Side, generators_kept, seed_all
from parity_tests.comparer.torch_side import TorchSide
from parity_tests.comparer.values import is_float, tensors

NEEDS = (
    "compare: a side is a scratch Module, a torch Module, an object with forward(x) or __call__(x), a function of the "
    "inputs, or a function without arguments that makes one of these"
)


class Function(torch.nn.Module):
    """A function or object of tensors as a module: its tensors that ask for a gradient are its parameters."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self._function = function
        for name, value in getattr(function, "__dict__", {}).items():
            if isinstance(value, torch.nn.Module):
                self.add_module(name, value)
            elif isinstance(value, torch.Tensor) and value.requires_grad and value.is_leaf:
                self._parameters[name] = value  # type: ignore[assignment]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)


def is_factory(model: Any) -> bool:
    """Whether this is a function or class that makes a side when it is called without arguments."""
    if inspect.isclass(model):
        return True
    if hasattr(model, "forward") or not callable(model):
        return False
    plain = inspect.isfunction(model) or inspect.ismethod(model) or isinstance(model, functools.partial)
    return plain and not _required(model)


def build(model: Any, seed: int, must: bool) -> Any:
    """A side as it is, or made by the function given, after seeding."""
    if is_factory(model):
        missing = _required(model)
        if missing:
            raise CompareError(
                f"compare: {model.__name__} needs {', '.join(missing)}: give an object of it, or a lambda."
            )
        seed_all(seed)
        try:
            return model()
        except Exception as error:
            raise CompareError(f"compare: {_name(model)}() failed: {told(error)}.") from error
    if must:
        raise CompareError("compare: with parameters='seed' both sides must be functions that make the module.")
    return model


def side_of(model: Any, given: Given, loss: Any = None) -> Side:
    """The side. A lazy module, or an object that makes its arrays at the first forward, is run once to create them."""
    if isinstance(model, Side):
        return model
    foreign = side_of_framework(model, given, loss)
    if foreign is not None:
        return foreign
    if isinstance(model, torch.export.ExportedProgram):
        model = model.module()
    if isinstance(model, torch.nn.Module):
        layers = _unwrapped(model)
        _refuse_unwatchable(layers)
        if any(torch.nn.parameter.is_lazy(p) for p in layers.parameters()):
            with torch.no_grad(), generators_kept():
                _first_run(layers, packed_for("torch", tensors(given)))
            left = [n for n, p in layers.named_parameters() if torch.nn.parameter.is_lazy(p)]
            if left:
                raise TypeError(
                    f"compare: the lazy parameters {', '.join(left)} of {type(layers).__name__} do not exist yet, and "
                    "its first forward does not make them."
                )
        return TorchSide(model, loss, layers)
    if not callable(getattr(model, "forward", None)) and not callable(model):
        raise TypeError(f"{NEEDS}; got {type(model).__name__}.")
    _refuse_other_inputs(model, given)
    if not hasattr(model, "forward") and _takes_tensors(model, given):
        return TorchSide(Function(model), loss)
    side = ArraySide(model, loss)
    if not side.slots and hasattr(model, "__dict__") and not side.frozen:
        with generators_kept():
            _first_run(lambda *a, **k: side.run(Given(a, k), None, True, 0, None), given, quiet=True)
        side.find_slots()
    return side


def _refuse_other_inputs(model: Any, given: Given) -> None:
    """TypeError for an object without forward whose call cannot take as many inputs as there are."""
    if hasattr(model, "forward") or inspect.isroutine(model) or isinstance(model, functools.partial):
        return
    try:
        signature = inspect.signature(model)
    except (TypeError, ValueError):  # written in C, it does not say what it takes
        return
    try:
        signature.bind(*given.args, **given.kwargs)
    except TypeError as error:
        name = type(model).__name__
        text = f"compare: {name} has no forward, and __call__{signature} cannot take the inputs: {error}."
        raise TypeError(text) from None


def _refuse_unwatchable(layers: torch.nn.Module) -> None:
    name = type(layers).__name__
    if any(isinstance(module, torch.jit.ScriptModule) for module in layers.modules()):
        raise TypeError(
            f"compare: the layers of {name} are traced or scripted by torch.jit and cannot be watched: give the module "
            "that it was made from, or a function that calls it."
        )
    if any(tensor.is_meta for tensor in layers.state_dict().values() if isinstance(tensor, torch.Tensor)):
        raise TypeError(f"compare: {name} has tensors on the meta device, which have no numbers: load its weights.")


def _unwrapped(model: torch.nn.Module) -> torch.nn.Module:
    """The module whose layers can be watched: within torch.compile, DataParallel and DistributedDataParallel."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and isinstance(model, torch.nn.DataParallel | torch.nn.parallel.DistributedDataParallel):
            inner = model.module
        if not isinstance(inner, torch.nn.Module):
            return model
        model = inner


def _first_run(model: Any, given: Any, quiet: bool = False) -> None:
    try:
        model(*given.args, **given.kwargs)
    except Exception as error:
        if not quiet:
            raise CompareError(
                f"compare: {type(model).__name__} failed at its first forward: {told(error)}."
            ) from error


def _takes_tensors(model: Any, given: Given) -> bool:
    """Whether a function gives tensors for tensors."""
    held = getattr(model, "__dict__", {}).values()
    if any(isinstance(value, torch.nn.Module | torch.Tensor) for value in held):
        return True
    with torch.enable_grad(), generators_kept():
        try:  # NumPy's functions take tensors too, but not those that ask for a gradient
            args, kwargs = map_nest(
                lambda x: x.requires_grad_().clone() if is_float(x) else x, packed_for("torch", tensors(given))
            )
            return any(isinstance(leaf, torch.Tensor) for leaf in leaves(model(*args, **kwargs)))
        except Exception:
            return False


def _required(model: Any) -> list[str]:
    try:
        found = inspect.signature(model).parameters.values()
    except (TypeError, ValueError):
        return [] if inspect.isclass(model) else ["its inputs"]
    fixed = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [p.name for p in found if p.default is p.empty and p.kind in fixed]


def _name(model: Any) -> str:
    return getattr(model, "__name__", type(model).__name__)
