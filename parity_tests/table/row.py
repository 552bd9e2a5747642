"""The kinds of rows that the table holds: one dataclass per kind, whose fields have one meaning each.

What is drawn for a row is written as a recipe (recipe.py), a component among the arguments as Built (built.py).

All kinds have
    name     the path of the component within the package, on both engines: "nn.Linear", "optim.Adam"
    case     what distinguishes this row from the component's other rows
    args     positional arguments of the component; a Recipe among them is drawn once
    kwargs   its keyword arguments
    notes    check -> reason, for a check of this row that differs from torch on purpose; the report prints the reason
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from parity_tests.table.recipe import Recipe

if TYPE_CHECKING:
    from parity_tests.engine import Engine

Nest = Any  # a recipe, a value, or tuples, lists and dicts of them


class Pair:
    """One component in one configuration, on both engines: what all kinds but Refusal have in common."""

    name: str
    case: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    notes: dict[str, str]

    @property
    def label(self) -> str:
        return f"{self.name}[{self.case}]" if self.case else self.name


@dataclass(frozen=True)
class Layer(Pair):
    """A layer, an activation or a loss.

    inputs   the inputs of forward, nested as forward takes them (a tuple for an LSTM's states)
    call     keyword arguments of forward
    smooth   False where the inputs sit on kinks, so that finite differences have no meaning
    noise_per_dtype  True where torch draws other random numbers in float64 than in float32 (uniform noise), so that
             float32 is judged by torch's float32
    """

    name: str
    args: tuple[Any, ...] = ()
    inputs: tuple[Nest, ...] = ()
    case: str = ""
    kwargs: dict[str, Any] = field(default_factory=dict)
    call: dict[str, Any] = field(default_factory=dict)
    smooth: bool = True
    noise_per_dtype: bool = False
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Inference(Pair):
    """A layer in eval mode without gradients, where torch may take another path: the forward alone.

    inputs     the inputs of forward; a recipe that occurs several times is one array, as in self-attention
    call       keyword arguments of forward
    fast_path  False with torch's option that turns its fast path for attention off, and scratch's
    """

    name: str
    args: tuple[Any, ...] = ()
    inputs: tuple[Nest, ...] = ()
    case: str = ""
    kwargs: dict[str, Any] = field(default_factory=dict)
    call: dict[str, Any] = field(default_factory=dict)
    fast_path: bool = True
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Optimizer(Pair):
    """An update rule on two groups of parameters. `second_group` holds the options of the second one."""

    name: str
    case: str = ""
    kwargs: dict[str, Any] = field(default_factory=dict)
    second_group: dict[str, Any] = field(default_factory=dict)
    args: tuple[Any, ...] = ()
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scheduler(Pair):
    """A learning rate schedule; (name, kwargs) among its arguments is another one on the same optimizer.

    optimizer   the name of the update rule that it drives
    """

    name: str
    case: str = ""
    kwargs: dict[str, Any] = field(default_factory=dict)
    optimizer: str = "SGD"
    args: tuple[Any, ...] = ()
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Initialiser(Pair):
    """A function that fills an array. `arrays` are filled one after the other, each transposed too."""

    name: str
    args: tuple[Any, ...] = ()
    arrays: tuple[Recipe, ...] = ()
    case: str = ""
    kwargs: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Clipping(Pair):
    """A function of the gradients of parameters; None is a parameter without one."""

    name: str
    gradients: tuple[Recipe | None, ...] = ()
    case: str = ""
    kwargs: dict[str, Any] = field(default_factory=dict)
    args: tuple[Any, ...] = ()
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Averaging(Pair):
    """A running average of a network's weights; an averaging function is written as (name, *arguments).

    updates   how many updates are made; the one that torch refuses is the last
    """

    name: str
    case: str = ""
    kwargs: dict[str, Any] = field(default_factory=dict)
    updates: int = 7
    args: tuple[Any, ...] = ()
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Program(Pair):
    """A function, or a class that is not a layer, used in a few lines that run on both engines.

    run   takes an engine, the precision and a NumPy generator, and returns everything that came out, as a nest of
          arrays and plain values
    """

    name: str
    run: Callable[[Engine, str, np.random.Generator], Nest]
    case: str = ""
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """Bad input: torch raises, and scratch must raise the same class of error, naming the component.

    The constructor may already refuse `args` and `kwargs`; then `inputs` is not used.
    """

    name: str
    args: tuple[Any, ...] = ()
    inputs: tuple[Nest, ...] = ()
    case: str = ""
    kwargs: dict[str, Any] = field(default_factory=dict)
    call: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return f"{self.name}[refuses {self.case}]"


Row = Pair | Refusal
