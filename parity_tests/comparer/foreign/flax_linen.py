"""A Flax Linen module as a side, layer by layer: bound to its variables, or unbound, and then initialized once."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from parity_tests.comparer.foreign.flax_pieces import flax_piece
from parity_tests.comparer.foreign.held import modes
from parity_tests.comparer.foreign.jax_side import Arrays, JaxSide
from parity_tests.comparer.foreign.matching import Piece
from parity_tests.comparer.foreign.watching import Watch, array_leaves, to_jax
from parity_tests.comparer.nests import map_nest
from parity_tests.comparer.side import ROOT, Given

Path = tuple[str, ...]  # a collection of variables and the names below it


class LinenSide(JaxSide):
    """Parameters are the collection params, buffers batch_stats; other collections stay as they are.

    A layer alone is called as it was in the last run of its mode: with the attributes and keywords of that call.
    """

    framework = "flax.linen"
    words = {"eps": "epsilon"}  # noqa: RUF012

    def __init__(self, model: nn.Module, given: Given, loss: Any = None) -> None:
        super().__init__(model, loss)
        self.module, variables = model.unbind() if model.scope is not None else (model, None)
        self.seen: dict[tuple[str, bool], tuple[nn.Module, dict[str, Any]]] = {}
        self.given = given
        if variables is None:
            variables = self._initialized(given)
        self.fixed = {k: v for k, v in variables.items() if k not in ("params", "batch_stats")}
        self.paths: dict[str, Path] = {}
        for collection in ("params", "batch_stats"):
            for path, value in flatten_dict(variables.get(collection, {})).items():
                name = ".".join(path)
                self.paths[name] = (collection, *path)
                self.values[name] = np.array(value)
                self.buffers |= {name} if collection == "batch_stats" else set()
        for training in (False, True):
            for turned in (True, False):  # which of them, find_layout says
                self.turned = turned
                self.layers = {}
                try:
                    self.evaluate(ROOT, given, training, 0, None)
                    break
                except Exception:
                    continue
        self.channels_last = any(isinstance(layer, nn.Conv | nn.ConvTranspose) for layer in self.layers.values())
        self.modules |= self.layers
        self.find_layout(given)

    def _initialized(self, given: Given) -> Any:
        """Variables of a module that has none yet, for whichever layout its layers can be run with."""
        self.channels_last = True
        for turn in (self.turn_back, lambda x: x):
            try:
                args, kwargs = to_jax(map_nest(turn, given))
                keys = {"params": jax.random.key(0), "dropout": jax.random.key(1)}
                return self.module.init(keys, *args, **kwargs, **modes(type(self.module).__call__, False))
            except Exception as error:
                failed = error
        raise TypeError(f"compare: {type(self.model).__name__} (flax.linen) cannot be initialized: {failed}")

    def pieces(self) -> list[Piece]:
        found = (flax_piece(path, layer, self.values) for path, layer in self.layers.items())
        return [piece for piece in found if piece is not None]

    def apply(self, values: Arrays, name: str, given: Given, training: bool, seed: Any, watch: Watch) -> Any:
        dot = f"{name}." if name else ""
        depth = name.count(".") + 1 if name else 0
        below = {path: values[own] for own, path in self.paths.items() if own.startswith(dot)}
        variables = unflatten_dict({(path[0], *path[1 + depth :]): value for path, value in below.items()})
        module, kwargs = self.module, modes(type(self.module).__call__, training)
        if name:
            if (name, training) not in self.seen:
                self.evaluate(ROOT, self.given, training, 0, None)
            module, kwargs = self.seen[name, training]
        rngs = {"dropout": jax.random.key(seed)}
        mutable = ["batch_stats"] if training else []
        with nn.intercept_methods(self._interceptor(watch, training, name)):
            output, moved = module.apply(
                {**self.fixed, **variables}, *given.args, **{**kwargs, **given.kwargs}, rngs=rngs, mutable=mutable
            )
        after = flatten_dict(moved.get("batch_stats", {}))
        return output, {own: after[path[1 + depth :]] for own, path in self.paths.items()
                        if path[0] == "batch_stats" and path[1 + depth :] in after and own.startswith(dot)}  # fmt: skip

    def _interceptor(self, watch: Watch, training: bool, within: str) -> Any:
        def intercept(function: Any, args: Any, kwargs: Any, context: Any) -> Any:
            if context.method_name != "__call__" or within:
                return function(*args, **kwargs)
            path = ".".join(context.module.path)
            if isinstance(context.module, nn.RNN) and not any(n.startswith(f"{path}.") for n in self.values):
                return function(*args, **kwargs)  # its cell lies outside it, so that it cannot be called alone
            plain = {k: v for k, v in kwargs.items() if not array_leaves(v)}
            self.seen[path, training] = context.module.clone(parent=None), plain
            known = self.layers.setdefault(path, self.seen[path, training][0])
            name = self.name_of(known)
            if name is None:
                return function(*args, **kwargs)
            return watch.call(name, context.module, function, args, kwargs)

        return intercept


def side(model: nn.Module, given: Given, loss: Any) -> LinenSide:
    return LinenSide(model, given, loss)
