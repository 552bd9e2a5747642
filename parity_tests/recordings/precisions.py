"""The precisions in which a question may be answered, and U in each: of torch itself, run in that precision.

A model of float32 has its U in float32; float64 has the same in ulp. For float16 and bfloat16 the model runs in them,
from numbers rounded to them. For int8 its float64 twin runs with inputs, parameters and the output of every layer
rounded to 255 values each, and forward alone is asked.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import numpy as np
import torch

from parity_tests.comparer import judge
from parity_tests.comparer.jumps import LIMIT
from parity_tests.comparer.nests import map_nest
from parity_tests.comparer.side import LOSS, ROOT, Given
from parity_tests.comparer.torch_side import TorchSide
from parity_tests.comparer.twin import twin_of
from parity_tests.comparer.values import Numbers, array, cast, is_float, moved
from parity_tests.recordings.live import Judged, Live
from parity_tests.recordings.query import Query
from parity_tests.rule import BFLOAT16, DRAWS, FLOOR, distance, float64_limit, limit, step, ulp

HALF = {"float16": torch.float16, BFLOAT16: torch.bfloat16}


def own_precision(side: Any) -> str:
    """That of its parameters; of a side without any, float32."""
    if isinstance(side, TorchSide):
        kinds = {str(p.dtype).removeprefix("torch.") for _, p in side.all_parameters() if is_float(p)}
    else:
        kinds = {value.dtype.name for value in side.state().values() if value.dtype.kind == "f"}
    return next((kind for kind in (BFLOAT16, "float16", "float32", "float64") if kind in kinds), "float32")


def limits(found: Judged, own: str, others: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """By precision, the limit of each number. `others` has U in further precisions; integers have the limit 0."""
    u = {own: found.u if own != BFLOAT16 else {what: e * 2.0**-16 for what, e in found.u.items()}}
    if own in ("float32", "float64"):
        u |= {"float32": found.u, "float64": found.u}
    u |= others
    largest = judge.largest_gradient(found.exact)
    asked: dict[str, dict[str, float]] = {precision: {} for precision in u}
    for precision, errors in u.items():
        for what, exact in found.exact.items():
            if exact.dtype.kind in "iub":
                asked[precision][what] = 0.0
            elif exact.dtype.kind == "f" and (what in errors or precision == own):
                fine = exact.dtype == np.float64
                if precision == "float64" and not fine:
                    continue
                plain = limit(errors.get(what, 0.0), precision) if fine else float64_limit(errors.get(what, 0.0))
                asked[precision][what] = plain + _floor(errors.get(what, 0.0), what, exact, precision, largest)
    return {precision: of for precision, of in asked.items() if any(found.exact[w].dtype.kind == "f" for w in of)
            or precision == own}  # fmt: skip


def asked_of(found: Judged, own: str, query: Query, others: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """The same for a question; code between layers is asked in its own precision, at kinks for what jumps alone."""
    asked = limits(found, own, others)
    if not query.stands:
        return asked
    least = LIMIT if query.kinks else 0.0
    return {own: {w: max(x, least) if found.exact[w].dtype.kind == "f" else x for w, x in asked.get(own, {}).items()}}


def _floor(u: float, what: str, exact: np.ndarray, precision: str, largest: float) -> float:
    """What a parameter's gradient that is zero up to rounding is allowed besides, in ulp of the largest of all."""
    if not judge.is_parameter_gradient(what) or not exact.size or precision == "int8":
        return 0.0
    size = float(np.abs(exact).max())
    eps = ulp(np.ones(1), precision)
    if not math.isfinite(size) or (size > 0 and u * eps < judge.NO_DIGIT):
        return 0.0
    return max(0.0, FLOOR * ulp(np.array([largest]), precision) / ulp(np.array([size]), precision) - FLOOR)


