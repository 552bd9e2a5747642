"""Plain relations between two arrays: zeros, a factor, a permutation of axes, a shift; and how values were drawn."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import numpy as np

from parity_tests.comparer.findings import Cause
from parity_tests.rule import distance

FALL = 8.0  # a relation is accepted only if the difference falls by this factor


def relation(value: Any, truth: Any, limit: float, what: str = "") -> Cause | None:
    """Zeros, a constant factor, a transpose, a reversed axis, a constant shift."""
    if value is None or np.size(truth) == 0 or value.dtype.kind != "f":
        return None
    exact = np.asarray(truth, np.float64)
    if value.shape != exact.shape:
        return _permuted(value, exact, limit, what)
    if not np.isfinite(value).all() or not np.isfinite(exact).all():
        return None
    got = value.astype(np.float64)
    apart = distance(value, exact)
    of, it = f"{what} " if what else "", what or "it"
    if not got.any():
        return Cause("zeros", f"{it} is zero on the left") if exact.any() and apart > limit else None
    if value.size < 2:
        return None

    def explains(other: np.ndarray) -> float | None:
        after = distance(value, other)
        return after if after <= limit and FALL * after <= apart and apart > FALL * limit else None

    norm = float((exact * exact).sum())
    factor = float((got * exact).sum()) / norm if norm else math.nan
    if math.isfinite(factor) and factor and (after := explains(exact * factor)) is not None:
        return Cause("factor", f"{it} on the left is {_factor(factor, exact.shape)} times the right's", apart, after)
    trials = [("transposed", "transposed", np.swapaxes(exact, -1, -2))] if exact.ndim > 1 else []
    trials += [("reversed", f"reversed along axis {d}", np.flip(exact, d)) for d in range(exact.ndim)]
    for name, text, other in trials:
        if other.shape == value.shape and (after := explains(other)) is not None:
            return Cause(name, f"{of}with the right's {text}", apart, after)
    shift = float((got - exact).mean())
    if (after := explains(exact + shift)) is not None:
        return Cause("shift", f"{it} on the left is the right's plus {shift:g}", apart, after)
    return None


def _permuted(value: np.ndarray, exact: np.ndarray, limit: float, what: str) -> Cause | None:
    """The same numbers with their axes in another order."""
    order = permutation(value.shape, exact.shape)
    for axes in permutations(range(exact.ndim)) if order is not None and exact.ndim <= 4 else ():
        moved = value.transpose(axes)
        if moved.shape == exact.shape and distance(moved, exact) <= limit:
            shapes = f"has shape {list(value.shape)}, not {list(exact.shape)}"
            text = f"{what or 'it'} {shapes}: its axes are permuted, transpose{axes} undoes it"
            return Cause("transposed-output", text)
    return None


def _factor(factor: float, shape: tuple[int, ...]) -> str:
    """The factor, with its meaning where a size of the array gives it one, perhaps by chance."""
    known = {f"the batch {shape[0]}": shape[0], f"1 / {shape[0]}, one over the batch": 1 / shape[0]} if shape else {}
    known |= {
        f"{math.prod(shape)}": math.prod(shape),
        f"1 / {math.prod(shape)}, one over the elements": 1 / math.prod(shape),
    }
    for n in shape[-1:] if shape else ():
        known |= {f"sqrt({n})": math.sqrt(n), f"1 / sqrt({n})": 1 / math.sqrt(n)}
    means = [text for text, size in known.items() if math.isclose(size, factor, rel_tol=1e-5)]
    return f"{factor:.6g}" + (f" ({means[0]})" if means else "")


def permutation(own: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, ...] | None:
    """The order of axes that gives an array of shape `own` the shape `wanted`: common layouts come first.

    None if there is none, or if they are equal as they are. (kernel..., in, out) becomes (out, in, kernel...).
    """
    n = len(own)
    if sorted(own) != sorted(wanted) or own == wanted:
        return None
    usual = [(n - 1, n - 2, *range(n - 2)), tuple(range(n))[::-1], (n - 1, *range(n - 1)), (0, n - 1, *range(1, n - 1))]
    for order in (*usual, *permutations(range(n))):
        if sorted(order) == list(range(n)) and tuple(own[i] for i in order) == wanted:
            return order
    return None


def initial_values(value: np.ndarray, truth: np.ndarray) -> Cause | None:
    """Which initializer the left's values look like, given the right's from the same seed."""
    if value.shape != truth.shape or value.size < 2:
        return None
    ours, theirs = value.astype(np.float64), truth.astype(np.float64)
    if not ours.any():
        return Cause("init", "the left starts at zeros, the right does not")
    fan_out, fan_in = (value.shape[0], math.prod(value.shape[1:])) if value.ndim > 1 else (value.size, value.size)
    bounds = {
        "Glorot uniform, bound sqrt(6 / (fan_in + fan_out))": math.sqrt(6 / (fan_in + fan_out)),
        "He uniform, bound sqrt(6 / fan_in)": math.sqrt(6 / fan_in),
        "LeCun uniform, bound sqrt(3 / fan_in)": math.sqrt(3 / fan_in),
        "uniform with bound 1 / sqrt(fan_in), torch's": 1 / math.sqrt(fan_in),
        "uniform with bound 1 / sqrt(fan_out)": 1 / math.sqrt(fan_out),
    }
    usable = np.abs(theirs) > 1e-3 * np.abs(theirs).max() if theirs.any() else np.zeros_like(theirs, bool)
    if usable.any():
        factor = float(np.median(ours[usable] / theirs[usable]))
        if np.allclose(ours, factor * theirs, rtol=1e-5, atol=1e-6 * np.abs(ours).max()):
            own = 1 / math.sqrt(fan_in)
            names = [name for name, bound in bounds.items() if math.isclose(bound / own, abs(factor), rel_tol=1e-4)]
            looks = f": {names[0]}" if names and value.ndim > 1 else ""
            return Cause(
                "init", f"the left's values are {factor:.6g} times the right's, from the same random numbers{looks}"
            )
    spread = float(ours.std())
    near = {name: bound / math.sqrt(3) for name, bound in bounds.items()} | {
        "N(0, 1)": 1.0, "N(0, 0.02²)": 0.02, "He normal": math.sqrt(2 / fan_in),
        "Glorot normal": math.sqrt(2 / (fan_in + fan_out)),
    }  # fmt: skip
    name, size = min(near.items(), key=lambda item: abs(math.log(item[1] / spread)))
    looks = f", nearest to {name}" if abs(math.log(size / spread)) < 0.2 else ""
    return Cause(
        "init", f"other values from the same seed: standard deviation {spread:.3g} against {theirs.std():.3g}{looks}"
    )


def argument(name: str, ours: Any, theirs: Any) -> Cause | None:
    """Why an index or a mask that a layer receives differs from the right's."""
    if theirs is None and isinstance(ours, np.ndarray) and "mask" in name:
        return Cause("mask-extra", f"with {name}, which the right does not give")
    if not isinstance(theirs, np.ndarray) or not theirs.size:
        return None
    mask = theirs.dtype.kind == "b"
    if not isinstance(ours, np.ndarray):
        return Cause("mask-missing", f"without {name}") if mask else None
    if ours.shape != theirs.shape or ours.dtype.kind != theirs.dtype.kind or theirs.dtype.kind not in "iub":
        return None
    if mask:
        if np.array_equal(ours, ~theirs):
            return Cause("mask-polarity", f"with {name} inverted")
        if theirs.any() and not theirs.all() and (not ours.any() or ours.all()):
            return Cause("mask-missing", f"with {name} the same everywhere: nothing is masked, or all of it")
        for cut in (np.triu, np.tril) if theirs.ndim == 2 else ():
            for k in (-1, 0, 1, 2):
                for shift in (1, -1):
                    whole = np.ones_like(theirs)
                    if np.array_equal(theirs, cut(whole, k)) and np.array_equal(ours, cut(whole, k + shift)):
                        return Cause("causal-diagonal", f"with the diagonal of {name} off by {shift:+d}")
        return None
    apart = ours.astype(np.int64) - theirs
    steps = np.broadcast_to(np.arange(theirs.shape[-1]), theirs.shape) if theirs.ndim else theirs
    counts = theirs.ndim > 0 and np.array_equal(theirs - theirs.flat[0], steps)
    if apart.flat[0] and (apart == apart.flat[0]).all():
        kind = "position-shift" if counts else "index-shift"
        return Cause(kind, f"with {int(apart.flat[0]):+d} added to {name}")
    if theirs.ndim and np.array_equal(ours, np.flip(theirs, -1)):
        return Cause("flip", f"with {name} reversed")
    return None
