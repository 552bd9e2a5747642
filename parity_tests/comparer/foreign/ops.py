"""What a watched side needs of a framework's tensors: to and from arrays, and gradients that a probe can see.

`Ops` is for tensors without gradients (NumPy's); a framework with gradients overrides all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from parity_tests.comparer.side import Key, Probe
from parity_tests.comparer.stand_in import stand_in
from parity_tests.comparer.values import array

Function = Callable[[list[Any]], tuple[list[Any], Any]]  # of tensors: floating outputs, and anything else by the way
Cotangents = Callable[[list[np.ndarray]], list[Any] | None]  # of the outputs; None if no gradient is asked for


class HiddenError(Exception):
    """A tensor has no concrete numbers: it is within jit, scan or vmap."""


class Ops:
    """Tensors that have no gradients."""

    differentiates = False

    def tensor(self, value: Any) -> Any:
        return np.array(value)

    def array(self, value: Any) -> Any:
        """A tensor as an array, anything else unchanged; also of a tensor that is being differentiated.

        Raises HiddenError where a tensor has no concrete numbers.
        """
        return value

    def is_tensor(self, value: Any) -> bool:
        return isinstance(value, np.ndarray | np.generic)

    def tap(self, xs: list[Any], told: Callable[[int, np.ndarray], None]) -> list[Any]:
        """The same tensors; when their gradients arrive, they are told by number."""
        return xs

    def stand_in(self, probe: Probe, key: Key, outputs: list[np.ndarray], xs: list[Any]) -> list[Any]:
        """The given outputs as a function of `xs` whose gradients the probe knows."""
        return [self.tensor(y) for y in outputs]

    def vjp(self, function: Function, xs: list[Any], cotangents: Cotangents) -> tuple[Any, list[np.ndarray]]:
        """What the function gives by the way, and the gradients of `xs`."""
        outputs, aside = function(xs)
        cotangents([self.array(y) for y in outputs])
        return aside, []


class TorchOps(Ops):
    differentiates = True

    def tensor(self, value: Any) -> Any:
        return torch.tensor(np.asarray(value))

    def array(self, value: Any) -> Any:
        return array(value)

    def is_tensor(self, value: Any) -> bool:
        return isinstance(value, torch.Tensor)

    def tap(self, xs: list[Any], told: Callable[[int, np.ndarray], None]) -> list[Any]:
        same = [x.view_as(x) if x.requires_grad else x for x in xs]
        for i, x in enumerate(same):
            if x.requires_grad:
                x.register_hook(lambda g, i=i: told(i, array(g)))
        return same

    def stand_in(self, probe: Probe, key: Key, outputs: list[np.ndarray], xs: list[Any]) -> list[Any]:
        return stand_in(probe, key, outputs, xs)

    def vjp(self, function: Function, xs: list[Any], cotangents: Cotangents) -> tuple[Any, list[np.ndarray]]:
        xs = [x.detach().clone().requires_grad_() for x in xs]
        with torch.enable_grad():
            outputs, aside = function(xs)
        dys = cotangents([array(y) for y in outputs])
        if dys is None:
            return aside, []
        pairs = [(y, torch.tensor(np.asarray(dy), dtype=y.dtype)) for y, dy in zip(outputs, dys, strict=True)
                 if dy is not None and y.requires_grad]  # fmt: skip
        if pairs:  # all of it, not only what leads to `xs`: a probe hears of every gradient
            torch.autograd.backward([y for y, _ in pairs], [dy for _, dy in pairs])
        return aside, [array(torch.zeros_like(x) if x.grad is None else x.grad) for x in xs]
