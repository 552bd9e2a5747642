"""Both engines on one example: the same numbers, kinds and names, or the same class of refusal.

Numbers are judged by the rule of rule.py, example by example: U is torch's own float32 error on the example and on
four siblings, which differ from it in the random numbers alone. Mostly scratch is near enough without them, so they are
drawn only if it is not.

Where torch's float32 overflows in a tensor whose truth is finite, the order of operations decides what becomes of it,
and the rule has no meaning: then only those elements are compared that are NaN or infinite in truth. A float64 example
is looked at through its float32 twin, whose huge and tiny numbers are float32's.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch

from parity_tests.checks.refusal import same_class
from parity_tests.checks.sides import Numbers, ScratchSide, TorchSide, parameter_noise
from parity_tests.nests import leaves, map_nest
from parity_tests.rule import DRAWS, FLOOR, distance, float32_limit, float64_limit
from parity_tests.tests.properties.example import Dtype, Example
from parity_tests.tests.properties.refusal_text import fault
from parity_tests.tests.properties.unsafe import UNSAFE, is_unsafe

NO_DIGITS = 2.0**20  # where torch's float32 is off by this many ulp, it has 3 bits or fewer: nothing can be asked


@dataclass(frozen=True)
class Outcome:
    """What one engine made of an example."""

    numbers: Numbers | None = None
    error: Exception | None = None

    def __str__(self) -> str:
        if self.error is None:
            return "accepts it"
        return f"{type(self.error).__name__}: {' '.join(str(self.error).split())[:200]}"


@dataclass(frozen=True)
class Problem:
    """One way in which scratch differs from torch: `what` is a quantity, "verdict", "class", "text" or "warning"."""

    what: str
    text: str
    ours: Outcome
    theirs: Outcome
    excess: float = np.inf  # of a number: its error over its limit


def problems(example: Example) -> list[Problem]:
    """Everything in which scratch is not what torch is."""
    with warnings.catch_warnings():
        for category in (UserWarning, FutureWarning, DeprecationWarning):
            warnings.simplefilter("ignore", category)
        warnings.simplefilter("error", RuntimeWarning)
        with np.errstate(all="ignore"):
            return Trial(example).problems()


class Ours(ScratchSide):
    """Scratch, also on integers: they have no gradient, and torch has no graph for outputs that are integers."""

    def forward(self, inputs: Any, call: Any, training: bool, seed: int) -> Any:
        self.inputs = list(leaves(inputs))
        return super().forward(inputs, call, training, seed)

    def backward(self, cotangents: Any) -> Any:
        if all(dy is None for dy in leaves(cotangents)):
            return None
        gradients = list(leaves(super().backward(cotangents)))
        if len(gradients) != len(self.inputs):
            return gradients
        return [
            g for g, x in zip(gradients, self.inputs, strict=True) if getattr(x, "dtype", np.dtype(int)).kind == "f"
        ]


class Trial:
    def __init__(self, example: Example) -> None:
        self.example, self.pair = example, example.pair()
        self.float32 = example.dtype == "float32"
        self.torch_outcomes: dict[tuple[str, str, int], Outcome] = {}

    def problems(self) -> list[Problem]:
        if self.pair.name in UNSAFE and is_unsafe(self.pair.name, self.ours(Outcome()).error):
            return []
        theirs = self.theirs(self.example.dtype, self.example.dtype)
        ours = self.ours(theirs)
        found = self.refusals(ours, theirs) if ours.error or theirs.error else self.differences(ours, theirs)
        return [Problem(what, text, ours, theirs, excess) for what, text, excess in found]

    # --- refusals -----------------------------------------------------------------------------------------------------

    def refusals(self, ours: Outcome, theirs: Outcome) -> Iterator[tuple[str, str, float]]:
        """With several departures it is anybody's choice which is refused first, so the class may differ."""
        both = f"scratch {ours}; torch {theirs}"
        if isinstance(ours.error, RuntimeWarning):
            yield "warning", str(ours.error), np.inf
        elif ours.error is None or theirs.error is None:
            yield "verdict", both, np.inf
        else:
            refusable = sum(departure.may_be_refused for departure in self.example.departures)
            if refusable <= 1 and not same_class(ours.error, theirs.error):
                yield "class", both, np.inf
        if ours.error is not None and (wrong := fault(ours.error)):
            yield "text", wrong, np.inf

    # --- numbers ------------------------------------------------------------------------------------------------------

    def differences(self, ours: Outcome, theirs: Outcome) -> Iterator[tuple[str, str, float]]:
        assert ours.numbers is not None
        assert theirs.numbers is not None
        if ours.numbers.keys() != theirs.numbers.keys():
            yield "names", f"scratch {sorted(ours.numbers)}; torch {sorted(theirs.numbers)}", np.inf
            return
        for name, value in theirs.numbers.items():
            text, excess = self.difference(name, ours.numbers[name], value)
            if text:
                yield name, text, excess

    def difference(self, name: str, ours: np.ndarray, theirs: np.ndarray) -> tuple[str, float]:
        if (ours.dtype, ours.shape) != (theirs.dtype, theirs.shape):
            return f"{ours.dtype}{list(ours.shape)}, torch has {theirs.dtype}{list(theirs.shape)}", np.inf
        if distance(ours, theirs) == 0:
            return "", 0.0
        if ours.dtype.kind == "c":
            ours, theirs = (np.asarray(x).view(x.real.dtype) for x in (ours, theirs))
        if ours.dtype.kind != "f":
            return f"{ours.tolist()}, torch has {theirs.tolist()}", np.inf
        rough, truth = self.references(name, theirs)
        finite = np.isfinite(rough)
        if self.example.has_value("max"):  # sums of such numbers overflow or not as their order will have it
            finite &= np.isfinite(ours) & np.isfinite(theirs)
        overflows = bool((np.isfinite(truth) & ~finite).any())
        strange = ~(_same_pattern(ours, theirs) | (_same_pattern(ours, truth) if self.float32 else False))
        strange &= ~np.isfinite(truth) if overflows else True
        if self.example.has_value("max", "root"):  # and then infinities meet or not, as that order will have it
            strange &= np.isfinite(ours) | np.isfinite(theirs)
        if strange.any():
            return f"{ours[strange][:5]}, torch has {theirs[strange][:5]}", np.inf
        if overflows:
            return "", 0.0
        mixed = self.example.has_departure(Dtype)  # of two precisions: the coarser one counts
        error = _finite_distance(
            ours, truth if self.float32 else theirs, np.float32 if mixed and ours.dtype.itemsize > 2 else None
        )
        limit = float32_limit if self.float32 else float64_limit
        for draws in (0, 1, DRAWS):  # the limit only rises
            u = max(self.u(name, draws, theirs), 0.0 if self.float32 or not draws else self.sensitivity(name, theirs))
            if error <= (allowed := limit(u)) or u > NO_DIGITS:
                return "", 0.0
        return f"{error:.3g} ulp, limit {allowed:.3g}", error / allowed

    def u(self, name: str, draws: int, theirs: np.ndarray) -> float:
        """Torch's own float32 error over so many siblings."""
        return max((_finite_distance(*self.references(name, theirs, i)) for i in range(draws)), default=0.0)

    def sensitivity(self, name: str, theirs: np.ndarray) -> float:
        """What a few roundings of the inputs change, as many as the rule's floor: nobody can be blamed for less.

        In float64 the saturated part of a function, whose gradient is all rounding, lies elsewhere than in float32.
        """
        inputs, call = self.example.inputs(self.pair, self.example.dtype)
        changes = [0.0]
        for seed in range(DRAWS):
            moved = map_nest(partial(_moved, rng=np.random.default_rng(seed)), inputs)
            numbers = _outcome(partial(self._theirs, moved, call, self.example.dtype)).numbers
            if numbers is not None and numbers[name].shape == theirs.shape:
                changes.append(_finite_distance(numbers[name], theirs))
        return max(changes)

    def references(self, name: str, theirs: np.ndarray, sibling: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """The same float32 numbers evaluated by torch in float32 and in float64, if it can."""
        rough, truth = (self.theirs("float32", dtype, sibling).numbers for dtype in ("float32", "float64"))
        if rough is None or truth is None or not _kind(rough[name]) == _kind(truth[name]) == _kind(theirs):
            return theirs, theirs
        return rough[name], truth[name]

    # --- running ------------------------------------------------------------------------------------------------------

    def theirs(self, numbers: str, dtype: str, sibling: int = 0) -> Outcome:
        """Torch on numbers of one precision, computing in another."""
        if (numbers, dtype, sibling) not in self.torch_outcomes:
            inputs, call = self.example.inputs(self.pair, numbers, sibling)
            if numbers != dtype:
                inputs, call = map_nest(_widened, (inputs, call))
            self.torch_outcomes[numbers, dtype, sibling] = _outcome(lambda: self._theirs(inputs, call, dtype))
        return self.torch_outcomes[numbers, dtype, sibling]

    def _theirs(self, inputs: Any, call: Any, dtype: str) -> Numbers:
        side = TorchSide(self.pair, dtype, 7)
        side.load_parameters(self.parameters)
        inputs, call = map_nest(lambda x: _tensor(side, x), (inputs, call))
        return side.run(inputs, call, self.example.training)

    def ours(self, theirs: Outcome) -> Outcome:
        """Finite numbers with finite results make no warning; others may, as the caller's np.errstate says."""
        inputs, call = self.example.inputs(self.pair, self.example.dtype)
        finite = theirs.numbers is not None and all(map(_finite, [*theirs.numbers.values(), *leaves(inputs)]))
        quiet = not finite or self.example.has_value("max", "root")
        with np.errstate(all="ignore" if quiet else "warn", under="ignore"):
            return _outcome(lambda: self._ours(inputs, call))

    def _ours(self, inputs: Any, call: Any) -> Numbers:
        side = Ours(self.pair, self.example.dtype, 7)
        for name, parameter in side.module.named_parameters():
            parameter.data[...] = self.parameters[name]
        return side.run(inputs, call, self.example.training)

    @cached_property
    def parameters(self) -> Numbers:
        """The same float32 numbers for both engines in both precisions, off their initial values."""
        try:
            initial = TorchSide(self.pair, "float32", 7).module.named_parameters()
        except Exception:
            return {}
        return {name: p.detach().numpy() + parameter_noise(self.pair, name, tuple(p.shape)) for name, p in initial}


def _tensor(side: TorchSide, x: Any) -> Any:
    """A tensor with the array's strides as far as torch has them: none are negative."""
    if not isinstance(x, np.ndarray):
        return x
    if any(stride < 0 for stride in x.strides):
        return torch.tensor(x.copy())
    if 0 in x.strides and x.size > 1:
        return torch.tensor(x[:1].copy()).expand(x.shape)
    return side._tensor(x)


def _finite(x: Any) -> bool:
    return not isinstance(x, np.ndarray) or x.dtype.kind != "f" or bool(np.isfinite(x).all())


def _same_pattern(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Where both are finite, or the same infinity, or NaN."""
    return (np.isfinite(a) & np.isfinite(b)) | (a == b) | (np.isnan(a) & np.isnan(b))


def _kind(x: np.ndarray) -> tuple[str, tuple[int, ...]]:
    return x.dtype.kind, x.shape


def _moved(x: Any, rng: np.random.Generator) -> Any:
    if not (isinstance(x, np.ndarray) and x.dtype.kind == "f"):
        return x
    signs = rng.choice([-FLOOR, FLOOR], x.shape).astype(x.dtype)
    return np.where(np.isfinite(x), x + signs * np.spacing(x), x)


def _widened(x: Any) -> Any:
    return x.astype(np.float64) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x


def _finite_distance(value: np.ndarray, truth: np.ndarray, dtype: Any = None) -> float:
    both = np.isfinite(value) & np.isfinite(truth)
    return distance(value[both], truth[both], dtype) if both.any() else 0.0


def _outcome(run: Callable[[], Numbers]) -> Outcome:
    try:
        return Outcome(run())
    except Exception as error:
        return Outcome(error=error)
