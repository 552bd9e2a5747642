"""The vector of one row: tensors, a manifest that refers to them by name, and the expected answers."""

from __future__ import annotations

import inspect
import math
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity_tests.built import Built
from parity_tests.checks.sides import Numbers
from parity_tests.engine import SCRATCH
from parity_tests.exits import CannotError
from parity_tests.rule import limit as limit_of
from parity_tests.rule import step, ulp

PRECISIONS = ("float32", "float64")
SMALL = ("float16", "bfloat16", "int8")  # precisions in which a model may be answered too
WIDE = 100  # ulp: where torch's own float32 error is larger, a note says why the limit is so wide
Json = Any


class VectorsError(CannotError):
    """Files or arguments that cannot be used. The text is for the user."""


class NotPortable(Exception):
    """A row that files cannot represent, and why."""


def file_name(label: str) -> str:
    """nn.Linear[no bias] becomes nn.Linear-no-bias; no two labels of the table become the same (a test)."""
    return re.sub(r"[^A-Za-z0-9.=_-]+", "-", label).strip("-.")


def by_name(
    component: str, args: tuple[Any, ...], kwargs: dict[str, Any], before: int = 0
) -> tuple[Any, dict[str, Any]]:
    """The arguments of a constructor by the names of its parameters; only those of *args stay without one.

    `before` counts the parameters before `args`: 1 for an optimizer, whose first one is `params`.
    """
    bound = inspect.signature(SCRATCH.find(component)).bind(*(None,) * before, *args, **kwargs)
    parameters = list(bound.signature.parameters.values())
    rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
    if rest in bound.arguments:  # what stands before *args can only be given by its place
        return args, kwargs
    names = [p.name for p in parameters[before:] if p.kind is not p.VAR_KEYWORD]
    return (), {name: bound.arguments[name] for name in names if name in bound.arguments} | bound.kwargs


@dataclass
class Vector:
    """One row. `facts` is the manifest's own part for this kind of row: options, and which tensor is what."""

    label: str
    component: str
    kind: str
    facts: dict[str, Json] = field(default_factory=dict)
    tensors: Numbers = field(default_factory=dict)
    expected: list[dict[str, Json]] = field(default_factory=list)

    def give(self, name: str, value: Any) -> str:
        """Store a tensor that the answer starts from."""
        if name in self.tensors:
            raise AssertionError(f"{self.label}: two tensors are named {name!r}")
        self.tensors[name] = value.detach().clone() if held_by_torch(value) else np.array(value, order="C")
        return name

    def encode(self, value: Any, name: str) -> Json:
        """An option as JSON: an array becomes a tensor of this name, to which a list or dictionary adds its key."""
        if isinstance(value, np.ndarray | np.generic) or held_by_torch(value):
            return {"tensor": self.give(name, value)}
        if isinstance(value, dict):
            return {key: self.encode(part, f"{name} {key}") for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [self.encode(part, f"{name} {i}") for i, part in enumerate(value)]
        if isinstance(value, float) and not math.isfinite(value):
            return {"number": str(value)}
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, Built):
            return {"component": value.name, **self.options(value.name, value.args, value.kwargs, f"{name} ")}
        raise NotPortable(f"{name} is a Python function")

    def options(
        self, component: str, args: tuple[Any, ...], kwargs: dict[str, Any], prefix: str = "", before: int = 0
    ) -> dict[str, Json]:
        """The entries `args` and `kwargs` of a component."""
        args, kwargs = by_name(component, args, kwargs, before)
        return {"args": self.encode(args, f"{prefix}argument"), "kwargs": self.encode(kwargs, f"{prefix}option")}

    def expect(self, case: str, what: str, truth: np.ndarray, u: float, dtypes: dict[str, Any], **facts: Json) -> None:
        """Expect a number in each of these precisions, in that dtype; the truth is stored once, in float64."""
        stored = f"truth/{case}/{what}"
        self.tensors.setdefault(stored, np.array(truth, order="C"))
        for precision, dtype in dtypes.items():
            self.entry(
                case, what, precision, np.dtype(dtype).name, stored, limit_of(u, precision), facts | _why_wide(u)
            )

    def expect_within(self, case: str, what: str, precision: str, truth: np.ndarray, limit: float) -> None:
        """Expect a number in one precision, with its own truth and a limit that does not come from U."""
        stored = f"truth/{case}/{what}/{precision}"
        self.tensors[stored] = np.array(truth, order="C")
        self.entry(case, what, precision, truth.dtype.name, stored, limit, {})

    def entry(
        self, case: str, what: str, precision: str, dtype: str, truth: str, limit: float, facts: dict[str, Json]
    ) -> None:
        """Expect a number whose truth is stored under this name."""
        values = self.tensors[truth]
        if not math.isfinite(limit):
            raise AssertionError(f"{self.label}: {what} has no limit: torch's own float32 error is infinite")
        self.expected.append(
            {
                "name": f"{precision}/{case}/{what}",
                "precision": precision,
                "case": case,
                "what": what,
                "truth": truth,
                "dtype": dtype,
                "shape": list(values.shape),
                "limit_ulp": limit if values.dtype.kind == "f" else 0.0,
                "limit_absolute": absolute(limit, values, dtype),
                **facts,
            }
        )

    def manifest(self) -> dict[str, Json]:
        described = {
            name: {"dtype": str(x.dtype).removeprefix("torch."), "shape": list(x.shape)}
            for name, x in sorted(self.tensors.items())
        }
        head = {"label": self.label, "component": self.component, "kind": self.kind}
        return {**head, **self.facts, "expected": self.expected, "tensors": described}


def _why_wide(u: float) -> dict[str, Json]:
    reason = f"torch's own float32 result is up to {u:.3g} ulp from the truth here, so the limit is wide"
    return {"note": reason} if u > WIDE else {}


def absolute(limit: float, truth: np.ndarray, dtype: str) -> float:
    """The limit in the tensor's own unit; 0 for integers, and where nothing is finite."""
    finite = truth[np.isfinite(truth)].astype(np.float64)
    if truth.dtype.kind != "f" or not finite.size:
        return 0.0
    return limit * (step(finite) if dtype == "int8" else ulp(finite, dtype))


def held_by_torch(value: Any) -> bool:
    """Whether this is a tensor of a dtype that NumPy does not have, as bfloat16."""
    return type(value).__module__.startswith("torch") and str(getattr(value, "dtype", "")) == "torch.bfloat16"
