"""A module of either engine in float64: from arrays, its output and the gradient of every input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.articles.article import GradientCheck, gradient_check
from experiments.articles.twin import SCRATCH, TWINS, Twin
from torch_impl.bridge import load_arrays

Build = Callable[[Twin], Any]  # the module, made by the engine's own library


@dataclass(frozen=True)
class Values:
    """The output, the gradient of each input, and the gradient of each parameter by name."""

    output: np.ndarray
    inputs: tuple[np.ndarray, ...]
    parameters: dict[str, np.ndarray]

    @property
    def dx(self) -> np.ndarray:
        return self.inputs[0]


def layer(
    twin: Twin, name: str, *arguments: Any, weight: Any = None, bias: Any = None, dtype: str = "float64", **options: Any
) -> Any:
    """A layer with parameters, drawn as the library draws them or, if given, set by hand."""
    module = getattr(twin.lib.nn, name)(*arguments, **options, **twin.factory(dtype))
    given = {key: np.asarray(value, dtype) for key, value in (("weight", weight), ("bias", bias)) if value is not None}
    if given:
        load_arrays(module, given)
    return module


def evaluate(twin: Twin, module: Any, *inputs: Any, target: Any = None, dy: Any = None) -> Values:
    """Forward and backward. The cotangent dy is 1 everywhere unless it is given; a loss gets its target last."""
    arrays = [np.array(x, np.float64) for x in inputs]
    targets = () if target is None else (twin.tensor(np.asarray(target)),)
    if twin is SCRATCH:
        y = module(*arrays, *targets)
        found = module.backward(np.asarray(np.ones_like(y) if dy is None else dy, np.float64))
        gradients = found if isinstance(found, tuple) else (found,)
    else:
        tensors = [twin.tensor(x).requires_grad_() for x in arrays]
        y = module(*tensors, *targets)
        y.backward(twin.tensor(np.ones(y.shape) if dy is None else np.asarray(dy, np.float64)))
        gradients = tuple(twin.array(x.grad) for x in tensors)
    parameters = {name: twin.array(parameter.grad) for name, parameter in module.named_parameters()}
    return Values(twin.array(y), gradients, parameters)


def on_both_evaluated(build: Build, *inputs: Any, target: Any = None, dy: Any = None) -> dict[str, Values]:
    """The module of each engine at the same numbers."""
    return {twin.name: evaluate(twin, build(twin), *inputs, target=target, dy=dy) for twin in TWINS}


def backward_checks(what: str, build: Build, x: Any, *more: Any, target: Any = None) -> list[GradientCheck]:
    """Each engine's gradient of the first input against differences of its own forward, along a random cotangent."""
    x = np.asarray(x, np.float64)
    checks = []
    for twin in TWINS:
        module = build(twin)
        shape = evaluate(twin, module, x, *more, target=target).output.shape
        dy = np.random.default_rng(1).normal(size=shape)

        def f(moved: np.ndarray, twin: Twin = twin, module: Any = module, dy: np.ndarray = dy) -> float:
            return float(np.sum(dy * evaluate(twin, module, moved, *more, target=target).output))

        gradient = evaluate(twin, module, x, *more, target=target, dy=dy).dx
        checks.append(GradientCheck(f"{what}, {twin.name}", gradient_check(f, x, gradient)))
    return checks


def outputs(values: dict[str, Values]) -> dict[str, np.ndarray]:
    return {name: value.output for name, value in values.items()}


def slopes(values: dict[str, Values]) -> dict[str, np.ndarray]:
    return {name: value.dx for name, value in values.items()}


def numbers(arrays: dict[str, Any], index: int | tuple[int, ...] | Sequence[int] = ()) -> dict[str, float]:
    """One number of each engine's array."""
    return {name: float(np.asarray(array)[index]) for name, array in arrays.items()}
