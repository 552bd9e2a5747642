"""Inputs that people's data has and random numbers never hit: exact zeros, equal values, integers at kinks and ties."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np

from parity_tests.comparer import judge
from parity_tests.comparer.findings import Cause, Measurement, first_element
from parity_tests.comparer.nests import map_nest
from parity_tests.comparer.side import LOSS
from parity_tests.comparer.trace import Call
from parity_tests.comparer.trial import Trial
from parity_tests.comparer.values import cast, floats

LARGEST = 2**18  # numbers of a layer that is asked: kinks lie in small ones
RANDOM = ("Dropout", "RReLU", "GumbelSoftmax")


def at_kinks(trial: Trial, call: Call, seed: int, u: dict[str, float]) -> list[Measurement]:
    """What the layer gives, forward and backward, where its slopes jump; nothing where the right is not finite."""
    case, name = trial.case, call.key[0]
    module = case.right.modules[name]
    inputs = call.inputs()
    random = any(part in type(module).__name__ for part in RANDOM) or call.key in case.other_draws
    if not case.backward or case.twin is None or case.fine or random or name == LOSS or not inputs:
        return []
    if not all(_is_single(x) for x in inputs):  # bfloat16 comes as a torch tensor
        return []
    held = (v.size for n, v in case.right.state().items() if n.startswith(f"{name}.") or not name)
    if sum(x.size for x in inputs) + sum(held) > LARGEST:
        return []
    rng = np.random.default_rng([case.seed, call.key[1], crc32(name.encode())])
    args, kwargs = map_nest(lambda x: kinked(x, rng) if _is_single(x) else x, (call.args, call.kwargs))
    dys = call.cotangents() if call.dys or not call.dxs else None
    try:
        rough = case.right.local(name, args, kwargs, dys, trial.training, seed)
        finer = cast((args, kwargs, dys), np.float64)
        exact = case.twin.local(name, finer[0], finer[1], finer[2], trial.training, seed)
        if not all(np.isfinite(v).all() for v in rough.values() if v.dtype.kind == "f"):
            return []
        ours = case.pairing.translate(case.left.local(name, args, kwargs, dys, trial.training, seed), name)
    except Exception:  # values that such a layer need not take
        return []
    found = []
    for what in rough:
        usual = what.startswith("grad input") and int(what[10:] or 0) in call.dxs
        if what not in ours or what not in exact or not (usual or what.startswith("output")):
            continue
        own = judge.own_error(rough[what], exact[what])
        if own > 2.0**12:  # the twin takes another side of a kink: what is right there is not known
            continue
        error = judge.error(ours[what], rough[what], exact[what])
        m = Measurement(name, trial.kind(name), "backward" if usual else "output", f"{what} at kinks and ties", error,
                        judge.limit(max(own, u.get(what, 0.0))), trial.mode)  # fmt: skip
        if not m.ok:
            _name(m, (args, kwargs, dys), ours[what], exact[what])
        found.append(m)
    return found


def kinked(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Equal neighbors and maxima; and where the numbers have both signs, integers and exact zeros among them."""
    y = np.array(x)
    if y.min() < 0 < y.max():
        whole = rng.random(y.shape)
        y = (np.where(whole < 0.4, np.round(y), np.where(whole < 0.6, 0, y)) + 0.0).astype(x.dtype)  # no -0
    for axis, size in enumerate(y.shape):
        y = np.where(rng.random(y.shape) * size < 0.5, y.max(axis, keepdims=True), y)
    flat = y.reshape(-1)
    same = np.flatnonzero(rng.random(flat.size) < 0.25)
    flat[same] = flat[same - 1]
    return flat.reshape(y.shape)


def _name(m: Measurement, given: Any, ours: np.ndarray, exact: np.ndarray) -> None:
    """Both sides' own conventions: the slopes at the first input at which they differ, or what each gives there."""
    args, kwargs, dys = given
    element = first_element(ours, exact, m.limit)
    what = m.what.removesuffix(" at kinks and ties")
    if element is None:
        m.note = "they differ at exact zeros, integers or equal values"
        return
    x = floats((args, kwargs))[0]
    same = np.shape(x) == ours.shape
    at = f"at an input of {float(x[element.index]):g}" if same else "at exact zeros, integers or equal values"
    m.note = f"only {at}: {what} {element.left:g} on the left, {element.right:g} on the right (slopes or ties); "
    m.note += "on what the layer was given they agree"
    if same and m.phase == "backward" and dys and np.shape(dys[0]) == ours.shape:
        there = (x == x[element.index]) & (np.asarray(dys[0]) != 0)
        left, right = (_slope(value[there], dys[0][there]) for value in (ours, exact))
        if left is not None and right is not None:
            m.note = f"only {at}, where the slope jumps; on what the layer was given they agree"
            m.cause = Cause("kink", f"two conventions: {at} the slope is {left:g} on the left, {right:g} on the right")
            if {left, right} <= {0.0, 0.5, 1.0}:
                m.cause.text += " (at a bound torch's relu has 0, clamp 1 before torch 2.14, maximum and minimum 0.5)"


def _slope(dx: np.ndarray, dy: np.ndarray) -> float | None:
    """The slope that is the same everywhere, as that of a function of single numbers is."""
    if not dx.size:
        return None
    slopes = dx.astype(np.float64) / dy.astype(np.float64)
    close = np.abs(slopes - slopes[0]) <= 2.0**-16 * max(1.0, abs(slopes[0]))
    return float(f"{slopes[0]:.6g}") + 0.0 if np.all(close | np.isnan(slopes) & np.isnan(slopes[0])) else None


def _is_single(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype == np.float32 and x.size > 0
