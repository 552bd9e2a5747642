"""A layer at kinks and ties: exact zeros, equal values, integers among its inputs, and among its own parameters."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any
from zlib import crc32

import numpy as np
import torch

from parity_tests.comparer import judge
from parity_tests.comparer.findings import AT_KINKS, Cause, Element, Measurement
from parity_tests.comparer.jumps import (
    CONVENTIONS,
    GRID,
    LIMIT,
    SHARE,
    SMALL,
    Jumps,
    end_numbers,
    has_grid,
    largest,
    on_grid,
    parameters_on_grid,
)
from parity_tests.comparer.nests import map_nest
from parity_tests.comparer.side import LOSS, Side
from parity_tests.comparer.trace import Call
from parity_tests.comparer.trial import Trial
from parity_tests.comparer.values import Numbers, cast, floats
from parity_tests.rule import ulp

LARGEST = 2**18  # numbers of a layer that is asked: kinks lie in small ones
RANDOM = ("Dropout", "RReLU", "GumbelSoftmax")


class LayerJumps(Jumps):
    """A layer that gets the recorded cotangents, and numbers of the grid."""

    def __init__(self, trial: Trial, call: Call, seed: int, rough: Numbers) -> None:
        self.trial, self.call, self.seed, self.rough = trial, call, seed, rough
        self.names = self._own_parameters()
        super().__init__(trial.case, 4 if self.names else 1)

    def _own_parameters(self) -> list[str]:
        """Those that take part in a kink inside the layer. Most layers of torch.nn have none."""
        case, name = self.trial.case, self.call.key[0]
        module = case.right.modules[name]
        simple = type(module).__module__.startswith("torch.nn.modules") and not list(module.children())
        if (simple and not isinstance(module, torch.nn.RNNBase | torch.nn.RNNCellBase)) or case.left.frozen:
            return []
        if case.pairing.left_virtual or case.pairing.right_virtual:
            return []
        held = case.right.state()
        return [n for n in case.right.trainable() if (n.startswith(f"{name}.") or not name) and has_grid(held[n])]

    def given(self, draw: int) -> tuple[Any, Any, Any]:
        call = self.call
        seed = [self.case.seed, draw, call.key[1], crc32(call.key[0].encode())]
        rng = np.random.default_rng(seed)
        args, kwargs = call.args, call.kwargs
        if call.key[0] == LOSS:  # a target keeps its meaning, and the prediction meets it
            args = (_meeting(on_grid(args[0], rng, seed), args[1:], rng), *args[1:])
        else:
            values = (1.0, SMALL) if self.with_parameters(draw) else (SHARE, GRID)
            args, kwargs = map_nest(lambda x: on_grid(x, rng, seed, *values), (args, kwargs))
        return args, kwargs, call.cotangents() if call.dys or not call.dxs else None

    def with_parameters(self, draw: int) -> bool:
        return bool(self.names) and draw % 2 == 1

    def ask(self, sides: list[Side], draw: int) -> list[dict[Any, np.ndarray]]:
        case, name = self.case, self.call.key[0]
        other = [side in (case.twin, self.finer) for side in sides]
        given = self.given(draw)
        moved = parameters_on_grid(case, sides, self.names, draw) if self.with_parameters(draw) else nullcontext()
        results = []
        with moved:
            for side, finer in zip(sides, other, strict=True):
                args, kwargs, dys = cast(given, self.other_dtype) if finer else given
                numbers = side.local(name, args, kwargs, dys, self.trial.training, self.seed)
                if side in (case.left, self.finer):
                    numbers = judge.in_order(case.pairing.translate(numbers, name), self.rough)
                results.append({what: v for what, v in end_numbers(numbers).items() if self._asked(what)})
        return results

    def _asked(self, what: str) -> bool:
        return not what.startswith("grad input") or int(what[10:] or 0) in self.call.dxs

    def usual(self, place: Any) -> float:
        return largest(self.rough[place]) if place in self.rough else 0.0


def _meeting(x: Any, others: Any, rng: np.random.Generator) -> Any:
    """Equal to the target in part, where both have the same shape and any numbers."""
    target = others[0] if others else None
    if target is None or not (has_grid(x) and has_grid(target)) or x.shape != target.shape or not x.min() < 0 < x.max():
        return x
    return np.asarray(np.where(rng.random(x.shape) < 0.3, target, x), x.dtype)


def at_kinks(trial: Trial, call: Call, seed: int, rough: Numbers) -> list[Measurement]:
    """What the layer gives, forward and backward, where its slopes jump."""
    case, name = trial.case, call.key[0]
    module, inputs = case.right.modules[name], call.inputs()
    random = any(part in type(module).__name__ for part in RANDOM) or call.key in case.other_draws
    if not case.backward or case.twin is None or random or not inputs:
        return []
    if not all(has_grid(x) for x in inputs):  # bfloat16 comes as a torch tensor
        return []
    held = (v.size for n, v in case.right.state().items() if n.startswith(f"{name}.") or not name)
    if sum(x.size for x in inputs) + sum(held) > LARGEST:
        return []
    jumps = LayerJumps(trial, call, seed, rough)
    try:
        found = jumps.find()
    except Exception:  # values that such a layer need not take
        return []
    finally:
        jumps.close()
    return [_measured(jumps, what, *where) for what, where in found.items()]


def _measured(jumps: LayerJumps, what: str, draw: int, element: Element) -> Measurement:
    """Both sides' own conventions: the slopes at the first input at which they differ, or what each gives there."""
    trial, name = jumps.trial, jumps.call.key[0]
    unit = max(jumps.usual(what), abs(element.right))
    element.ulp = abs(element.left - element.right) / ulp(np.array([unit]), jumps.rough[what].dtype)
    phase = "backward" if what.startswith("grad ") else "output"
    m = Measurement(name, trial.kind(name), phase, f"{what}{AT_KINKS}", max(element.ulp, 2 * LIMIT), LIMIT,
                    trial.mode, first=element)  # fmt: skip
    args, kwargs, dys = jumps.given(draw)
    x = floats((args, kwargs))[0]
    inside = jumps.with_parameters(draw)
    same = np.shape(x) == jumps.rough[what].shape and not inside
    at = f"at an input of {float(x[element.index]):g}" if same else "at exact zeros, integers or equal values"
    at += " of inputs and parameters" * inside
    m.note = f"only {at}: {what} {element.left:g} on the left, {element.right:g} on the right (slopes or ties); "
    m.note += "on what the layer was given they agree"
    if same and phase == "backward" and dys and np.shape(dys[0]) == x.shape:
        ours, _, exact = (n[what] for n in jumps.ask([jumps.case.left, jumps.case.right, jumps.case.twin], draw))  # type: ignore[list-item]
        there = (x == x[element.index]) & (np.asarray(dys[0]) != 0)
        left, right = (_slope(value[there], dys[0][there]) for value in (ours, exact))
        if left is not None and right is not None:
            m.note = f"only {at}, where the slope jumps; on what the layer was given they agree"
            m.cause = Cause("kink", f"two conventions: {at} the slope is {left:g} on the left, {right:g} on the right")
            m.cause.text += CONVENTIONS * ({left, right} <= {0.0, 0.5, 1.0})
    return m


def _slope(dx: np.ndarray, dy: np.ndarray) -> float | None:
    """The slope that is the same everywhere, as that of a function of single numbers is."""
    if not dx.size:
        return None
    slopes = dx.astype(np.float64) / dy.astype(np.float64)
    close = np.abs(slopes - slopes[0]) <= 2.0**-16 * max(1.0, abs(slopes[0]))
    return float(f"{slopes[0]:.6g}") + 0.0 if np.all(close | np.isnan(slopes) & np.isnan(slopes[0])) else None
