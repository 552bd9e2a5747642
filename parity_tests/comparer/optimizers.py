"""An optimizer of either side: how to make it, step it, read it, and lower its rate."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

import scratch
from parity_tests.comparer import judge
from parity_tests.comparer.errors import told
from parity_tests.comparer.findings import CompareError
from parity_tests.comparer.foreign import steps_of_framework
from parity_tests.comparer.side import Side
from parity_tests.comparer.torch_side import TorchSide
from parity_tests.comparer.values import Numbers, array
from parity_tests.rule import ulp

RATES = ("lr", "learning_rate", "step_size", "rate", "eta", "alpha")


def make(maker: Any, parameters: list[Any]) -> Any:
    """From a class's name, in the package of the parameters, or from a function of a list of parameters."""
    if isinstance(maker, str):
        package = torch.optim if isinstance(parameters[0], torch.nn.Parameter) else scratch.optim
        if not hasattr(package, maker):
            raise CompareError(f"compare: {package.__name__} has no optimizer {maker!r}.")
        return getattr(package, maker)(parameters)
    if (steps := steps_of_framework(maker, parameters)) is not None:
        return steps
    try:
        made = maker(parameters)
    except Exception as error:
        kind = "torch" if isinstance(parameters[0], torch.nn.Parameter) else "scratch"
        raise CompareError(
            f"compare: the optimizer could not be made of a list of {kind} parameters: {told(error)}. Give a pair, "
            "(of the left's parameters, of the right's), if one function cannot take both."
        ) from error
    if not callable(getattr(made, "step", None)):
        if (steps := steps_of_framework(made, parameters)) is not None:
            return steps
        raise CompareError(f"compare: an optimizer must have a method step(), got {type(made).__name__}.")
    return made


def take_step(optimizer: Any, *closure: Any) -> None:
    """step(), with the name of the optimizer in what is said if it fails."""
    try:
        optimizer.step(*closure)
    except CompareError:
        raise
    except Exception as error:
        raise CompareError(f"compare: the optimizer {type(optimizer).__name__} failed: {told(error)}.") from error


def needs_closure(optimizer: Any) -> bool:
    """Whether step() needs a function that computes the gradients again, as LBFGS's does.

    The class is asked first: torch's schedulers put a function in the place of step() whose signature begins with self.
    """
    own = inspect.isfunction(getattr(type(optimizer), "step", None))
    try:
        found = list(inspect.signature(type(optimizer).step if own else optimizer.step).parameters.values())[own:]
    except (TypeError, ValueError):
        return False
    return any(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in found)


def live(side: Side, name: str) -> Any:
    """The parameter that the side computes with, or one that stands for a plain array."""
    if isinstance(side, TorchSide):
        return dict(side.all_parameters())[name]
    holder = side.slots[name].holder() if hasattr(side, "slots") else side.state()[name]
    return holder if hasattr(holder, "grad") else scratch.nn.Parameter(np.array(holder))


def set_gradient(parameter: Any, gradient: np.ndarray | None) -> None:
    if gradient is None:
        parameter.grad = None
    elif isinstance(parameter, torch.nn.Parameter):
        parameter.grad = torch.tensor(gradient, dtype=parameter.dtype, device=parameter.device)
    else:
        parameter.grad = np.array(gradient, parameter.data.dtype)


def entries(optimizer: Any, parameters: dict[str, Any], dtype: Any) -> Iterator[tuple[str, np.ndarray]]:
    """State by name, then the parameter: what diverges first is the state. Python's numbers take `dtype`."""
    state = getattr(optimizer, "state", {})
    for name, parameter in parameters.items():
        for key, value in (_of(state, parameter) or {}).items():
            if isinstance(value, int | float | np.ndarray | np.generic | torch.Tensor):
                yield f"{key} {name}", np.asarray(array(value), dtype if isinstance(value, int | float) else None)
        yield f"theta {name}", np.asarray(array(parameter.data))


def _of(state: Any, parameter: Any) -> Any:
    try:
        found = state.get(parameter, {})
    except (AttributeError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def distances(ours: Numbers, truth: Numbers, like: Numbers, largest: dict[str, float]) -> dict[str, float]:
    """The distance of every quantity that both have, in ulp of the largest value that it has had so far."""
    found = {}
    for what in truth:
        if what not in ours:
            continue
        value, exact = ours[what], truth[what]
        if value.dtype != like[what].dtype or value.shape != exact.shape:
            found[what] = math.inf
            continue
        unit = ulp(judge.real(exact), value.dtype) if exact.size and value.dtype.kind == "f" else 1.0
        unit = unit if math.isfinite(unit) else 1.0
        largest[what] = max(largest.get(what, 0.0), unit)
        found[what] = judge.error(value, like[what], exact) * unit / largest[what]
    return found


def rate(optimizer: Any, like: float | None = None) -> Callable[[float], None] | None:
    """What multiplies the learning rate, or None if it is not found.

    It is `lr` of the param_groups, or an attribute of a usual name, or the one attribute that has the value `like`.
    """
    groups = getattr(optimizer, "param_groups", None)
    if isinstance(groups, list) and groups and all(isinstance(g, dict) and "lr" in g for g in groups):

        def in_groups(factor: float) -> None:
            for group in groups:
                group["lr"] *= factor

        return in_groups
    own = {name: value for name, value in getattr(optimizer, "__dict__", {}).items() if _is_rate(value)}
    names = [name for name in RATES if name in own]
    names = names or [name for name, value in own.items() if like is not None and math.isclose(value, like)]
    if len(names) != 1:
        return None
    return lambda factor: setattr(optimizer, names[0], type(own[names[0]])(getattr(optimizer, names[0]) * factor))


def _is_rate(value: Any) -> bool:
    return isinstance(value, float | np.floating) and not isinstance(value, bool)
