"""A torch module's twin in another precision: everything that it holds, makes and casts in that precision."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


def twin_of(module: torch.nn.Module, precision: torch.dtype) -> torch.nn.Module:
    """A copy of the module whose parameters and buffers are in this precision."""
    module = copy.deepcopy(module, _in_precision(module, precision))
    complex_ = torch.complex128 if precision == torch.float64 else torch.complex64

    def convert(t: torch.Tensor) -> torch.Tensor:
        return t.to(precision) if t.is_floating_point() else t.to(complex_) if t.is_complex() else t

    for part in [module, *_hidden(module)]:
        part._apply(convert)
    return module


def _in_precision(module: torch.nn.Module, precision: torch.dtype) -> dict[int, Any]:
    """Plain parameters in their new precision, by id: they are copied once, and a large model never twice."""
    memo = {}
    for parameter in module.parameters():
        if type(parameter) is torch.nn.Parameter and parameter.is_floating_point() and not vars(parameter):
            memo[id(parameter)] = torch.nn.Parameter(
                parameter.detach().to(precision, copy=True), parameter.requires_grad
            )
    return memo


def _hidden(module: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """Modules in plain lists and dicts, which PyTorch does not count among a module's own."""
    for part in module.modules():
        for value in vars(part).values():
            for item in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
                if isinstance(item, torch.nn.Module):
                    yield item


@contextmanager
def computing_in(precision: torch.dtype | None) -> Iterator[None]:
    """What a model makes or casts in float32 is in this precision too; None changes nothing."""
    if precision is None:
        yield
        return
    before = torch.get_default_dtype()
    torch.set_default_dtype(precision)
    try:
        with _Precision(precision):
            yield
    finally:
        torch.set_default_dtype(before)


class _Precision(TorchFunctionMode):
    """Reads float32 as another precision wherever it is written: x.float(), dtype=torch.float32."""

    def __init__(self, precision: torch.dtype) -> None:
        super().__init__()
        self.precision = precision

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.float:
            func, args = torch.Tensor.to, (*args, self.precision)
        other = torch.float32 if self.precision == torch.float64 else torch.float64
        args = tuple(self.precision if a is other else a for a in args)
        kwargs = {key: self.precision if a is other else a for key, a in (kwargs or {}).items()}
        if func is torch.nn.functional.rms_norm and len(args) < 4 and kwargs.get("eps") is None:
            kwargs["eps"] = torch.finfo(other).eps  # the default is that of the precision of the input
        return func(*args, **kwargs)
