"""Inputs that people's data has and random numbers never hit: exact zeros, equal values, integers at kinks and ties."""

from __future__ import annotations

import math
from typing import Any
from zlib import crc32

import numpy as np

from parity_tests.comparer import judge
from parity_tests.comparer.findings import Measurement, first_element
from parity_tests.comparer.nests import map_nest
from parity_tests.comparer.side import LOSS
from parity_tests.comparer.trace import Call
from parity_tests.comparer.trial import Trial
from parity_tests.comparer.values import Numbers, cast, floats

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
            m.note = _conventions(what, args, kwargs, ours, exact, m.limit)
        found.append(m)
    return found


def kinked(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Equal neighbors; and where the numbers have both signs, integers and exact zeros among them."""
    y = np.array(x)
    if y.min() < 0 < y.max():
        whole = rng.random(y.shape)
        y = np.where(whole < 0.4, np.round(y), np.where(whole < 0.6, 0, y)).astype(x.dtype)
    flat = y.reshape(-1)
    same = np.flatnonzero(rng.random(flat.size) < 0.25)
    flat[same] = flat[same - 1]
    return flat.reshape(y.shape)


def _conventions(what: str, args: Any, kwargs: Any, ours: Numbers, exact: Numbers, limit: float) -> str:
    """The first input at which they differ, and the value of each side there."""
    element = first_element(ours[what], exact[what], limit)
    if element is None:
        return "they differ at exact zeros, integers or equal values"
    x = floats((args, kwargs))[0]
    at = f" at an input of {float(x[element.index]):g}" if np.shape(x) == ours[what].shape else ""
    if what.startswith("grad input") and math.isfinite(element.right):
        return f"{what}{at}: {element.left:g} on the left, {element.right:g} on the right (slopes or ties)"
    return f"{what}{at}: {element.left:g} on the left, {element.right:g} on the right"


def _is_single(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype == np.float32 and x.size > 0
