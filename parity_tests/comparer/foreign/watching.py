"""Observing the layers of a JAX model while it runs under jax.vjp, also within jax.vmap.

A layer within vmap is called with tracers of one sample. A custom rule for vmap hands its call to the level outside,
until it is called with all samples at once: there its numbers are seen, with the axes of vmap in front, as a layer of
torch has its batch. Within jit, scan and other transformations nothing is known but shapes: nothing is observed there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap

from parity_tests.comparer.nests import leaves, map_nest
from parity_tests.comparer.side import Key, Probe
from parity_tests.comparer.values import floats, is_float

Turn = Callable[[Any], Any]  # an array from the framework's layout to the other side's, or back


def is_array(x: Any) -> bool:
    return isinstance(x, jax.Array)


def is_floating(x: Any) -> bool:
    return is_array(x) and (jnp.issubdtype(x.dtype, jnp.floating) or jnp.issubdtype(x.dtype, jnp.complexfloating))


def array_leaves(nest: Any, wanted: Callable[[Any], bool] = is_array) -> list[Any]:
    return [x for x in leaves(nest) if wanted(x)]


def refill(nest: Any, values: Any, wanted: Callable[[Any], bool] = is_array) -> Any:
    """The nest with its arrays replaced one by one."""
    found = iter(values)
    return map_nest(lambda x: next(found) if wanted(x) else x, nest)


def concrete(x: Any) -> Any:
    """The number behind a tracer of differentiation; a key of random numbers has none."""
    while hasattr(x, "primal"):
        x = x.primal
    if not is_array(x):
        return x
    return None if jnp.issubdtype(x.dtype, jax.dtypes.extended) else np.asarray(x)


def to_arrays(nest: Any) -> Any:
    return map_nest(concrete, nest)


def to_jax(nest: Any) -> Any:
    known = lambda x: isinstance(x, np.ndarray | np.generic) and x.dtype.kind in "biufc"  # noqa: E731
    return map_nest(lambda x: jnp.asarray(x) if known(x) else x, nest)


def _is_batched(x: Any) -> bool:
    return isinstance(x, jax.core.Tracer) and hasattr(x, "batch_dim")


def _is_abstract(x: Any) -> bool:
    while hasattr(x, "primal") or _is_batched(x):
        x = x.primal if hasattr(x, "primal") else x.val
    return isinstance(x, jax.core.Tracer)


class Watch:
    """Calls of layers during one run, told to a probe.

    `axis` names the axis of the samples, if there is one. `forms` are the outputs of the layers as they were in earlier
    runs, of which only the structure is used.
    """

    def __init__(
        self, probe: Probe | None, turn: Turn, turn_back: Turn, forms: dict[str, Any], axis: str | None = None
    ) -> None:
        self.probe, self.turn, self.turn_back, self.forms, self.axis = probe, turn, turn_back, forms, axis
        self.calls: dict[str, int] = {}
        self.levels: dict[str, int] = {}  # of vmap around each layer, by its own name
        self.active: list[int] = []

    def call(self, name: str, layer: Any, original: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """One call of a layer: `original` computes it."""
        given = array_leaves((args, kwargs))
        if self.probe is None or not given or id(layer) in self.active or any(map(_is_abstract, given)):
            return original(*args, **kwargs)

        def compute(*values: Any) -> Any:
            xs, options = refill((args, kwargs), values)
            self.active.append(id(layer))
            try:
                return original(*xs, **options)
            finally:
                self.active.pop()

        return self._outward(name, compute, (args, kwargs), given, 0)

    def _outward(self, name: str, compute: Any, nest: Any, values: list[Any], levels: int) -> Any:
        if not any(map(_is_batched, values)):
            return self._observed(name, compute, nest, values, levels)

        @custom_vmap
        def within(*values: Any) -> Any:
            return self._mapped(compute, levels)(*values)

        @within.def_vmap
        def outside(size: int, batched: Any, *values: Any) -> Any:
            spread = [v if b else jnp.broadcast_to(v, (size, *v.shape)) for v, b in zip(values, batched, strict=True)]
            out = self._outward(name, compute, nest, spread, levels + 1)
            return out, jax.tree.map(lambda _: True, out)

        return within(*values)

    def _mapped(self, compute: Any, levels: int) -> Any:
        for level in range(levels):
            compute = jax.vmap(compute, axis_name=self.axis if level == levels - 1 else None)
        return compute

    def _observed(self, name: str, compute: Any, nest: Any, values: list[Any], levels: int) -> Any:
        probe = self.probe
        assert probe is not None
        compute = self._mapped(compute, levels)
        self.levels[name] = levels
        key = name, self.calls.get(name, 0)
        self.calls[name] = key[1] + 1
        args, kwargs = self._shown(refill(nest, values))
        probe.enter(key)
        outputs = probe.stand_in(key, args, kwargs)
        if outputs is not None:
            like = self.forms[name] if name in self.forms else jax.eval_shape(compute, *values)
            return self._replaced(key, like, outputs, [x for x in values if is_floating(x)])
        values = refill(values, self._told(lambda i, g: probe.gradient(key, i, g), values), is_floating)
        y = compute(*values)
        self.forms[name] = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), y)
        probe.forward(key, args, kwargs, self._shown(y))
        return refill(y, self._told(lambda i, g: probe.cotangent(key, i, g), y), is_floating)

    def _shown(self, nest: Any) -> Any:
        return map_nest(self.turn, to_arrays(nest))

    def _told(self, tell: Callable[[int, Any], None], nest: Any) -> Any:
        """The floating arrays as they are; their gradients are told when they arrive."""

        @jax.custom_vjp
        def same(*xs: Any) -> Any:
            return xs

        def back(_: Any, gradients: Any) -> Any:
            for i, g in enumerate(gradients):
                tell(i, self.turn(concrete(g)))
            return gradients

        same.defvjp(lambda *xs: (xs, None), back)
        xs = array_leaves(nest, is_floating)
        return same(*xs) if xs else ()

    def _replaced(self, key: Key, like: Any, outputs: Any, xs: list[Any]) -> Any:
        """Outputs in the layer's own structure, with the gradients that the probe has for its inputs."""
        probe = self.probe
        assert probe is not None
        own, structure = jax.tree.flatten(like)
        floating = [jnp.issubdtype(part.dtype, jnp.floating) for part in own]
        given = iter([jnp.asarray(self.turn_back(y)) for y in floats(outputs)])
        others = iter([jnp.asarray(y) for y in leaves(outputs) if isinstance(y, np.ndarray) and not is_float(y)])
        ys = [next(given) if is_f else next(others) for is_f in floating]
        shapes = [(x.shape, x.dtype) for x in xs]

        @jax.custom_vjp
        def stand(root: Any, *xs: Any) -> Any:
            return tuple(y for y, is_f in zip(ys, floating, strict=True) if is_f)

        def back(_: Any, gradients: Any) -> Any:
            for i, g in enumerate(gradients):
                probe.cotangent(key, i, self.turn(concrete(g)))
            dxs = fitting(probe.stand_in_gradients(key), len(shapes))
            turned = [None if dx is None else jnp.asarray(self.turn_back(dx)) for dx in dxs]
            return (jnp.zeros(()), *(_like(dx, *shape) for dx, shape in zip(turned, shapes, strict=True)))

        stand.defvjp(lambda root, *xs: (stand(root, *xs), None), back)
        values = iter(stand(jnp.zeros(()), *xs))
        filled = [next(values) if is_f else y for y, is_f in zip(ys, floating, strict=True)]
        return jax.tree.unflatten(structure, filled)


