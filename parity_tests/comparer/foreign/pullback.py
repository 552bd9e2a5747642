"""A side whose framework takes gradients back through a function, as jax.vjp does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from parity_tests.comparer.array_side import call, quiet
from parity_tests.comparer.foreign.implied import Implied
from parity_tests.comparer.foreign.matching import Piece, implied
from parity_tests.comparer.side import LOSS, ROOT, Given, Probe, Side
from parity_tests.comparer.values import Numbers, arrays, copied, floats, is_float, named_numbers, named_outputs
from parity_tests.nests import numbered

Gradients = list[np.ndarray | None]
Pull = Callable[[Gradients], tuple[Gradients, Numbers]]


class Evaluated(NamedTuple):
    """One call of the whole or of a layer, in NumPy's arrays.

    output   a nest of arrays
    pull     from the gradients of its floating leaves to those of the floating inputs, and of the parameters by name;
             None if there is no backward
    buffers  their values afterwards, by name
    """

    output: Any
    pull: Pull | None
    buffers: Numbers


class PullbackSide(Side):
    """A side that holds its numbers as NumPy arrays, and evaluates functions of them.

    `values` are the parameters and buffers by their own names, in their own layout; `buffers` names those that are no
    parameters. A subclass fills them and `modules`, and implements `evaluate`.
    """

    def __init__(self, model: Any, loss: Any = None) -> None:
        super().__init__(model, loss)
        self.values: Numbers = {}
        self.buffers: set[str] = set()
        self.modules = {LOSS: loss} if hasattr(loss, "forward") else {}

    def evaluate(self, name: str, given: Given, training: bool, seed: int, probe: Probe | None) -> Evaluated:
        """The layer of this name, or the whole, at `values`; the parameters' names in `pull` are those of the whole."""
        raise NotImplementedError

    @contextmanager
    def computing(self) -> Iterator[None]:
        """The state of the framework in which everything is computed, such as a precision."""
        yield

    # --- state --------------------------------------------------------------------------------------------------------

    def state(self) -> Numbers:
        return self.values

    def load(self, name: str, value: np.ndarray) -> None:
        self.values[name][...] = value

    def parameter_names(self) -> list[str]:
        return [name for name in self.values if name not in self.buffers]

    def snapshot(self) -> Any:
        return {name: np.array(self.values[name]) for name in self.buffers}

    def restore(self, snapshot: Any) -> None:
        for name, value in snapshot.items():
            self.values[name][...] = value

    # --- running ------------------------------------------------------------------------------------------------------

    def run(self, given, target, training, seed, cotangent, probe=None, wanted=(), sink=None):
        self.seed(seed)
        with self.computing(), quiet():
            found = self.evaluate(ROOT, given, training, seed, probe)
            output = found.output
            numbers: Numbers = {}
            if self.loss is not None:
                numbers |= named_outputs(output, "prediction")
                output, back = self._lost(output, arrays(target), probe)
            numbers |= named_outputs(output)
            if cotangent is not None and self.can_backward() and found.pull is not None:
                names = {n: y for n, y in named_numbers("output", output).items() if is_float(y)}
                dys: Gradients = [cotangent(n, np.shape(y)) for n, y in names.items()]
                dys = back(dys) if self.loss is not None else dys
                dxs, gradients = found.pull(dys)
                numbers |= {
                    numbered("grad input", i): np.zeros_like(x) if g is None else np.asarray(g)
                    for i, (x, g) in enumerate(zip(floats(given), dxs, strict=True))
                }
                numbers |= {f"grad {n}": g for n, g in gradients.items() if n in wanted}
        for name, value in found.buffers.items():
            self.load(name, value)
        return numbers | {f"buffer {n}": np.array(self.values[n]) for n in self.buffers}

    def local(self, name, args, kwargs, dys, training, seed):
        self.seed(seed)
        with self.computing(), quiet():
            if name == LOSS:
                return self._local_loss(args, dys)
            path = next(path for path, module in self.own_modules().items() if module is self.modules[name])
            dot = f"{path}." if path else ""
            found = self.evaluate(path, Given(args, kwargs), training, seed, None)
            numbers = named_outputs(found.output)
            if dys is not None and found.pull is not None:
                dxs, gradients = found.pull(list(dys))
                numbers |= {numbered("grad input", i): np.zeros_like(x) if g is None else np.asarray(g)
                            for i, (x, g) in enumerate(zip(floats((args, kwargs)), dxs, strict=False))}  # fmt: skip
                numbers |= {f"grad {n.removeprefix(dot)}": g for n, g in gradients.items() if n.startswith(dot)}
        buffers = {**{n: self.values[n] for n in self.buffers}, **found.buffers}
        return numbers | {f"buffer {n.removeprefix(dot)}": np.array(v) for n, v in buffers.items() if n.startswith(dot)}

    def own_modules(self) -> Mapping[str, Any]:
        """The layers by their own names; `modules` has them by the right's. Here, the whole alone."""
        return {ROOT: self.modules.get(ROOT)}

    # --- names and layouts in other frameworks ------------------------------------------------------------------------

    def pieces(self) -> list[Piece]:
        """The layers with parameters, as torch stores them."""
        return []

    def parameter_map(self, other: Side, given: Given) -> Implied | None:
        pieces = [] if isinstance(other, PullbackSide) else self.pieces()
        return implied(self, pieces, other, given) if pieces else None

    # --- the loss: arrays' -------------------------------------------------------------------------------------------

    def can_backward(self) -> bool:
        return self.loss is None or hasattr(self.loss, "backward")

    def _lost(
        self, output: Any, target: Any, probe: Probe | None
    ) -> tuple[np.ndarray, Callable[[Gradients], Gradients]]:
        key = LOSS, 0
        if probe is None or LOSS not in self.modules:
            return call(self.loss, output, target), self._back
        probe.enter(key)
        given = probe.stand_in(key, (output, target), {})
        value = call(self.loss, output, target) if given is None else np.asarray(given)
        if given is None:
            probe.forward(key, (output, target), {}, value)

        def back(dys: Gradients) -> Gradients:
            if dys[0] is not None:
                probe.cotangent(key, 0, dys[0])
            if given is not None:
                return probe.stand_in_gradients(key)[: len(floats(output))]
            dxs = self._back(dys)
            for i, dx in enumerate(dxs):
                if dx is not None:
                    probe.gradient(key, i, dx)
            return dxs

        return value, back

    def _back(self, dys: Gradients) -> Gradients:
        return list(floats(self.loss.backward(*dys)))

    def _local_loss(self, args: Any, dys: Gradients | None) -> Numbers:
        numbers = named_outputs(call(self.loss, *copied(arrays(args))))
        if dys is not None and hasattr(self.loss, "backward"):
            numbers |= {numbered("grad input", i): g for i, g in enumerate(self._back(dys)) if g is not None}
        return numbers
