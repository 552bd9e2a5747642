"""A statement about a library: a sentence, a function that shows it, and what that function should give."""

from __future__ import annotations

import importlib
import math
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

# How a library is called, and the distributions that must be installed to run statements about it, its own first.
LIBRARIES: dict[str, tuple[str, ...]] = {
    "torch": ("torch",),
    "torch.onnx": ("torch", "onnxscript", "onnxruntime"),
    "torch.compile": ("torch",),
    "torch.backends.cpu": ("torch",),
    "NumPy": ("numpy",),
    "NumPy's OpenBLAS": ("numpy",),
    "scikit-learn": ("scikit-learn",),
    "Lightning": ("lightning",),
    "safetensors": ("safetensors",),
    "pytorch-optimizer": ("pytorch-optimizer", "torch"),
    "Keras": ("keras", "torch"),
    "JAX": ("jax",),
    "Flax": ("flax",),
    "optax": ("optax",),
    "Equinox": ("equinox",),
    "ONNX": ("onnx",),
    "ONNX Runtime": ("onnxruntime", "onnx"),
    "OpenVINO": ("openvino", "torch"),
    "tinygrad": ("tinygrad",),
    "MyGrad": ("mygrad",),
    "autograd": ("autograd",),
    "thinc": ("thinc",),
    "skorch": ("skorch", "torch"),
    "other code": (),
}
# What else must be there: a compiler, or the processor that a statement is about.
NEEDS: dict[str, Callable[[], bool]] = {
    "torch.compile": lambda: shutil.which("g++") is not None or shutil.which("clang++") is not None,
    "torch.backends.cpu": lambda: _instructions() == "AVX512",
    "NumPy's OpenBLAS": lambda: _instructions() in ("AVX512", "AVX2") and "openblas" in _blas(),
}
CLOSE = 1e-4  # relative: what is printed and what is computed are the same number


class Late:
    """A module that is imported when it is first used: most of these libraries are not installed."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


def _instructions() -> str:
    return importlib.import_module("torch").backends.cpu.get_cpu_capability()


def _blas() -> str:
    dependencies = np.show_config(mode="dicts")["Build Dependencies"]
    return str(dependencies["blas"].get("name", ""))


@dataclass(frozen=True)
class Statement:
    """One entry of the table.

    library     a key of LIBRARIES
    name        short and fixed, unique in its library
    text        the statement in words
    show        a function that shows it, or None if the statement was only read
    gives       what the function should return: numbers, texts or lists of them
    about       names of components, with wildcards, on whose pages it is told
    causes      names of causes of `compare` for which it is evidence: "name", or "name: part of the cause's text"
    since       the first version that it holds for, and `before`, the first that it no longer holds for
    source      where it was read, if it was not run
    """

    library: str
    name: str
    text: str
    show: Callable[[], Any] | None = None
    gives: Any = None
    about: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    since: str = ""
    before: str = ""
    source: str = ""

    @property
    def key(self) -> str:
        return f"{self.library}: {self.name}"

    @property
    def version(self) -> str | None:
        """The installed version of the library; None if it, or what it needs, is not installed."""
        try:
            found = [version(name).partition("+")[0] for name in LIBRARIES[self.library]]
            return found[0]
        except (PackageNotFoundError, IndexError):
            return None

    @property
    def runs(self) -> bool:
        """Whether it can be run here."""
        there = self.show is not None and self.version is not None and self.covers(self.version)
        return there and NEEDS.get(self.library, lambda: True)()

    def covers(self, installed: str) -> bool:
        """Whether it is a statement about this version."""
        found = release(installed)
        return not (self.since and found < release(self.since)) and not (self.before and found >= release(self.before))

    def concerns(self, component: str) -> bool:
        return any(fnmatchcase(component, pattern) for pattern in self.about)

    def explains(self, cause: str, text: str) -> bool:
        """Whether it is evidence for one of the causes in a name such as "adam-eps-hat + eps-value"."""
        for wanted in self.causes:
            name, _, part = wanted.partition(": ")
            if name in cause.split(" + ") and re.search(re.escape(part) + r"(?!\.?\d)", text):
                return True
        return False

    def holds(self, came: Any) -> bool:
        return same(came, self.gives)


@dataclass
class Table:
    """The statements of one file."""

    library: str
    statements: list[Statement] = field(default_factory=list)

    def shows(self, text: str, gives: Any, about: str = "", **more: Any) -> Callable[[Callable[[], Any]], Any]:
        """Makes a statement of a function that shows it; its name is the function's, in words."""

        def register(show: Callable[[], Any]) -> Callable[[], Any]:
            name = show.__name__.replace("_", " ").strip()
            self.statements.append(Statement(self.library, name, text, show, gives, tuple(about.split()), **more))
            return show

        return register


def release(text: str) -> tuple[int, ...]:
    """The leading numbers of a version."""
    numbers: list[int] = []
    for part in text.split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


def same(came: Any, gives: Any) -> bool:
    """Equal, numbers to four digits; NaN equals NaN, and a list its like."""
    if isinstance(gives, Mapping):
        return isinstance(came, Mapping) and came.keys() == gives.keys() and all(same(came[k], gives[k]) for k in gives)
    if isinstance(gives, Sequence) and not isinstance(gives, str):
        if not isinstance(came, Sequence) or isinstance(came, str) or len(came) != len(gives):
            return False
        return all(map(same, came, gives))
    if isinstance(gives, bool | str) or gives is None or isinstance(came, bool | str) or came is None:
        return type(came) is type(gives) and came == gives
    return math.isclose(came, gives, rel_tol=CLOSE) or (math.isnan(came) and math.isnan(gives))


def plain(value: Any) -> Any:
    """An array or tensor, of whatever library, as Python's numbers and lists."""
    if hasattr(value, "detach"):
        value = value.detach().double().numpy()
    return np.asarray(value, np.float64).tolist()


def which(value: Any, tolerance: float = 1e-5, **formulas: Any) -> str:
    """The name of the formula that gives this value; "none" or several names if it is not exactly one."""
    value = np.asarray(plain(value))
    fits = [
        name
        for name, formula in formulas.items()
        if np.allclose(value, np.asarray(plain(formula)), rtol=tolerance, atol=0, equal_nan=True)
    ]
    return " and ".join(fits) or "none"


def raises(call: Callable[[], Any]) -> str:
    """The class of the error that a call raises, or "nothing"."""
    try:
        call()
    except Exception as error:
        return type(error).__name__
    return "nothing"
