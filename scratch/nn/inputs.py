"""What a layer computes with: plain NumPy arrays of numbers, in the byte order of the machine."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from scratch.arrays import fault_of

PLAIN = frozenset(np.dtype(char) for char in "?bBhHiIlLqQefdgFDG")  # dtypes that need no second look


# What torch calls the inputs that formulas here call x: layer(input=x) means layer(x).
TORCHS_NAMES = {"input": "x", "input_": "x", "log_input": "x", "input1": "x1", "input2": "x2", "target_": "target"}


def own_names(forward: Callable[..., Any], options: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments of a layer's call, with torch's names of inputs as the layer's own."""
    own = inspect.signature(forward).parameters
    return {
        TORCHS_NAMES[name] if name not in own and TORCHS_NAMES.get(name) in own else name: value
        for name, value in options.items()
    }


def check_inputs(layer: Any, inputs: tuple[Any, ...], options: dict[str, Any]) -> None:
    """Refuse the first input of a call that a layer cannot compute with; see `check_input`."""
    for i, x in enumerate(inputs):
        if type(x) is not np.ndarray or x.dtype not in PLAIN:
            check_input(layer, i, x)
    for name, x in options.items():
        if type(x) is not np.ndarray or x.dtype not in PLAIN:
            check_input(layer, name, x)


def check_input(layer: Any, which: int | str, x: Any) -> None:
    """Refuse what is not an array, or None where an array is needed, before NumPy fails with a less clear message.

    `which` is the input's position or keyword. The annotations of the layer's own forward say what each input may be; a
    forward defined elsewhere takes arrays, tuples and None, and keywords of any kind.

    Raises    TypeError for other objects; for masked arrays and matrices, which compute by rules of their own; and for
              arrays of objects, text, records or dates, or in a foreign byte order.
    """
    anything: tuple[type, ...] = (tuple, type(None)) if isinstance(which, int) else (object,)
    name, others = _others(type(layer).forward).get(which, (f"number {which}", anything))
    if isinstance(x, np.ndarray | np.generic):
        wrong = fault_of(x)
    else:
        wrong = _fault_within(x) if isinstance(x, others) else _stranger(x)
    if wrong:
        text = str(layer)
        text = type(layer).__name__ if "\n" in text else text
        raise TypeError(f"{text}: the input {name} must be a NumPy array, got {wrong}")


def _fault_within(x: Any) -> str | None:
    """What is wrong with the first array in a nest of tuples, such as the state of an LSTM."""
    if isinstance(x, tuple):
        return next((wrong for part in x if (wrong := _fault_within(part))), None)
    return fault_of(x) if isinstance(x, np.ndarray) else None


def _stranger(x: Any) -> str:
    if x is None:
        return "None. Does the function before it return its result?"
    kind = type(x).__name__ if type(x).__module__ == "builtins" else f"{type(x).__module__}.{type(x).__name__}"
    return f"{kind}. Convert it with np.asarray(x, dtype=np.float32)."


@cache
def _others(forward: Callable[..., Any]) -> dict[int | str, tuple[str, tuple[type, ...]]]:
    """The name of each input of a scratch layer, by position and by keyword, and what it may be besides an array."""
    found: dict[int | str, tuple[str, tuple[type, ...]]] = {}
    if not forward.__module__.startswith("scratch."):
        return found
    for i, p in enumerate(list(inspect.signature(forward).parameters.values())[1:]):
        if p.kind is not p.POSITIONAL_OR_KEYWORD:
            continue
        words = (p.annotation if isinstance(p.annotation, str) else str(p.annotation)).split(" | ")
        others: tuple[type, ...] = (object,)
        if "ndarray" in words[0]:
            others = tuple(kind for word in words[1:] for kind in {"None": (type(None),), "float": (float, int)}[word])
        elif words[0].endswith("Any") and p.default is p.empty:
            others = (tuple,)
        found[i] = found[p.name] = (p.name, others)
    return found
