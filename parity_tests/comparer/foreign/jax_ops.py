"""JAX's arrays for a watched side: run outside jit, so that what is differentiated has concrete numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from parity_tests.comparer.foreign.ops import Cotangents, Function, HiddenError, Ops
from parity_tests.comparer.side import Key, Probe


class JaxOps(Ops):
    differentiates = True

    def tensor(self, value: Any) -> Any:
        return jnp.asarray(np.asarray(value))

    def array(self, value: Any) -> Any:
        while hasattr(value, "primal"):
            value = value.primal
        if isinstance(value, jax.core.Tracer):
            raise HiddenError("it is within jit, scan or vmap")
        return np.asarray(value) if isinstance(value, jax.Array) else value

    def is_tensor(self, value: Any) -> bool:
        return isinstance(value, jax.Array)

    def tap(self, xs: list[Any], told: Callable[[int, np.ndarray], None]) -> list[Any]:
        @jax.custom_vjp
        def same(*xs: Any) -> Any:
            return xs

        def back(_: Any, gradients: Any) -> Any:
            for i, g in enumerate(gradients):
                told(i, self.array(g))
            return gradients

        same.defvjp(lambda *xs: (xs, None), back)
        return list(same(*xs)) if xs else []

    def stand_in(self, probe: Probe, key: Key, outputs: list[np.ndarray], xs: list[Any]) -> list[Any]:
        """Its first argument keeps it in the backward pass though the layer has no floating input."""
        ys = tuple(jnp.asarray(y) for y in outputs)
        like = [self.array(x) for x in xs]

        @jax.custom_vjp
        def given(root: Any, *xs: Any) -> Any:
            return ys

        def back(_: Any, dys: Any) -> Any:
            for i, dy in enumerate(dys):
                probe.cotangent(key, i, self.array(dy))
            dxs = iter(probe.stand_in_gradients(key))
            return jnp.zeros(()), *(_fitting(next(dxs, None), x) for x in like)

        given.defvjp(lambda root, *xs: (ys, None), back)
        return list(given(jnp.asarray(self._root), *xs)) if ys else []

    _root: Any = 0.0

    def vjp(self, function: Function, xs: list[Any], cotangents: Cotangents) -> tuple[Any, list[np.ndarray]]:
        aside: list[Any] = []

        def outputs(root: Any, *xs: Any) -> Any:
            self._root = root
            try:
                ys, other = function(list(xs))
            finally:
                self._root = 0.0
            aside.append(other)
            return tuple(ys)

        ys, back = jax.vjp(outputs, jnp.zeros(()), *xs)
        dys = cotangents([np.asarray(y) for y in ys])
        if dys is None:
            return aside[0], []
        filled = (jnp.zeros_like(y) if dy is None else jnp.asarray(dy, y.dtype) for y, dy in zip(ys, dys, strict=True))
        _, *gradients = back(tuple(filled))
        return aside[0], [np.asarray(g) for g in gradients]


def _fitting(gradient: np.ndarray | None, like: np.ndarray) -> Any:
    fits = gradient is not None and np.shape(gradient) == like.shape
    return jnp.asarray(gradient, like.dtype) if fits else jnp.zeros(like.shape, like.dtype)
