"""An optax transformation as an optimizer of parameters with .data and .grad."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

NAMES = {  # optax's states by torch's names: the class of the state, and its field
    ("ScaleByAdamState", "mu"): "exp_avg",
    ("ScaleByAdamState", "nu"): "exp_avg_sq",
    ("TraceState", "trace"): "momentum_buffer",
    ("ScaleByRmsState", "nu"): "square_avg",
    ("ScaleByRssState", "sum_of_squares"): "sum",
}


class OptaxSteps:
    """step() updates the parameters. `rate` multiplies the updates: with it the learning rate can be lowered."""

    def __init__(self, transformation: optax.GradientTransformation, parameters: list[Any]) -> None:
        self.transformation, self.parameters = transformation, list(parameters)
        self.rate = 1.0
        with self._precision():
            self.inner = transformation.init(self._arrays())

    def _precision(self) -> Any:
        return jax.enable_x64(any(np.asarray(p.data).dtype == np.float64 for p in self.parameters))

    def _arrays(self) -> list[Any]:
        return [jnp.asarray(np.asarray(p.data)) for p in self.parameters]

    def _gradients(self) -> list[Any]:
        return [jnp.asarray(np.asarray(p.data * 0 if p.grad is None else p.grad)) for p in self.parameters]

    def step(self) -> None:
        """An update of each parameter; one without a gradient has zeros for it."""
        with self._precision():
            updates, self.inner = self.transformation.update(self._gradients(), self.inner, self._arrays())
            for p, update in zip(self.parameters, updates, strict=True):
                data = np.asarray(p.data)  # a tensor's own memory, if it is one
                data[...] = np.asarray(jnp.asarray(data) + update * self.rate)

    @property
    def state(self) -> dict[Any, dict[str, np.ndarray]]:
        """The states of each parameter, by torch's names where optax's mean the same."""
        found: dict[Any, dict[str, np.ndarray]] = {p: {} for p in self.parameters}
        for part in jax.tree.leaves(self.inner, is_leaf=_is_state):
            if "count" in getattr(part, "_fields", ()):
                for p in self.parameters:
                    found[p]["step"] = np.asarray(part.count, np.float32)
            for field in getattr(part, "_fields", ()):
                values = getattr(part, field)
                if isinstance(values, list) and len(values) == len(self.parameters):
                    name = NAMES.get((type(part).__name__, field), field)
                    for p, value in zip(self.parameters, values, strict=True):
                        found[p][name] = np.asarray(value)
        return found


def _is_state(part: Any) -> bool:
    return isinstance(part, tuple) and hasattr(part, "_fields") and any(isinstance(v, list) for v in part)


def steps(transformation: Any, parameters: list[Any]) -> OptaxSteps:
    return OptaxSteps(transformation, parameters)
