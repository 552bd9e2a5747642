"""Constructor arguments: they become plain Python numbers, or are refused with one clear message.

A NumPy scalar as an option does what the Python number of its value does, to the bit. Without the conversion it would
not: an np.float64 among float32 arrays promotes them to float64.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from numbers import Real
from operator import index
from typing import Any, TypeVar

import numpy as np

F = TypeVar("F", bound=Callable[..., Any])

LARGEST = 2**63 - 1
PLAIN = frozenset({float, int, bool, str, type(None)})  # types of values that need no second look
SEVERAL = ("Any", "int", "float", "tuple", "list", "Sequence")  # annotations of what may be several numbers


def plain(value: Any) -> Any:
    """A NumPy scalar as the Python number of its value, also among the parts of a tuple or list."""
    if type(value) in PLAIN:
        return value
    if isinstance(value, np.generic):
        kinds: dict[str, Callable[[Any], Any]] = {"b": bool, "i": int, "u": int, "f": float}
        return kinds.get(value.dtype.kind, lambda other: other)(value)
    if type(value) in (tuple, list) and not all(type(part) in PLAIN for part in value):
        return type(value)(plain(part) for part in value)
    return value


def plain_options(function: F) -> F:
    """A function or constructor that receives NumPy scalars as Python numbers. It checks their types itself."""

    @wraps(function)
    def with_plain_options(*args: Any, **kwargs: Any) -> Any:
        return function(*map(plain, args), **{name: plain(value) for name, value in kwargs.items()})

    return with_plain_options  # type: ignore[return-value]


def checked_options(init: F) -> F:
    """A constructor whose arguments are what its annotations say: numbers converted, anything else refused.

        int      an int of 64 bits, and not a bool
        float    a float or an int
        bool     True or False
        str      a string
        dtype    np.float32 or np.float64, in the byte order of the machine; None is np.float32

    Raises    TypeError that names the class and the argument; ValueError for an int of more than 64 bits, OverflowError
              for one too large for a float.
    """

    @wraps(init)
    def checked(self: Any, *args: Any, **kwargs: Any) -> None:
        call, (positions, kinds) = type(self).__name__, _annotated(init)
        args = (
            tuple(_converted(call, name, value, kinds) for name, value in zip(positions, args, strict=False))
            + args[len(positions) :]
        )
        kwargs = {name: _converted(call, name, value, kinds) for name, value in kwargs.items()}
        try:
            init(self, *args, **kwargs)
        except TypeError:
            check_fits_call(call, init.__get__(self), args, kwargs)
            raise

    return checked  # type: ignore[return-value]


def check_fits_call(call: str, method: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """After a TypeError: whether a method's arguments were too few, too many, or not its own, in the call's own words.

    Python names the function that was defined, `_Conv.__init__` for Conv2d.

    Raises    TypeError that names the call, what is wrong and what it takes.
    """
    signature = inspect.signature(method)
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        names = ", ".join(signature.parameters) or "nothing"
        unknown = [] if "**" in str(signature) else [name for name in kwargs if name not in signature.parameters]
        wrong = f"got an unexpected keyword argument {unknown[0]!r}" if unknown else error
        raise TypeError(f"{call}: {wrong}. It takes {names}.") from None


@cache
def _annotated(init: Callable[..., Any]) -> tuple[list[str], dict[str, str]]:
    """The names of the positional arguments without self, and the annotation of every argument as text."""
    parameters = list(inspect.signature(init).parameters.values())[1:]
    texts = {p.name: p.annotation if isinstance(p.annotation, str) else _text(p.annotation) for p in parameters}
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)], texts


def _text(annotation: Any) -> str:
    return annotation.__name__ if type(annotation) is type else str(annotation).replace("typing.", "")


def _converted(call: str, name: str, value: Any, kinds: dict[str, str]) -> Any:
    kind, _, optional = kinds.get(name, "").partition(" | ")
    if value is None and optional == "None":
        return None
    if name == "dtype":
        return as_dtype(call, value)
    if optional in ("", "None") and kind in _CONVERSIONS:
        return _CONVERSIONS[kind](call, name, value)
    return plain(value) if kind.startswith(SEVERAL) else value


def _as_int(call: str, name: str, value: Any) -> int:
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise TypeError(f"{call}: {name} must be an int, got {value!r}.")
    number = index(value)
    if abs(number) > LARGEST:
        raise ValueError(f"{call}: {name} must fit into 64 bits.")
    return number


def _as_float(call: str, name: str, value: Any) -> float:
    if not isinstance(value, float | int | np.floating | np.integer | np.bool_):
        raise TypeError(f"{call}: {name} must be a number, got {value!r}.")
    if type(value) is int and abs(value) < 2**53:  # exact, and printed as it was written
        return value
    try:
        return float(value)
    except OverflowError:
        raise OverflowError(f"{call}: {name} is too large for a float.") from None


def _as_bool(call: str, name: str, value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{call}: {name} must be True or False, got {value!r}.")
    return bool(value)


def _as_word(call: str, name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{call}: {name} must be a string, got {value!r}.")
    return str(value)


_CONVERSIONS: dict[str, Callable[[str, str, Any], Any]] = {
    "int": _as_int,
    "float": _as_float,
    "bool": _as_bool,
    "str": _as_word,
}


def as_dtype(call: str, dtype: Any) -> np.dtype:
    """np.float32 (also for None) or np.float64: half precision and foreign byte orders are not supported."""
    try:
        found = np.dtype(np.float32 if dtype is None else dtype)
    except (TypeError, ValueError):
        raise TypeError(f"{call}: dtype must be np.float32 or np.float64, got {dtype!r}.") from None
    if found not in (np.float32, np.float64):
        raise TypeError(f"{call}: dtype must be np.float32 or np.float64, got {dtype!r}.")
    return found


def check_fits(owner: object, dtype: np.dtype, **options: float) -> None:
    """Refuse a finite option that would be infinite in this dtype.

    Raises    RuntimeError that names the option.
    """
    for name, value in options.items():
        if abs(value) > np.finfo(dtype).max and value not in (np.inf, -np.inf):
            raise RuntimeError(f"{owner}: {name} = {value} does not fit into {dtype}.")


def check_numbers(call: str, **arguments: Any) -> None:
    """Refuse the first argument that is not a number, before arithmetic fails with a less clear message.

    Raises    TypeError that names the call and the argument.
    """
    for name, value in arguments.items():
        if not isinstance(value, Real):
            raise TypeError(f"{call}: {name} must be a number, got {value!r}.")
