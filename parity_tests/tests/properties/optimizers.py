"""Optimizers through drawn parameters, options and gradients: every parameter and state entry after every step."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from parity_tests.checks.optimizer import Side, unrounded
from parity_tests.checks.refusal import same_class
from parity_tests.checks.sides import Numbers
from parity_tests.engine import REFERENCE, SCRATCH, Engine
from parity_tests.rule import DRAWS, distance, float32_limit, float64_limit
from parity_tests.table.row import Optimizer
from parity_tests.tests.properties.example import FLOAT_VALUES, Option, special
from parity_tests.tests.properties.refusal_text import fault
from parity_tests.tests.properties.strategies import choices

SIZES = ("1", "tiny", "root", "subnormal")


@dataclass(frozen=True)
class Weight:
    """One parameter: its shape, and in every step the gradient's size, a special value in it, or no gradient."""

    shape: tuple[int, ...]
    gradients: tuple[tuple[str, str] | None, ...]
    name: str = ""

    @property
    def absent(self) -> frozenset[int]:
        return frozenset(step for step, gradient in enumerate(self.gradients) if gradient is None)

    def values(self, number: int, step: int = -1) -> np.ndarray:
        rng = np.random.default_rng([number, step + 1, len(self.name), *self.shape])
        values = np.asarray(rng.normal(size=self.shape), np.float32)
        gradient = self.gradients[step] if step >= 0 else None
        if gradient is not None:
            size, planted = gradient
            with np.errstate(over="ignore", under="ignore"):
                values = np.asarray(values * special(size, values.dtype))
            if planted and values.size:
                values.flat[rng.integers(values.size)] = special(planted, values.dtype)
        return values


@dataclass(frozen=True)
class Training:
    """A rule with options, on parameters of some shapes, for as many steps as they have gradients."""

    rule: str
    options: tuple[Option, ...]
    weights: tuple[Weight, ...]
    dtype: str

    def problem(self) -> str:
        """How scratch differs from torch, or nothing."""
        ours, theirs = self.run(SCRATCH, self.dtype), self.run(REFERENCE, self.dtype)
        if isinstance(ours, Exception) or isinstance(theirs, Exception):
            if not (isinstance(ours, Exception) and isinstance(theirs, Exception)):
                return f"verdict: scratch {ours!r:.300}; torch {theirs!r:.300}"
            if len(self.options) <= 1 and not same_class(ours, theirs):
                return f"class: scratch {ours!r}; torch {theirs!r}"
            return fault(ours)
        for step, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            if a.keys() != b.keys():
                return f"step {step}: {sorted(a)}, torch has {sorted(b)}"
            for what in b:
                if text := self.difference(what, step, a[what], b[what]):
                    return f"step {step}, {what}: {text}"
        return ""

    def difference(self, what: str, step: int, ours: np.ndarray, theirs: np.ndarray) -> str:
        if (ours.dtype, ours.shape) != (theirs.dtype, theirs.shape):
            return f"{ours.dtype}{list(ours.shape)}, torch has {theirs.dtype}{list(theirs.shape)}"
        if distance(ours, theirs) == 0:
            return ""
        truth = theirs if self.dtype == "float64" else self.reference("float64", 0, step, what)
        same = (np.isfinite(ours) & np.isfinite(theirs)) | (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        if not (same | np.isfinite(truth)).all():  # of what is finite in truth squares may overflow, in either's order
            return f"{ours[~same][:3]}, torch has {theirs[~same][:3]}"
        error, u = _finite(ours, truth), 0.0
        for draws in (1, DRAWS):
            for number in range(draws):
                pair = (self.reference(dtype, number, step, what) for dtype in ("float32", "float64"))
                u = max(u, _finite(*pair))
            limit = (float32_limit if self.dtype == "float32" else float64_limit)(u)
            if error <= limit:
                return ""
        return f"{error:.3g} ulp, limit {limit:.3g}"

    def reference(self, dtype: str, number: int, step: int, what: str) -> np.ndarray:
        run = self.run(REFERENCE, dtype, number)
        assert not isinstance(run, Exception)
        return run[step][what]

    def run(self, engine: Engine, dtype: str, number: int = 0) -> list[Numbers] | Exception:
        """All numbers after every step, or the error."""
        weights = [Weight(w.shape, w.gradients, f"{i}{w.shape}") for i, w in enumerate(self.weights)]
        kwargs = {"max_iter": 2} if self.rule == "LBFGS" else {}
        row = Optimizer(
            f"optim.{self.rule}", kwargs={**kwargs, **{option.name: option.value for option in self.options}}
        )
        try:
            with (
                np.errstate(all="ignore"),
                unrounded() if dtype == "float64" and self.rule == "Muon" else nullcontext(),
            ):
                side = Side(row, weights, engine, {w.name: w.values(number) for w in weights}, dtype)
                trajectory = []
                for step in range(len(weights[0].gradients)):
                    side.step(number, step)
                    trajectory.append(side.numbers())
        except Exception as error:
            return error
        return trajectory


def _finite(value: np.ndarray, truth: np.ndarray) -> float:
    both = np.isfinite(value) & np.isfinite(truth)
    return distance(value[both], truth[both]) if both.any() else 0.0


def trainings(rule: str) -> st.SearchStrategy[Training]:
    """A rule with up to three options of its own, two to four parameters, one to four steps."""
    fast = {"max_iter", "max_eval"} if rule == "LBFGS" else set()  # it would iterate until rounding decides
    offered = [
        Option(key, value)
        for key, values in choices(f"optim.{rule}").items()
        if key not in {"params", *fast}
        for value in values
    ]
    options = st.lists(st.sampled_from(offered), max_size=3, unique_by=lambda option: option.name).map(tuple)
    shapes = st.sampled_from(
        [(5, 3), (7,), (), (0,), (2, 0), (1, 1), (2, 3, 2)] if rule != "Muon" else [(5, 3), (2, 7), (1, 1)]
    )
    gradient = st.tuples(st.sampled_from(SIZES), st.sampled_from(["", "", "", *FLOAT_VALUES]))
    steps = st.integers(1, 2 if rule == "LBFGS" else 4)
    weights = [st.builds(Weight, shapes, st.tuples(*[st.one_of(gradient, gradient, st.none())] * n)) for n in range(5)]
    several = [st.lists(weight, min_size=2, max_size=4) for weight in weights]
    gradients = steps.flatmap(lambda n: several[n])
    return st.builds(Training, st.just(rule), options, gradients.map(tuple), st.sampled_from(("float32", "float64")))