def fitting(gradients: list[Any], count: int) -> list[Any]:
    """The gradients of so many inputs: of one given once where the other side gives it thrice it is their sum."""
    if len(gradients) <= count or not count:
        return (gradients + [None] * count)[:count]
    first, rest = gradients[: count - 1], [g for g in gradients[count - 1 :] if g is not None]
    same = [g for g in rest if g.shape == rest[0].shape]
    return [*first, sum(same[1:], start=same[0]) if same else None]


def _like(dx: Any, shape: Any, dtype: Any) -> Any:
    return jnp.zeros(shape, dtype) if dx is None or dx.shape != shape else dx.astype(dtype)


def _without_state(watch: Watch, name: str, layer: Any, original: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """A call that is given a state of Equinox and gives it back: only the numbers beside it are watched."""
    is_state = lambda x: type(x).__name__ == "State" and type(x).__module__.startswith("equinox.")  # noqa: E731
    places = [i for i, x in enumerate(args) if is_state(x)]
    names = [key for key, x in kwargs.items() if is_state(x)]
    if watch.probe is None or len(places) + len(names) != 1:
        return watch.call(name, layer, original, args, kwargs)
    state = args[places[0]] if places else kwargs[names[0]]
    fresh = lambda: jax.tree.map(lambda x: x, state)  # noqa: E731

    def compute(*rest: Any, **options: Any) -> Any:
        filled = [*rest[: places[0]], fresh(), *rest[places[0] :]] if places else [*rest]
        *output, _ = original(*filled, **options, **dict.fromkeys(names, fresh()))
        return output[0] if len(output) == 1 else tuple(output)

    rest = [x for i, x in enumerate(args) if i not in places]
    output = watch.call(name, layer, compute, tuple(rest), {k: v for k, v in kwargs.items() if k not in names})
    return (*output, fresh()) if isinstance(output, tuple) else (output, fresh())


@contextmanager
def watched_classes(kinds: set[type], names: dict[int, str | None], watch: Watch) -> Iterator[None]:
    """The classes' __call__ reports to the watch, for the length of a run."""
    originals = {kind: kind.__call__ for kind in kinds if hasattr(kind, "__call__")}  # noqa: B004
    before = {kind: vars(kind).get("__call__") for kind in originals}

    def wrap(original: Any) -> Any:
        @functools.wraps(original)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            name = names.get(id(self))
            if name is None:
                return original(self, *args, **kwargs)
            return _without_state(watch, name, self, lambda *a, **k: original(self, *a, **k), args, kwargs)

        return call

    try:
        if watch.probe is not None:
            for kind, original in originals.items():
                type.__setattr__(kind, "__call__", wrap(original))
        yield
    finally:
        if watch.probe is not None:
            for kind, own in before.items():
                if own is None:
                    type.__delattr__(kind, "__call__")
                else:
                    type.__setattr__(kind, "__call__", own)
