"""Flat buffers: the parameters of a group, one after another, in 1-D arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, groupby
from typing import Any

import numpy as np

from scratch.arrays import check_own_rules
from scratch.nn.module import Parameter
from scratch.threads import WORTH, get_num_threads, share_rows

State = dict[Any, dict[str, Any]]

BLOCK = 2**17  # values; five float32 vectors of this length are 2.6 MB
SHARED = 2**18  # values of a block for one of several threads


def in_blocks(rule: Callable[..., None], vectors: Sequence[np.ndarray], work: int = 0) -> None:
    """Call rule(*pieces, *work arrays) for each piece of vectors of the same length, which threads share out.

    What one statement of a rule wrote is then in the cache for the next: Adam on 10 million weights takes 0.6 of the
    time. The `work` arrays have arbitrary values. As a rule treats every weight alone, its blocks may depend on the
    number of threads, which all receive the same number of equal ones: with 535,000 weights two take 0.55 of the time.
    """

    def piece(*pieces: np.ndarray) -> None:
        rule(*pieces, *(np.empty_like(pieces[0]) for _ in range(work)))

    length, threads = len(vectors[0]), get_num_threads()
    if threads == 1 or length < WORTH:
        share_rows(piece, vectors, BLOCK)
    else:
        each = max(round(length / threads / SHARED), 1)
        share_rows(piece, vectors, -(-length // (threads * each)))


class Flat:
    """Parameters of one dtype laid end to end in `theta`, their gradients in `grad`.

    Building it makes every `Parameter.data` a view of theta and every `Parameter.grad_buffer` a view of grad, so layers
    and optimizer share memory, and one statement over a 1-D array updates all parameters. State that has one value per
    weight lies in further arrays of the same layout; `state[parameter]` holds views of them.
    """

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.parameters = list(parameters)
        self.edges = list(accumulate((p.size for p in parameters), initial=0))
        self.theta = np.empty(self.edges[-1], parameters[0].dtype)
        self.grad = np.zeros_like(self.theta)
        self.vectors: dict[str, np.ndarray] = {}
        self.scratch: dict[str, np.ndarray] = {}
        self.views = [self.view(self.theta, i) for i in range(len(parameters))]
        self.buffers = [self.view(self.grad, i) for i in range(len(parameters))]
        for parameter, view, buffer in zip(parameters, self.views, self.buffers, strict=True):
            view[...] = parameter.data
            parameter.data, parameter.grad_buffer = view, buffer

    def view(self, flat: np.ndarray, i: int) -> np.ndarray:
        """The part of an array of theta's layout that belongs to the i-th parameter, in the parameter's shape."""
        return flat[self.edges[i] : self.edges[i + 1]].reshape(self.parameters[i].shape)

    def vector(self, name: str) -> np.ndarray:
        """The array of theta's layout that holds the state of this name."""
        if name not in self.vectors:
            self.vectors[name] = np.zeros_like(self.theta)
        return self.vectors[name]

    def flush(self, names: Sequence[str]) -> None:
        """Set float32 state below 1e-34 to 0. Otherwise it decays into subnormal numbers and stays there.

        Many processors compute with those fifty times slower, and inputs that are mostly zero, as the border of images,
        make many of them. An average with factor 0.9 loses three digits in the 64 steps from one flush to the next.
        """
        for name in names:
            vector = self.vectors.get(name)
            if vector is not None and vector.dtype == np.float32:
                vector[np.abs(vector) < 1e-34] = 0

    def collect(self, call: str) -> None:
        """Copy gradients that were computed elsewhere into `grad`, and check that the parameters still lie here."""
        for parameter, view, buffer in zip(self.parameters, self.views, self.buffers, strict=True):
            if parameter.data is not view:
                raise RuntimeError(
                    f"{call}: a parameter of shape {view.shape} no longer lies in this optimizer's buffer. Another "
                    "optimizer was built on it, or its `data` was replaced. Build a new optimizer, and change values "
                    "in place: parameter.data[...] = values."
                )
            grad = parameter.grad
            if grad is None or grad is buffer:
                continue
            check_own_rules(call, "a gradient", grad)
            if np.shape(grad) != view.shape or np.asarray(grad).dtype != view.dtype:
                raise RuntimeError(
                    f"{call}: the gradient must be {view.dtype}{list(view.shape)} like its parameter, "
                    f"got {np.asarray(grad).dtype}{list(np.shape(grad))}."
                )
            buffer[...] = grad

    def runs(self, state: State, scalars: Sequence[str]) -> Iterator[Run]:
        """Neighbors that have gradients and share state and step counts; normally all parameters at once."""

        def alike(i: int) -> Any:
            if self.parameters[i].grad is None:
                return None
            own = state.get(self.parameters[i], {})
            return tuple(own), tuple(float(own[name]) for name in scalars if name in own)

        for key, members in groupby(range(len(self.parameters)), key=alike):
            if key is not None:
                first, *rest = members
                yield Run(self, state, first, rest[-1] + 1 if rest else first + 1)


class Run:
    """A contiguous part of the flat buffers, on which an update rule works: 1-D arrays and shared numbers.

    Parameters differ in their step counts only if some of them had no gradient in some step.
    """

    def __init__(self, flat: Flat, state: State, first: int, last: int) -> None:
        self.flat = flat
        self.first = first
        self.parameters = flat.parameters[first:last]
        self.states = [state.setdefault(parameter, {}) for parameter in self.parameters]
        self.span = slice(flat.edges[first], flat.edges[last])
        self.theta = flat.theta[self.span]
        self.grad = flat.grad[self.span]

    def each(self) -> Iterator[tuple[np.ndarray, np.ndarray, dict[str, Any]]]:
        """theta, gradient and state of one parameter after another, in its shape: for rules that need shapes."""
        for i, state in enumerate(self.states, start=self.first):
            yield self.flat.views[i], self.flat.buffers[i], state

    def scratch(self, name: str) -> np.ndarray:
        """A work array with arbitrary values. It is kept for the next step."""
        if name not in self.flat.scratch:
            self.flat.scratch[name] = np.empty_like(self.flat.theta)
        return self.flat.scratch[name][self.span]

    def has(self, name: str) -> bool:
        return name in self.states[0]

    def vector(self, name: str, fill: float = 0.0) -> np.ndarray:
        """State with one value per weight, initially `fill`."""
        whole = self.flat.vector(name)
        piece = whole[self.span]
        if not self.has(name):
            piece.fill(fill)
            for i, state in enumerate(self.states, start=self.first):
                state[name] = self.flat.view(whole, i)
        return piece

    def scalar(self, name: str, start: float) -> np.floating:
        """State with one value per parameter, a float32 as in torch, initially `start`."""
        return self.states[0].get(name, np.float32(start))

    def set(self, name: str, value: Any) -> None:
        for state in self.states:
            state[name] = value

    def count(self) -> float:
        """The number of this step: 1 for the first gradient that these parameters see."""
        step = self.scalar("step", 0) + 1
        self.set("step", step)
        return float(step)
