"""What a row of the table is made of: recipes for inputs, and the Pair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Recipe:
    """How to draw one array. Floats are rounded to float32, so that both precisions start from the same numbers."""

    draw: Callable[[np.random.Generator], np.ndarray]
    differentiable: bool = True

    def __call__(self, rng: np.random.Generator, dtype: Any) -> np.ndarray:
        values = np.asarray(self.draw(rng))
        return values.astype(np.float32).astype(dtype) if values.dtype.kind == "f" else values


def normal(*shape: int, loc: float = 0.0, scale: float = 1.0) -> Recipe:
    return Recipe(lambda rng: rng.normal(loc, scale, shape))


def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Recipe:
    return Recipe(lambda rng: rng.uniform(low, high, shape))


def log_probabilities(*shape: int, axis: int = 1) -> Recipe:
    """Logarithms of probabilities that sum to 1 along an axis."""
    return Recipe(lambda rng: _log_softmax(rng.normal(size=shape), axis))


def probabilities(*shape: int, axis: int = 1) -> Recipe:
    return Recipe(lambda rng: np.exp(_log_softmax(rng.normal(size=shape), axis)))


def integers(*shape: int, low: int = 0, high: int) -> Recipe:
    """int64 in [low, high): class labels, indices, lengths."""
    return Recipe(lambda rng: rng.integers(low, high, shape), differentiable=False)


def booleans(*shape: int, p: float = 0.5) -> Recipe:
    return Recipe(lambda rng: rng.random(shape) < p, differentiable=False)


def signs(*shape: int) -> Recipe:
    """-1.0 and 1.0, as the margin losses want their targets."""
    return Recipe(lambda rng: rng.choice([-1.0, 1.0], shape), differentiable=False)


def given(values: Any) -> Recipe:
    """These values in every draw: kinks, ties, special cases. Integer lists become int64."""
    array = np.asarray(values)
    return Recipe(lambda rng: array, differentiable=array.dtype.kind == "f")


def fixed(recipe: Recipe) -> Recipe:
    """The same draw, but no gradient is asked for it: targets."""
    return replace(recipe, differentiable=False)


def _log_softmax(x: np.ndarray, axis: int) -> np.ndarray:
    return x - np.log(np.exp(x).sum(axis=axis, keepdims=True))


@dataclass(frozen=True)
class Pair:
    """One component in one configuration, on both sides.

    name     where it lives below the package, on both sides: "nn.Linear", "optim.Adam", "nn.init.xavier_normal_"
    args     what the constructor gets; a Recipe among them is drawn once, and given to torch as a tensor
    inputs   recipes for what forward gets, nested as forward wants them (a tuple for an LSTM's states)
    case     what distinguishes this row from the component's other rows
    kwargs   keyword arguments of the constructor
    call     keyword arguments of forward
    smooth   False where the inputs sit on kinks, so that finite differences have no meaning
    noise_per_dtype  True where torch draws other random numbers in float64 than in float32 (uniform noise), so that
             float32 is judged by torch's float32
    notes    check -> reason, for a check of this row that differs from torch on purpose; the report prints the reason
    """

    name: str
    args: tuple[Any, ...] = ()
    inputs: tuple[Any, ...] = ()
    case: str = ""
    kwargs: dict[str, Any] = field(default_factory=dict)
    call: dict[str, Any] = field(default_factory=dict)
    smooth: bool = True
    noise_per_dtype: bool = False
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return f"{self.name}[{self.case}]" if self.case else self.name


@dataclass(frozen=True)
class Refusal:
    """Bad input: torch raises, and scratch must raise the same class of error, naming the component.

    `args` and `kwargs` may themselves be what is refused; then `inputs` is not reached.
    """

    name: str
    args: tuple[Any, ...] = ()
    inputs: tuple[Any, ...] = ()
    case: str = ""
    kwargs: dict[str, Any] = field(default_factory=dict)
    call: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return f"{self.name}[refuses {self.case}]"
