"""Sides for other frameworks. One is imported only if an object's own class or function belongs to it.

Every file here makes a `Side` of what its framework calls a model. `PullbackSide` is the shortest way to another one:
it asks for the forward of a layer and a function that takes gradients back through it, and does the rest.
"""

from __future__ import annotations

import dis
import functools
import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from parity_tests.comparer.side import Given, Side

SIDES = {  # the package that a class, or a function's code, comes from, and the file here that makes the side
    "keras": "keras_side",
    "flax.nnx": "flax_nnx",
    "flax.linen": "flax_linen",
    "equinox": "equinox",
    "jax": "jax_function",
    "jaxlib": "jax_function",
    "tinygrad": "tinygrad_side",
    "onnx": "onnx_side",
    "parity_tests.comparer.load": "onnx_side",
}

OPTIMIZERS = {"keras": "keras_steps", "sklearn": "sklearn_steps"}
MAKERS = {"tinygrad": "tinygrad_steps"}  # whose optimizers are made of the framework's own tensors


def side_of_framework(model: Any, given: Given, loss: Any) -> Side | None:
    """The side for a model of one of these frameworks; None for any other object."""
    for module in _origins(model):
        for package, file in SIDES.items():
            if module == package or module.startswith(f"{package}."):
                return import_module(f"{__name__}.{file}").side(model, given, loss)
    return None


def steps_of_framework(optimizer: Any, parameters: list[Any]) -> Any:
    """An object with step() for an optimizer of another form; None for any other object."""
    module = type(optimizer).__module__
    file = next((file for package, file in OPTIMIZERS.items() if f"{module}.".startswith(f"{package}.")), None)
    if file is None and inspect.isroutine(getattr(optimizer, "func", optimizer)):
        made_in = set(_made_in(getattr(optimizer, "func", optimizer)))
        file = next((file for package, file in MAKERS.items() if package in made_in), None)
    return None if file is None else import_module(f"{__name__}.{file}").steps(optimizer, parameters)


def _made_in(function: Any) -> Iterator[str]:
    """The packages of a function, and of the functions and classes that its code names."""
    yield str(getattr(function, "__module__", "")).partition(".")[0]
    if not inspect.isfunction(function):
        return
    read = {step.argval for step in dis.get_instructions(function) if step.opname == "LOAD_GLOBAL"}
    known = {name: value for name, value in function.__globals__.items() if name in read}
    known |= dict(zip(function.__code__.co_freevars, (cell.cell_contents for cell in function.__closure__ or ()),
                      strict=True))  # fmt: skip
    for found in known.values():
        yield str(getattr(found, "__name__" if inspect.ismodule(found) else "__module__", "")).partition(".")[0]


def _origins(model: Any) -> Iterator[str]:
    """Modules of the classes of an object; of a function, those that its code names; of a partial, of its arguments."""
    if isinstance(model, functools.partial):
        for part in (model.func, *model.args, *model.keywords.values()):
            yield from _origins(part)
    elif isinstance(model, dict | list | tuple):
        for part in model.values() if isinstance(model, dict) else model:
            yield from _origins(part)
    elif inspect.isfunction(model):
        known = model.__globals__
        for name in model.__code__.co_names:
            if inspect.ismodule(known.get(name)):
                yield known[name].__name__
    else:
        for kind in type(model).__mro__:
            yield kind.__module__
        yield from (module for part in _held(model) if (module := type(part).__module__).startswith("tinygrad."))


def _held(model: Any) -> Iterator[Any]:
    """What an object holds: tinygrad's models are objects of no class of tinygrad's."""
    for value in getattr(model, "__dict__", {}).values():
        yield from value if isinstance(value, list | tuple) else (value,)
