"""What the sides of all JAX frameworks have in common: pull-backs by jax.vjp, a twin in float64, layouts."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from parity_tests.comparer.foreign.pullback import Evaluated, PullbackSide
from parity_tests.comparer.foreign.watching import (
    Watch,
    array_leaves,
    fitting,
    is_array,
    is_floating,
    refill,
    to_arrays,
    to_jax,
)
from parity_tests.comparer.nests import map_nest
from parity_tests.comparer.side import ROOT, Given, Probe
from parity_tests.comparer.values import Numbers, is_float

Arrays = dict[str, Any]


class Call:
    """One function of numbers: eager, so that it can be watched, or compiled once and called often.

    Both give the floating outputs, their pull-back, the other outputs, and the buffers that moved.
    """

    def __init__(self, apply: Callable[[Arrays, Given, Any], Any], nest: Any) -> None:
        self.apply, self.nest = apply, nest
        self.form: Any = None
        self.ahead = jax.jit(self._ahead)
        self.back = jax.jit(lambda parameters, xs, rest, dys: self._pulled(parameters, xs, rest)[1](dys))

    def _ahead(self, parameters: Arrays, xs: Any, rest: Any) -> Any:
        buffers, others, seed = rest
        nest = refill(refill(self.nest, others, _is_other), xs, is_floating)
        self.form, moved = self.apply(buffers | parameters, Given(*nest), seed)
        return tuple(array_leaves(self.form, is_floating)), (tuple(array_leaves(self.form, _is_other)), moved)

    def _pulled(self, parameters: Arrays, xs: Any, rest: Any) -> Any:
        return jax.vjp(lambda parameters, xs: self._ahead(parameters, xs, rest), parameters, xs, has_aux=True)

    def watched(self, parameters: Arrays, xs: Any, rest: Any) -> Any:
        ys, back, (others, moved) = self._pulled(parameters, xs, rest)
        return ys, back, others, moved

    def compiled(self, parameters: Arrays, xs: Any, rest: Any) -> Any:
        ys, (others, moved) = self.ahead(parameters, xs, rest)
        return ys, lambda dys: self.back(parameters, xs, rest, dys), others, moved

    def output(self, ys: Any, others: Any) -> Any:
        """In the structure in which the model gave it."""
        return refill(refill(self.form, others, _is_other), ys, is_floating)


def _is_other(x: Any) -> bool:
    return is_array(x) and not is_floating(x)


def shape_of(nest: Any) -> str:
    """What a compiled function depends on: shapes, dtypes, and everything that is no array."""
    known = lambda x: f"{x.dtype}{list(x.shape)}" if hasattr(x, "shape") else repr(x)  # noqa: E731
    return repr(map_nest(known, nest))


class JaxSide(PullbackSide):
    """A model of JAX. A subclass fills `values`, `buffers`, `modules` and `layers`, and implements `apply`.

    layers         the layers by their own names
    channels_last  whether arrays of images have their channels last: the other side is then shown (N, C, ...)
    turned         whether the model itself is given images with channels last
    """

    channels_last = False
    turned = False
    wide = False  # whether this is a twin in float64
    axis: str | None = None

    def __init__(self, model: Any, loss: Any = None) -> None:
        super().__init__(model, loss)
        self.layers: dict[str, Any] = {}
        self.forms: dict[str, Any] = {}
        self.compiled: dict[Any, Call] = {}
        self.eager = False  # whether its code cannot be compiled

    def apply(self, values: Arrays, name: str, given: Given, training: bool, seed: int, watch: Watch) -> Any:
        """The output of the whole or of a layer at these values, and those buffers that it changes, by name."""
        raise NotImplementedError

    def own_modules(self) -> Mapping[str, Any]:
        return self.layers

    def name_of(self, layer: Any) -> str | None:
        """The name under which a layer is compared."""
        return next((name for name, module in self.modules.items() if module is layer), None)

    def double(self, dtype: Any = np.float64) -> JaxSide:
        twin = copy.copy(self)
        twin.values = {n: v.astype(dtype) if is_float(v) else np.array(v) for n, v in self.values.items()}
        twin.wide = np.dtype(dtype) == np.float64
        twin.compiled = {}
        return twin

    @contextmanager
    def computing(self) -> Iterator[None]:
        with jax.enable_x64(self.wide):
            yield

    def evaluate(self, name: str, given: Given, training: bool, seed: int, probe: Probe | None) -> Evaluated:
        turned = self.turned if name == ROOT else True
        first, last = (self.turn, self.turn_back) if turned else (_same, _same)
        own = tuple(self.own_call(name, to_jax(map_nest(last, given))))
        watch = Watch(probe, self.turn, self.turn_back, self.forms, self.axis)
        call = Call(lambda values, filled, seed: self.apply(values, name, filled, training, seed, watch), own)
        given_arrays = self._arrays(own, seed)
        if probe is None and not self.eager:
            call = self.compiled.setdefault((name, training, self.wide, shape_of((own, self.values))), call)
        try:
            found = call.watched(*given_arrays) if probe is not None or self.eager else call.compiled(*given_arrays)
        except jax.errors.ConcretizationTypeError:
            if probe is not None or self.eager:
                raise
            self.eager = True  # its code looks at numbers
            return self.evaluate(name, given, training, seed, probe)
        ys, back, rest, moved = found
        output = map_nest(first, to_arrays(call.output(ys, rest)))

        def pull(dys: list[Any]) -> tuple[list[Any], Numbers]:
            dys = fitting(dys, len(ys))
            dps, dxs = back(
                tuple(
                    jnp.zeros_like(y) if dy is None else jnp.asarray(last(np.asarray(dy)), y.dtype)
                    for y, dy in zip(ys, dys, strict=True)
                )
            )
            return [first(np.asarray(dx)) for dx in dxs], {n: np.asarray(dp) for n, dp in dps.items()}

        return Evaluated(output, pull, {n: np.asarray(v) for n, v in moved.items()})

    def _arrays(self, own: Any, seed: int) -> Any:
        """Parameters and floating inputs, which have gradients, and everything else."""
        parameters = {n: jnp.asarray(v) for n, v in self.values.items() if n not in self.buffers}
        buffers = {n: jnp.asarray(self.values[n]) for n in self.buffers}
        others = array_leaves(own, _is_other)
        return parameters, array_leaves(own, is_floating), (buffers, others, jnp.asarray(seed, jnp.uint32))

    def own_call(self, name: str, given: Given) -> Given:
        """The arguments of a layer from those of the other side's layer."""
        return given if name == ROOT else Given(given.args, {})

    # --- layouts ------------------------------------------------------------------------------------------------------

    def turn(self, x: Any) -> Any:
        """(N, ..., C) as (N, C, ...)."""
        return np.moveaxis(x, -1, 1) if self.channels_last and is_float(x) and np.ndim(x) in (4, 5) else x

    def turn_back(self, x: Any) -> Any:
        return np.moveaxis(x, 1, -1) if self.channels_last and is_float(x) and np.ndim(x) in (4, 5) else x

    def find_layout(self, given: Given, training: bool = False) -> None:
        """Whether the model takes images with channels last: as its layers do, if it can be run so."""
        if not self.channels_last:
            return
        for turned in (True, False):
            self.turned = turned
            try:
                self.evaluate(ROOT, given, training, 0, None)
                return
            except Exception:
                continue
        self.turned = True


def _same(x: Any) -> Any:
    return x
