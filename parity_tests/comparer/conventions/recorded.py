"""Tapes of the reference: of one layer, and of the code between two layers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from parity_tests.comparer.conventions.tape import Recording, Ref, Tape
from parity_tests.comparer.nests import map_nest, packed_for
from parity_tests.comparer.side import ROOT, Given, Key, Side
from parity_tests.comparer.trace import Call
from parity_tests.comparer.values import floats, is_float, named_numbers, tensors
from parity_tests.nests import numbered


def of_layer(module: torch.nn.Module, args: Any, kwargs: Any, training: bool, seed: int) -> Tape:
    """One call of a layer, on tensors or arrays. The layer should be a copy: its buffers move."""
    module.train(training)
    xs, options = map_nest(_leaf, packed_for("torch", tensors((args, kwargs or {}))))
    names = {numbered("grad input", i): x for i, x in enumerate(floats((xs, options)))}
    names |= {f"grad {name}": p for name, p in module.named_parameters()}
    names |= {f"buffer {name}": b for name, b in module.named_buffers()}
    recording = Recording()
    for tensor in names.values():
        recording.ref(tensor)
    _label_inputs(recording, floats((xs, options)))
    with torch.random.fork_rng(devices=[]), torch.enable_grad(), recording.naming(module):
        torch.default_generator.manual_seed(seed)
        with recording:
            output = module(*xs, **options)
    return Tape(recording, output, names, seed)


def _label_inputs(recording: Recording, xs: list[Any]) -> None:
    for i, x in enumerate(xs):
        recording.label(x, f"input {i}" if len(xs) > 1 else "the input")


def _leaf(x: Any) -> Any:
    """A new tensor that requires a gradient."""
    if isinstance(x, torch.Tensor):
        x = x.detach().clone()
        return x.requires_grad_() if is_float(x) else x
    return x


class Reached(BaseException):
    """The run has reached the place in question; a model's own `except Exception` does not catch it."""


@dataclass
class Standing:
    """Layers of the reference that give what they gave in the recorded run, and those around them, which compute."""

    calls: Mapping[Key, Call]
    around: Collection[Key]

    def names(self) -> set[str]:
        return {key[0] for key in (*self.calls, *self.around)}


def of_gap(
    right: Side, given: Given, target: Any, training: bool, seed: int, standing: Standing, place: Any
) -> tuple[Tape, Ref, frozenset[int]]:
    """The code before a place: (key, "input" or "output", number), or (None, "output", its name) at the end.

    With the tape come the place and the values that were compared before it, at layers and those around them.
    """
    model = right.model
    recording = Recording()
    arrived: list[torch.Tensor] = []
    judged: set[int] = set()
    with (
        torch.random.fork_rng(devices=[]),
        torch.no_grad(),
        _standing_in(right, standing, place, recording, arrived, judged),
        recording.naming(getattr(right, "layers", right.model), {ROOT, *standing.names()}),
    ):
        torch.default_generator.manual_seed(seed)
        right.train(training)
        xs, aim = packed_for("torch", tensors(given)), tensors(target)
        _label_inputs(recording, floats(xs))
        try:
            with recording:
                output = model(*xs.args, **xs.kwargs)
                output = right.loss(output, aim) if right.loss is not None else output
            arrived.append(named_numbers("output", output)[place[2]])
        except Reached:
            pass
    if not arrived:
        raise ValueError("the place was not reached")
    tape = Tape(recording, arrived[0], {}, seed)
    return tape, tape.results[0], frozenset(judged - {tape.results[0].index})


@contextmanager
def _standing_in(
    right: Side, standing: Standing, place: Any, recording: Recording, arrived: list[torch.Tensor], judged: set[int]
) -> Iterator[None]:
    counts: dict[str, int] = {}
    replaced = []

    def passed(key: Key, what: str, nest: Any) -> None:
        """Values that go into a layer or come out of one: the place itself, or what was compared before it."""
        if place[:2] == (key, what):
            arrived.append(floats(nest)[place[2]])
            raise Reached
        judged.update(recording.ref(x).index for x in floats(nest))

    def wrap(name: str, module: Any) -> None:
        original = module.forward

        def forward(*args: Any, **kwargs: Any) -> Any:
            key = name, counts.get(name, 0)
            counts[name] = key[1] + 1
            if key in standing.around:
                passed(key, "input", (args, kwargs))
                outputs = original(*args, **kwargs)
                passed(key, "output", outputs)
                return outputs
            if key not in standing.calls:
                return original(*args, **kwargs)
            passed(key, "input", (args, kwargs))
            call = standing.calls[key]
            if call.ended is not None:
                torch.set_rng_state(call.ended.own_state())
            outputs = packed_for("torch", tensors(call.output))
            for i, y in enumerate(floats(outputs)):
                recording.label(y, f"the output of {name}" + (f", number {i}" if i else ""))
            return outputs

        vars(module)["forward"] = forward

    try:
        for name in standing.names():
            module = right.modules[name]
            replaced.append((module, vars(module).get("forward")))
            wrap(name, module)
        yield
    finally:
        for module, before in replaced:
            vars(module).pop("forward", None)
            if before is not None:
                vars(module)["forward"] = before
