"""The interface of a side of a comparison, and the probe that watches it run.

Every layer is observed by the same means on all sides: its `forward` (and `backward`, where it has one) is wrapped on
the instance for the length of a run, and the Probe is told what goes in and out. A Probe may also replace a layer and
output its own values: then what a layer receives depends only on the code between the layers.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

import scratch
from parity_tests.comparer.values import Numbers

Key = tuple[str, int]  # a layer's dotted name, and which of its calls in one forward
LOSS = "loss"
ROOT = ""


class Given(NamedTuple):
    """What a model is called with."""

    args: tuple[Any, ...] = ()
    kwargs: Any = {}  # noqa: RUF012 - never written to


class Probe:
    """What a run reports about each call of each layer. Gradients are numbered by floating leaf."""

    def enter(self, key: Key, around: tuple[str, ...] = ()) -> None:
        """The call begins; `around` is the state in which it begins, such as autocast."""

    def stand_in(self, key: Key, args: Any, kwargs: Any) -> Any:
        """The outputs to use in place of the layer's, or None to let it compute."""
        return None

    def written(self, key: Key) -> Any:
        """What a call that the probe replaces has made of its arguments (args, kwargs); None if it leaves them."""
        return None

    def again(self, key: Key) -> Any:
        """As `stand_in`, when a checkpoint makes the call once more; nothing is reported."""
        return None

    def forward(self, key: Key, args: Any, kwargs: Any, output: Any) -> None:
        """The call has ended."""

    def cut(self, key: Key, number: int) -> None:
        """The call has ended, and no gradient can reach it from this output."""

    def cotangent(self, key: Key, number: int, dy: np.ndarray) -> None:
        """The gradient with respect to an output has arrived."""

    def gradient(self, key: Key, number: int, dx: np.ndarray) -> None:
        """The gradient with respect to an input has been computed."""

    def stand_in_gradients(self, key: Key) -> list[np.ndarray | None]:
        """The gradients of the floating inputs, for a call that the probe replaced."""
        return []


Sink = Callable[[str, np.ndarray], None]
Cotangent = Callable[[str, tuple[int, ...]], np.ndarray | None]  # of an output's name and shape


class Side:
    """One implementation. `modules` are its layers by dotted name, the loss among them, the whole under ''."""

    engine = "object"
    title = ""  # what the report calls the model, if that is not its class
    framework = ""  # what the report calls it, if that is not its engine
    words: Mapping[str, str] = {}  # what it calls torch's options in a report: {"eps": "epsilon"}
    modules: dict[str, Any]
    coarse = ""  # what it computes in, if that is coarser than float32
    noise: float | None = None  # of a coarse side: its limit in a layer, in ulp; see `judge.noise`

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
        """Training or eval mode, if the side has modes."""

    def fixed_mode(self) -> bool:
        """Whether it computes only in eval mode, as an exported model does."""
        return False

    def trainable(self) -> list[str]:
        """The parameters that ask for a gradient."""
        return self.parameter_names()

    def half(self) -> bool:
        """Whether its parameters have 16 bits."""
        return any(value.dtype == np.float16 for value in self.state().values())

    def has_gradient(self, name: str) -> bool:
        """Whether a parameter has a gradient that is known."""
        return True

    def virtual(self) -> dict[str, list[str]]:
        """Weights that are computed from parameters (weight_norm), and the names of those."""
        return {}

    def load_virtual(self, name: str, value: np.ndarray) -> None:
        """Set a computed weight through its parameters."""

    def virtual_value(self, name: str) -> np.ndarray:
        """A computed weight as it is."""
        raise NotImplementedError

    def snapshot(self) -> Any:
        """Everything that a run may change except parameters: buffers, gradients, modes, other attributes."""
        raise NotImplementedError

    def restore(self, snapshot: Any) -> None:
        """Restore everything to the state of `snapshot`."""
        raise NotImplementedError

    def double(self, dtype: Any = np.float64) -> Side:
        """The same in float64, or in another precision."""
        raise NotImplementedError

    def run(
        self,
        given: Given,
        target: Any,
        training: bool,
        seed: int,
        cotangent: Cotangent | None,
        probe: Probe | None = None,
        wanted: Collection[str] = (),
        sink: Sink | None = None,
    ) -> Numbers:
        """Forward, and with a cotangent backward: output, grad input, buffer NAME, and grad NAME where it is wanted.

        A torch side hands parameter gradients to a `sink` one by one, and keeps none of them.

        With a loss the output is the loss, and the model's own is `prediction`. Without a probe nothing is changed.
        """
        raise NotImplementedError

    def local(self, name: str, args: Any, kwargs: Any, dys: list[Any] | None, training: bool, seed: int) -> Numbers:
        """One layer alone on given inputs and cotangents. Its buffers end as they began."""
        raise NotImplementedError

    def can_backward(self) -> bool:
        return True

    def parameter_map(self, other: Side, given: Given) -> Any:
        """What a side knows about its parameters' names and layouts in another side: an `Implied`, or None."""
        return None

    @property
    def frozen(self) -> bool:
        """Whether its parameters cannot be set, as in an ONNX file."""
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
                if not (hasattr(module, "forward") and hasattr(module, "__dict__")):
                    continue
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
    random.seed(seed)


class Generators(NamedTuple):
    """The states of the global generators that a side may draw from; `own` is torch's, or scratch's for arrays."""

    own: bytes
    numpy: tuple[Any, ...]
    python: tuple[Any, ...]
    devices: tuple[bytes, ...]

    def own_state(self) -> torch.Tensor:
        return torch.frombuffer(bytearray(self.own), dtype=torch.uint8)

    def restore(self) -> None:
        torch.set_rng_state(self.own_state())
        scratch.set_rng_state(self.own_state().numpy())
        name, words, *rest = self.numpy
        np.random.set_state((name, np.frombuffer(words, np.uint32), *rest))
        random.setstate(self.python)
        if self.devices:
            torch.cuda.set_rng_state_all([torch.frombuffer(bytearray(s), dtype=torch.uint8) for s in self.devices])


def generators(engine: str) -> Generators:
    """The states as they are, for a side of this engine."""
    own = torch.get_rng_state().numpy() if engine == "torch" else np.asarray(scratch.get_rng_state())
    name, words, *rest = np.random.get_state()
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else ()
    numpy = (name, np.asarray(words).tobytes(), *rest)
    return Generators(own.tobytes(), numpy, random.getstate(), tuple(s.numpy().tobytes() for s in devices))


def random_numbers_drawn(seed: int) -> bool:
    """Whether a global generator has moved since `seed_all(seed)`. They end as that leaves them."""
    before = generators("torch"), generators("scratch")
    seed_all(seed)
    return before != (generators("torch"), generators("scratch"))


@contextmanager
def generators_kept() -> Iterator[None]:
    """Every global generator afterwards continues from its earlier state."""
    states = torch.get_rng_state(), scratch.get_rng_state(), np.random.get_state(), random.getstate()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        scratch.set_rng_state(states[1])
        np.random.set_state(states[2])
        random.setstate(states[3])
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
