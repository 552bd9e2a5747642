"""Check a layer, an activation or a loss: both engines, the same numbers, everything that can differ."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

import scratch
from parity_tests.checks.refusal import attempt, same_class, verdict
from parity_tests.checks.sides import (
    Numbers,
    ScratchSide,
    TorchSide,
    cotangent,
    differentiable,
    draw,
    generator,
    parameter_noise,
)
from parity_tests.engine import REFERENCE, SCRATCH, Engine, Torch
from parity_tests.nests import leaves, map_nest
from parity_tests.rule import DRAWS, Ledger, Result, bits_equal, exactly, ulp
from parity_tests.table.row import Layer

DTYPES = ("float32", "float64")


def check_layer(row: Layer, dtypes: tuple[str, ...], ours: Engine, theirs: Torch) -> list[Result]:
    return list(LayerCheck(row, dtypes, ours, theirs).results())


class LayerCheck:
    """Initial state, values, call rules, memory layout, other batch shapes, non-finite input, finite differences."""

    def __init__(self, row: Layer, dtypes: tuple[str, ...], ours: Engine = SCRATCH, theirs: Torch = REFERENCE) -> None:
        self.row, self.dtypes, self.ours, self.theirs = row, dtypes, ours, theirs
        self.sides: dict[str, tuple[ScratchSide, TorchSide]] = {}
        for dtype in DTYPES:
            self.sides[dtype] = ScratchSide(row, dtype, 7, ours), TorchSide(row, dtype, 7, theirs)
        self.spare: dict[str, TorchSide] = {}
        self.samples: dict[tuple[int, str], tuple[Any, Any]] = {}
        self.ledgers = {dtype: Ledger(row.label, dtype) for dtype in DTYPES}
        self.modes = (True, False) if "eval" not in row.notes else (True,)
        if theirs.device != "cpu" and self.draws():
            self.modes = (False,)  # another device draws other numbers: only eval mode can agree

    def draws(self) -> bool:
        """Whether forward takes random numbers in training mode."""
        side = self.sides["float32"][0]
        with scratch.no_grad():
            side.forward(*self.sample(0, "float32"), True, 0)
        after = scratch.get_rng_state()
        return not np.array_equal(after, scratch.manual_seed(0).get_state())

    def results(self) -> Iterator[Result]:
        yield from self.initial_state()
        self.share_parameters()
        yield from self.numbers()
        yield from self.call_rules()
        yield from self.layout()
        yield from self.other_batches()
        yield from self.nonfinite()
        if self.row.smooth and "float64" in self.dtypes:
            yield from self.finite_differences()

    # --- before anything runs ---------------------------------------------------------------------------------------

    def initial_state(self) -> Iterator[Result]:
        """Names and order of the state_dict, and equal bits from the same seed."""
        for dtype in self.dtypes:
            ours, theirs = (side.state() for side in self.sides[dtype])
            yield exactly(
                self.row.label,
                "state_dict names",
                dtype,
                list(ours) == list(theirs),
                f"{list(ours)}, torch {list(theirs)}",
            )
            if "init" in self.row.notes or self.theirs.device != "cpu":
                continue
            for name in [name for name in ours if name in theirs]:
                yield exactly(
                    self.row.label, f"init {name}", dtype, bits_equal(ours[name], theirs[name]), "bits differ"
                )

    def share_parameters(self) -> None:
        """Give both sides, in both precisions, the same float32 numbers, off their initial values."""
        values = {
            name: np.asarray(value, np.float32) + parameter_noise(self.row, name, value.shape)
            for name, value in self.sides["float32"][0].parameters().items()
        }
        for ours, theirs in self.sides.values():
            for name, parameter in ours.module.named_parameters():
                parameter.data[...] = values[name]
            theirs.load_parameters(values)

    # --- the numbers ------------------------------------------------------------------------------------------------

    def sample(self, number: int, dtype: str) -> tuple[Any, Any]:
        """Inputs and forward's keyword arguments of one draw, read-only, equal numbers in both precisions."""
        if (number, dtype) not in self.samples:
            drawn = draw((self.row.inputs, self.row.call), generator(self.row, 0, number), np.dtype(dtype))
            self.samples[number, dtype] = map_nest(_read_only, drawn)
        return self.samples[number, dtype]

    def numbers(self) -> Iterator[Result]:
        """Output, gradients and buffers in train and eval mode, over several draws, against the rule."""
        for number in range(DRAWS):
            for training in self.modes:
                (s32, t32), (s64, t64) = (
                    [side.run(*self.sample(number, dtype), training, seed=number) for side in self.sides[dtype]]
                    for dtype in DTYPES
                )
                if s64.keys() != t64.keys():
                    yield exactly(self.row.label, "names", None, False, f"{sorted(s64)}, torch {sorted(t64)}")
                for name in t64:
                    what = name if training else f"eval {name}"
                    if self.row.noise_per_dtype:  # then each precision is its own truth
                        self.ledgers["float32"].record(what, s32.get(name), t32[name], t32[name])
                        self.ledgers["float64"].record(what, s64.get(name), t64[name], t64[name])
                    else:
                        u = self.ledgers["float32"].record(what, s32.get(name), t32[name], t64[name])
                        self.ledgers["float64"].record(what, s64.get(name), t32[name], t64[name], u)
        for results in zip(
            *(self.ledgers[dtype].results() for dtype in sorted(self.dtypes, reverse=True)), strict=True
        ):
            yield from results

    def limit(self, what: str, dtype: str) -> float:
        return self.ledgers[dtype].limit(what)

    # --- what calling it may and may not do -------------------------------------------------------------------------

    def call_rules(self) -> Iterator[Result]:
        """Two backwards add; a third without a forward is refused; no_grad saves nothing; cotangents are checked."""
        dtype = self.dtypes[0]
        side, label = self.sides[dtype][0], self.row.label
        inputs, call = self.sample(0, dtype)
        once = side.run(inputs, call)
        twice = side.run(inputs, call, keep=True)
        for name, _ in side.module.named_parameters():
            same = np.array_equal(twice[f"grad {name}"], once[f"grad {name}"] * 2, equal_nan=True)
            yield exactly(label, f"two backwards add grad {name}", dtype, same)
        output = side.forward(inputs, call, True, 0)
        refused = _raises(lambda: side.backward(side.cotangents(output, (1,))), RuntimeError)
        yield exactly(label, "refuses a cotangent of another shape", dtype, refused)
        side.run(inputs, call)
        refused = _raises(lambda: side.backward(side.cotangents(output)), RuntimeError)
        yield exactly(label, "refuses a second backward", dtype, refused)
        with scratch.no_grad():
            silent = side.forward(inputs, call, True, 0)
        if not any("running" in name for name, _ in side.module.named_buffers()):
            same = all(map(_same_numbers, leaves(silent), leaves(output)))
            yield exactly(label, "the same output inside no_grad", dtype, same)
        refused = _raises(lambda: side.backward(side.cotangents(output)), RuntimeError)
        yield exactly(label, "refuses backward after no_grad", dtype, refused)

    def layout(self) -> Iterator[Result]:
        """Inputs with NaN in the gaps between their elements, and in Fortran order, give the same as in torch."""
        if "noncontiguous" in self.row.notes:
            return
        dtype = self.dtypes[-1]
        views: tuple[tuple[str, Any], ...] = (("strided:", _strided), ("Fortran order:", np.asfortranarray))
        for what, view in views:
            inputs, call = self.sample(0, dtype)
            inputs = map_nest(partial(_view, view=view), inputs)
            yield from self.sameverdict(what, inputs, call, dtype)

    def other_batches(self) -> Iterator[Result]:
        """An empty batch and no batch dimension: torch's result, or torch's class of error."""
        dtype = self.dtypes[-1]
        cuts: tuple[tuple[str, Any], ...] = (("empty", slice(0)), ("unbatched", 0))
        for what, index in cuts:
            if what not in self.row.notes:
                inputs, call = self.sample(0, dtype)
                yield from self.sameverdict(what, map_nest(partial(_cut, index=index), inputs), call, dtype)

    def nonfinite(self) -> Iterator[Result]:
        """NaN and infinities in one element of an input travel through output and gradients as in torch.

        NumPy may warn of them, according to the caller's np.errstate, which ignores them here.
        """
        if "nonfinite" in self.row.notes:
            return
        dtype = "float64"  # some of torch's float32 kernels lose an infinity that its float64 kernels keep
        for i, wanted in enumerate(differentiable(self.row)):
            for planted in (np.nan, np.inf, -np.inf):
                inputs, call = self.sample(0, dtype)
                target = list(leaves(inputs))[i]
                if not wanted or target.size == 0:
                    continue
                poisoned = target.copy()
                poisoned.flat[generator(self.row, 4, i).integers(target.size)] = planted
                poisoned_inputs = map_nest(partial(_swap, old=target, new=poisoned), inputs)
                with np.errstate(all="ignore"):
                    yield from self.sameverdict(f"{planted} in input {i}:", poisoned_inputs, call, dtype)

    def sameverdict(self, what: str, inputs: Any, call: Any, dtype: str) -> Iterator[Result]:
        ours, theirs = self._fresh(dtype)
        values, error = attempt(lambda: ours.run(inputs, call, self.modes[0]))
        expected, torch_error = attempt(lambda: theirs.run(inputs, call, self.modes[0]))
        if not torch_error and not theirs.buffers:
            self.spare[dtype] = theirs
        if expected is None or values is None:
            same = error is not None and torch_error is not None and same_class(error, torch_error)
            note = f"scratch: {verdict(error)}; torch: {verdict(torch_error)}"
            yield exactly(self.row.label, f"{what} verdict", dtype, same, note)
            return
        results = self._judged(values, expected, expected, dtype)
        if not all(result.ok for result in results) and dtype == "float64" and not self.row.noise_per_dtype:
            # these inputs may be worse conditioned than the draws: torch's float32 error on them is a U too
            single, (x, options) = self._fresh("float32")[1], map_nest(_as_float32, (inputs, call))
            rough, _ = attempt(lambda: single.run(x, options, self.modes[0]))
            results = self._judged(values, rough or expected, expected, dtype)
        for result in results:
            yield replace(result, what=f"{what} {result.what}")

    def _judged(self, values: Numbers, rough: Numbers, truth: Numbers, dtype: str) -> list[Result]:
        """The verdicts on numbers from other inputs than the draws', with the U of the draws or a larger one here."""
        ledger = Ledger(self.row.label, dtype)
        ledger.u = dict(self.ledgers[dtype].u)
        for name in truth:
            ledger.record(name, values.get(name), rough[name], truth[name])
        return list(ledger.results())

    def _fresh(self, dtype: str) -> tuple[ScratchSide, TorchSide]:
        """Sides with the shared parameters and initial buffers: ours is new, a call of torch's may have succeeded."""
        ours = ScratchSide(self.row, dtype, 7, self.ours)
        values = self.sides[dtype][0].parameters()
        for name, parameter in ours.module.named_parameters():
            parameter.data[...] = values[name]
        if dtype in self.spare:
            return ours, self.spare.pop(dtype)
        theirs = TorchSide(self.row, dtype, 7, self.theirs)
        theirs.load_parameters(values)
        return ours, theirs

    # --- without torch ----------------------------------------------------------------------------------------------

    def finite_differences(self) -> Iterator[Result]:
        """The backward is the derivative of the forward, in float64, by central differences along random directions.

        f(h) = Σ <cotangent, output> at input + h v. D(h) = (f(h) - f(-h)) / 2h has an error of order h²; Richardson's
        (4 D(h/2) - D(h)) / 3 has one of order h⁴. The limit is |D(h) - D(h/2)|, which bounds it, plus the rounding of
        f divided by h. A large limit means that a kink lies within the step: then a smaller step is tried.
        """
        if "finite differences" in self.row.notes:
            return
        side = self._fresh("float64")[0]
        inputs, call = self.sample(0, "float64")
        numbers = side.run(inputs, call)
        flat = [x for x, wanted in zip(leaves(inputs), differentiable(self.row), strict=True) if wanted]
        names = [name for name in numbers if name.startswith("grad input")]
        moved = dict(zip(names, flat, strict=True)) | {f"grad {n}": p for n, p in side.parameters().items()}
        for number, (name, x) in enumerate(moved.items()):
            if x.size == 0:
                continue
            v = generator(self.row, 5, number).uniform(0.5, 1.0, x.shape)
            v *= generator(self.row, 6, number).choice([-1, 1], x.shape)
            terms = numbers[name] * v
            for h in (2.0**-11, 2.0**-15, 2.0**-19):
                wide, size = self._slope(side, inputs, call, x, v, h)
                narrow, _ = self._slope(side, inputs, call, x, v, h / 2)
                expected = (4 * narrow - wide) / 3
                error = abs(float(terms.sum()) - expected)
                rounding = 16 * float(np.finfo(np.float64).eps) * size / h
                limit = abs(wide - narrow) + rounding
                scale = float(np.abs(terms).sum()) + rounding
                ok = error <= limit <= max(1e-2 * scale, 2 * rounding)
                if ok or limit <= 2 * rounding:  # right, or wrong without a kink to blame
                    break
            note = "" if ok else f"backward gives {float(terms.sum()):.9g}, differences give {expected:.9g}"
            unit = ulp(np.array([scale]), np.float64)
            what = f"finite differences {name}"
            yield Result(self.row.label, what, "float64", error / unit if ok else math.inf, limit / unit, note)

    def _slope(
        self, side: ScratchSide, inputs: Any, call: Any, x: np.ndarray, v: np.ndarray, h: float
    ) -> tuple[float, float]:
        """(f(x + hv) - f(x - hv)) / 2h, and the size of the terms that f sums."""
        before, values = x.copy(), []
        size = 0.0
        is_parameter = any(x is p for p in side.parameters().values())
        for sign in (1, -1):
            changed = before + sign * h * v
            if is_parameter:
                x[...] = changed
            moved = inputs if is_parameter else map_nest(partial(_swap, old=x, new=changed), inputs)
            outputs = [y for y in leaves(side.forward(moved, call, True, 0)) if y is not None]
            terms = [
                cotangent(self.row, i, np.shape(y), y.dtype) * y for i, y in enumerate(outputs) if y.dtype.kind == "f"
            ]
            values.append(sum(float(t.sum()) for t in terms))
            size = max(size, sum(float(np.abs(t).sum()) for t in terms))
            if is_parameter:
                x[...] = before
        return (values[0] - values[1]) / (2 * h), size


def _same_numbers(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def _raises(call: Any, kind: type[Exception]) -> bool:
    return isinstance(attempt(call)[1], kind)


def _read_only(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        x.flags.writeable = False
    return x


def _as_float32(x: Any) -> Any:
    return x.astype(np.float32) if isinstance(x, np.ndarray) and x.dtype == np.float64 else x


def _swap(x: Any, old: np.ndarray, new: np.ndarray) -> Any:
    return new if x is old else x


def _cut(x: Any, index: Any) -> Any:
    return x[index] if isinstance(x, np.ndarray) and x.ndim else x


def _view(x: Any, view: Any) -> Any:
    return _read_only(view(x)) if isinstance(x, np.ndarray) and x.ndim else x


def _strided(x: np.ndarray) -> np.ndarray:
    """The same values with a gap after each; the gaps hold NaN, or the largest integer."""
    gaps = np.full(
        (*x.shape, 2), np.nan if x.dtype.kind == "f" else (1 if x.dtype.kind == "b" else np.iinfo(x.dtype).max), x.dtype
    )
    gaps[..., 0] = x
    return gaps[..., 0]
