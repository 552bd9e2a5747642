"""A function of autograd's NumPy as a side: of the inputs, or functools.partial(function, parameters)."""

from __future__ import annotations

from typing import Any

import autograd
import numpy as np
from autograd.builtins import list as boxed_list

from parity_tests.comparer.foreign.held import HeldSide
from parity_tests.comparer.foreign.pullback import Gradients, Pull
from parity_tests.comparer.nests import leaves, map_nest
from parity_tests.comparer.side import Given
from parity_tests.comparer.values import Numbers, fill, floats, is_float


def _value(x: Any) -> Any:
    """The array in one of autograd's boxes."""
    while hasattr(x, "_value"):
        x = x._value
    return x


class AutogradSide(HeldSide):
    """Its backward is autograd.make_vjp's."""

    framework = "autograd"

    def pulled(self, given: Given, training: bool) -> tuple[Any, Pull]:
        xs, held = floats(given), {}

        def go(both: Any) -> Any:
            values, inputs = dict(zip(self.values, both[0], strict=True)), iter(both[1])
            args, kwargs = fill(tuple(given), inputs)
            held["output"] = output = self.held.call(values, args, kwargs, training)
            return boxed_list([y for y in leaves(output) if is_float(_value(y))])

        pull_back, ys = autograd.make_vjp(go)([list(self.values.values()), xs])
        numbers = iter([np.asarray(y) for y in ys])
        output = map_nest(lambda y: next(numbers) if is_float(_value(y)) else _value(y), held["output"])

        def pull(dys: Gradients) -> tuple[Gradients, Numbers]:
            full = [np.zeros_like(y) if dy is None else dy.astype(y.dtype) for y, dy in zip(ys, dys, strict=True)]
            parameters, inputs = pull_back(full)
            return list(inputs), dict(zip(self.values, map(np.asarray, parameters), strict=True))

        return output, pull


def side(model: Any, given: Given, loss: Any) -> AutogradSide:
    return AutogradSide(model, given, loss, lambda x: isinstance(x, np.ndarray))
