"""A function of JAX as a side, under jit or not: of the inputs, or functools.partial(function, parameters).

Nothing within it is seen: what it does otherwise than the right is looked for in the right's layers.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from parity_tests.comparer.foreign.held import Held, pieces_of_names
from parity_tests.comparer.foreign.jax_side import Arrays, JaxSide
from parity_tests.comparer.foreign.matching import Piece
from parity_tests.comparer.foreign.watching import Watch
from parity_tests.comparer.nests import leaves
from parity_tests.comparer.side import ROOT, Given


class FunctionSide(JaxSide):
    """A function; arguments that it holds besides parameters stay as they are."""

    framework = "jax"

    def __init__(self, model: Any, given: Given, loss: Any = None) -> None:
        super().__init__(model, loss)
        self.held = Held(model, lambda x: isinstance(x, jax.Array | np.ndarray))
        self.values = self.held.values()
        self.title = self.held.title
        self.layers = {ROOT: model}
        self.modules[ROOT] = model
        self.channels_last = any(v.ndim in (4, 5) for v in self.values.values())
        self.find_layout(given)

    def pieces(self) -> list[Piece]:
        return pieces_of_names(self.values)

    def apply(self, values: Arrays, name: str, given: Given, training: bool, seed: Any, watch: Watch) -> Any:
        return self.held.call(values, given.args, given.kwargs, training), {}


def side(model: Any, given: Given, loss: Any) -> FunctionSide | None:
    """None for a function whose code only names JAX, and that works on something else."""
    made = FunctionSide(model, given, loss)
    if made.values:
        return made
    try:
        found = made.evaluate(ROOT, given, False, 0, None)
    except Exception:
        return None
    return made if any(isinstance(y, np.ndarray) for y in leaves(found.output)) else None
