"""A Keras optimizer as one of parameters with .data and .grad."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from parity_tests.comparer.foreign.given import data, gradient, put
from parity_tests.comparer.values import array

# Keras' variables that mean what torch's state of that name does. SGD's momentum does not: it has the rate in it.
STATES = {
    "Adam": {"momentum": "exp_avg", "velocity": "exp_avg_sq"},
    "AdamW": {"momentum": "exp_avg", "velocity": "exp_avg_sq"},
    "Nadam": {"momentum": "exp_avg", "velocity": "exp_avg_sq"},
    "Adamax": {"_m": "exp_avg", "_u": "exp_inf"},
    "RMSprop": {"velocity": "square_avg"},
    "Adagrad": {"accumulator": "sum"},
    "Adadelta": {"accumulated_grad": "square_avg", "accumulated_delta_var": "acc_delta"},
}


class KerasSteps:
    """Each has an optimizer of its own, made from the given one's configuration."""

    def __init__(self, optimizer: Any, parameters: list[Any]) -> None:
        self.parameters = list(parameters)
        self.optimizer = type(optimizer).from_config(optimizer.get_config())
        self.variables = [keras.Variable(x, dtype=str(x.dtype)) for x in map(data, self.parameters)]
        self.optimizer.build(self.variables)
        if not isinstance(optimizer.get_config()["learning_rate"], dict):  # a schedule keeps its own
            self.learning_rate = float(_array(self.optimizer.learning_rate))

    def step(self) -> None:
        """A parameter without a gradient gets zeros."""
        if hasattr(self, "learning_rate"):
            self.optimizer.learning_rate = self.learning_rate
        for variable, p in zip(self.variables, self.parameters, strict=True):
            variable.assign(data(p))
        gradients = [keras.ops.convert_to_tensor(gradient(p)) for p in self.parameters]
        self.optimizer.apply(gradients, self.variables)
        for variable, p in zip(self.variables, self.parameters, strict=True):
            put(p, _array(variable))

    @property
    def state(self) -> dict[Any, dict[str, np.ndarray]]:
        """By torch's names, where they mean the same."""
        found: dict[Any, dict[str, np.ndarray]] = {p: {} for p in self.parameters}
        for own, name in STATES.get(type(self.optimizer).__name__, {}).items():
            values = [v for v in self.optimizer.variables if v.name.endswith(own)]
            for p, value in zip(self.parameters, values, strict=False):
                found[p][name] = np.array(_array(value))
        return found


def _array(variable: Any) -> Any:
    return np.asarray(array(variable.value))


def steps(optimizer: Any, parameters: list[Any]) -> KerasSteps:
    return KerasSteps(optimizer, parameters)
