"""What a side of a comparison can do, and the probe that watches it run.

Every layer is observed by the same means on all sides: its `forward` (and `backward`, where it has one) is wrapped on
the instance for the length of a run, and the Probe is told what goes in and out. A Probe may also stand in for a layer
and hand out values of its own: then what a layer receives depends on the code between the layers alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

import scratch
from parity_tests.checks.sides import Numbers
from parity_tests.comparer.values import leaves
from parity_tests.nests import numbered

Key = tuple[str, int]  # a layer's dotted name, and which of its calls in one forward
LOSS = "loss"
ROOT = ""


class Probe:
    """What a run tells of each call of each layer. Gradients are numbered by floating leaf."""

    def enter(self, key: Key) -> None:
        """The call begins."""

    def stand_in(self, key: Key, args: Any, kwargs: Any) -> Any:
        """The outputs to use in place of the layer's, or None to let it compute."""
        return None

    def forward(self, key: Key, args: Any, kwargs: Any, output: Any) -> None:
        """The call has ended."""

    def cotangent(self, key: Key, number: int, dy: np.ndarray) -> None:
        """The gradient with respect to an output has arrived."""

    def gradient(self, key: Key, number: int, dx: np.ndarray) -> None:
        """The gradient with respect to an input has been computed."""

    def stand_in_gradients(self, key: Key) -> list[np.ndarray | None]:
        """The gradients of the floating inputs, for a call that the probe stood in for."""
        return []


Cotangent = Callable[[int, tuple[int, ...]], np.ndarray | None]


class Side:
    """One implementation. `modules` are its layers by dotted name, the loss among them, the whole under ''."""

    engine = "object"
    modules: dict[str, Any]

    def __init__(self, model: Any, loss: Any = None) -> None:
        self.model, self.loss = model, loss

    def state(self) -> Numbers:
        """Parameters and buffers by name: live arrays."""
        raise NotImplementedError

    def load(self, name: str, value: np.ndarray) -> None:
        """Overwrite a parameter or buffer in place."""
        raise NotImplementedError

    def parameter_names(self) -> list[str]:
        raise NotImplementedError

    def seed(self, seed: int) -> None:
        seed_all(seed)

    def train(self, mode: bool) -> None:
        """Training or eval mode, where there is such a thing."""

    def double(self) -> Side | None:
        """The same in float64, or None where that cannot be made."""
        raise NotImplementedError

    def run(
        self,
        inputs: tuple[Any, ...],
        target: Any,
        training: bool,
        seed: int,
        cotangent: Cotangent | None,
        probe: Probe | None = None,
        wanted: Collection[str] = (),
    ) -> Numbers:
        """Forward, and with a cotangent backward: output, grad input, buffer NAME, and grad NAME where it is wanted."""
        raise NotImplementedError

    def local(self, name: str, args: Any, kwargs: Any, dys: list[Any] | None, training: bool, seed: int) -> Numbers:
        """One layer alone on given inputs and cotangents. Its buffers end as they began."""
        raise NotImplementedError

    def can_backward(self) -> bool:
        return True

    @property
    def frozen(self) -> bool:
        """Whether its parameters are its own affair, as in an ONNX file."""
        return bool(getattr(self.model, "frozen", False))

    @contextmanager
    def _probed(self, probe: Probe | None) -> Iterator[None]:
        """Wrap the layers for the length of one run."""
        if probe is None:
            yield
            return
        wrapped = []
        calls: dict[str, int] = {}
        try:
            for name, module in self.modules.items():
                before = {key: vars(module)[key] for key in ("forward", "backward") if key in vars(module)}
                wrapped.append((module, before))
                self._wrap(name, module, probe, calls)
            yield
        finally:
            for module, before in wrapped:
                for key in ("forward", "backward"):
                    vars(module).pop(key, None)
                vars(module).update(before)

    def _wrap(self, name: str, module: Any, probe: Probe, calls: dict[str, int]) -> None:
        raise NotImplementedError


def seed_all(seed: int) -> None:
    """Every generator that a side may draw from. torch.manual_seed also prepares devices not in use, slowly."""
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
    scratch.manual_seed(seed)
    np.random.seed(seed % 2**32)


def named_outputs(output: Any) -> Numbers:
    present = [y for y in leaves(output) if y is not None]
    return {numbered("output", i): np.asarray(y) for i, y in enumerate(present)}
