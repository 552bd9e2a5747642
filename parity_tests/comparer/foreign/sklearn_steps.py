"""scikit-learn's optimizers of neural networks, which take the parameters and their gradients in each step."""

from __future__ import annotations

from typing import Any

from parity_tests.comparer.foreign.given import gradient
from parity_tests.comparer.values import array


class SklearnSteps:
    def __init__(self, optimizer: Any, parameters: list[Any]) -> None:
        self.optimizer, self.parameters = optimizer, list(parameters)
        self.learning_rate = float(optimizer.learning_rate_init)
        self._before = self.learning_rate

    def step(self) -> None:
        """A parameter without a gradient gets zeros."""
        if self.learning_rate != self._before:
            self.optimizer.learning_rate_init *= self.learning_rate / self._before
            if hasattr(self.optimizer, "momentum"):  # SGD's own rate
                self.optimizer.learning_rate *= self.learning_rate / self._before
            self._before = self.learning_rate
        self.optimizer.update_params([array(p.data) for p in self.parameters], list(map(gradient, self.parameters)))


def steps(optimizer: Any, parameters: list[Any]) -> SklearnSteps:
    return SklearnSteps(optimizer, parameters)