class Smaller:
    """The same torch model in a smaller precision: its error is U there."""

    def __init__(self, live: Live, precision: str) -> None:
        self.live, self.precision, self.side = live, precision, live.side
        assert isinstance(live.side, TorchSide)
        kind = HALF.get(precision, torch.float64)
        loss = live.side.loss
        self.twin = TorchSide(twin_of(live.side.layers, kind), twin_of(loss, kind) if loss is not None else None)
        if precision == "int8":
            for name, value in self.twin.state().items():
                if value.dtype.kind == "f":
                    self.twin.load(name, rounded(value))
            for module in self.twin.layers.modules():
                if not list(module.children()):
                    module.register_forward_hook(lambda module, args, output: map_nest(rounded, output))
        self.before = self.twin.snapshot()

    def u(self, query: Query) -> dict[str, float]:
        """U of each number; nothing where torch does not compute it in this precision."""
        found: dict[str, float] = {}
        if (self.precision == "int8" and query.kinks) or query.stands:
            return found
        with suppress(RuntimeError, NotImplementedError, TypeError, ValueError):  # no kernel for it
            for draw in range(DRAWS):
                exact, value = self._draw(query, draw)
                errors = {w: distance(array(value[w]), x, self.precision) for w, x in exact.items() if w in value}
                found = {w: max(e, found.get(w, 0.0)) for w, e in errors.items()}
        return {w: e for w, e in found.items() if math.isfinite(e)}

    def _draw(self, query: Query, draw: int) -> tuple[Numbers, Numbers]:
        """The numbers of one draw in float64, from exact inputs, and in this precision."""
        case, twin = self.live.case, self.live.case.twin
        if twin is None:
            return {}, {}
        rng = np.random.default_rng([case.seed, draw])
        forward = self.precision == "int8"
        if query.layer == ROOT:
            given = case.drawn(draw)
            names = set(case.right.trainable())
            exact = case.run(twin, query.training, wanted=names, given=given, backward=not forward)
            cotangent = None if forward or not case.backward else case.cotangent()
            value = self.twin.run(Given(*self._cast(tuple(given))), self._cast(case.target), query.training, case.seed,
                                  cotangent, None, names)  # fmt: skip
        else:
            args, kwargs, dys = (query.args, query.kwargs, None if forward else query.dys)
            if draw:
                args, kwargs, dys = moved((args, kwargs, dys), rng)
            exact_args, exact_kwargs, exact_dys = cast((args, kwargs, dys), np.float64)
            exact = twin.local(query.layer, exact_args, exact_kwargs, exact_dys, query.training, case.seed)
            args, kwargs = self._cast((args, kwargs))
            value = self.twin.local(query.layer, args, kwargs, dys, query.training, case.seed)
        self.twin.restore(self.before)
        asked = ("output", "prediction") if forward else ("output", "prediction", "grad", "buffer")
        numbers = {w: x for w, x in exact.items() if w.split(" ")[0] in asked and x.dtype.kind == "f"}
        if forward and query.layer not in (ROOT, LOSS):
            value = {w: np.asarray(array(rounded(x))) if is_float(x) else x for w, x in value.items()}
        return numbers, value

    def _cast(self, nest: Any) -> Any:
        def one(x: Any) -> Any:
            if not is_float(x):
                return x
            x = torch.tensor(np.asarray(array(x)), dtype=torch.float64)
            return rounded(x) if self.precision == "int8" else x.to(HALF[self.precision])

        return map_nest(one, nest)


def rounded(x: Any) -> Any:
    """The nearest of 255 values from -max|x| to max|x|, evenly spaced; what is not a real number stays as it is."""
    if isinstance(x, torch.Tensor):
        if not x.is_floating_point() or not x.numel():
            return x
        size = x.detach().abs().max().clamp_min(torch.finfo(torch.float32).tiny) / 127
        return (x / size).round() * size
    return np.round(x / step(x)) * step(x)


def signal_to_noise(value: np.ndarray, exact: np.ndarray, limit: float) -> str:
    """Signal to noise, of an answer and at its limit."""
    power = float(np.sqrt(np.mean(exact**2))) if exact.size else 0.0
    off = float(np.sqrt(np.mean((value - exact) ** 2))) if exact.size else 0.0
    if not power or not off:
        return ""
    least = 20 * math.log10(power / (limit * step(exact)))
    return f"signal to noise {20 * math.log10(power / off):.1f} dB, at least {least:.1f} dB asked"
