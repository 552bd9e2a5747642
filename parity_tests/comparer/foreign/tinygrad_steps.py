"""tinygrad's optimizers, which are made of tinygrad's tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tinygrad import Tensor
from tinygrad.helpers import Context

from parity_tests.comparer.foreign.given import data, gradient, put


class TinygradSteps:
    """`make` makes the optimizer of a list of tensors."""

    def __init__(self, make: Callable[[list[Tensor]], Any], parameters: list[Any]) -> None:
        self.parameters = list(parameters)
        self.tensors = [Tensor(data(p)).realize() for p in self.parameters]
        self.optimizer = make(self.tensors)
        self.lr = float(self.optimizer.lr.numpy().item())

    def step(self) -> None:
        """A parameter without a gradient gets zeros."""
        self.optimizer.lr.assign(Tensor([self.lr], dtype=self.optimizer.lr.dtype)).realize()
        for tensor, p in zip(self.tensors, self.parameters, strict=True):
            tensor.assign(Tensor(data(p))).realize()
            tensor.grad = Tensor(gradient(p))
        with Context(TRAINING=1):
            self.optimizer.step()
        for tensor, p in zip(self.tensors, self.parameters, strict=True):
            put(p, tensor.numpy())

    @property
    def state(self) -> dict[Any, dict[str, np.ndarray]]:
        """Adam's moments by torch's names."""
        found: dict[Any, dict[str, np.ndarray]] = {p: {} for p in self.parameters}
        for own, name in (("m", "exp_avg"), ("v", "exp_avg_sq")):
            values = getattr(self.optimizer, own, None) if hasattr(self.optimizer, "b1_t") else None
            for p, value in zip(self.parameters, values or (), strict=False):
                found[p][name] = value.numpy()
        return found


def steps(make: Callable[[list[Tensor]], Any], parameters: list[Any]) -> TinygradSteps:
    return TinygradSteps(make, parameters)
