"""Sides for other frameworks. One is imported only if an object's own class or function belongs to it.

Every file here makes a `Side` of what its framework calls a model. `PullbackSide` is the shortest way to another one:
it asks for the forward of a layer and a function that takes gradients back through it, and does the rest.
"""

from __future__ import annotations

import dis
import functools
import inspect
from collections.abc import Iterator
from contextlib import suppress
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
    "mygrad": "mygrad_side",
    "autograd": "autograd_function",
}
HELD = ("tinygrad",)  # whose tensors an object of one's own holds; and MyGrad's, if it has no forward of NumPy's
OPTIMIZERS = {"keras": "keras_steps", "optax": "optax_steps", "sklearn": "sklearn_steps"}
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


def _origins(model: Any, depth: int = 3) -> Iterator[str]:
    """Modules of the classes of an object; of a function, those that its code names; of a partial, of its arguments.

    An object that is called, and has no class of a framework, may hold a framework's tensors.
    """
    if depth == 0:
        return
    if isinstance(model, functools.partial):
        for part in (model.func, *model.args, *model.keywords.values()):
            yield from _origins(part, depth)
    elif isinstance(model, dict | list | tuple):
        for part in model.values() if isinstance(model, dict) else model:
            yield from _origins(part, depth - 1)
    elif inspect.isfunction(model):
        known_by_name = {name: model.__globals__.get(name) for name in model.__code__.co_names}
        with suppress(ValueError):  # a variable around the function that has no value yet
            known_by_name |= inspect.getclosurevars(model).nonlocals
        for known in known_by_name.values():
            if inspect.ismodule(known):
                yield known.__name__
            elif known is not model and inspect.isfunction(known):
                yield from _origins(known, depth - 1)
    else:
        for kind in type(model).__mro__:
            yield kind.__module__
        if hasattr(model, "__dict__") and not isinstance(model, type):
            known = HELD if hasattr(model, "forward") else (*HELD, "mygrad")
            for part in vars(model).values():
                yield from (name for name in _origins(part, depth - 1) if name.partition(".")[0] in known)
