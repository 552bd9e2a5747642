"""Recurrence: one layer in one direction. The kinds of recurrent layers differ in their steps, and share the rest."""

from typing import Any, NamedTuple

import numpy as np

from scratch.nn.module import Parameter
from scratch.nn.recurrent.chunks import Steps, in_chunks, in_order, one_after_another
from scratch.nn.sums import sum_leading
from scratch.products import matmul
from scratch.threads import one_blas_thread

State = tuple[np.ndarray, ...]
Gradients = tuple[np.ndarray, np.ndarray, np.ndarray]

FEW = 16  # rows of a step: a step's columns of an array (F, R) in C's order are shorter than a line of the cache


class Weights(NamedTuple):
    """The parameters of one layer in one direction; G gates, hidden size H, output size P (H without projection)."""

    ih: Parameter  # (G·H, I)
    hh: Parameter  # (G·H, P)
    b_ih: Parameter | None = None  # (G·H)
    b_hh: Parameter | None = None  # (G·H)
    hr: Parameter | None = None  # (P, H)


class Recurrence:
    """A state that is updated by one input after another.

    The inputs of all time steps are in one array of rows, (R, I), step after step. `steps` lists the rows of each step
    in the order of computation. A step of n rows updates only the first n rows of the state (N, H):

        a batch of sequences of one length         n = N in every step
        packed sequences, longest first            n shrinks as the shorter ones end, and their last state stays
        the reverse direction                      the steps in reverse; n grows, until then the initial state stays

    So forward is a loop over in-place updates of the state, and backward the same loop in reverse over the gradient of
    the state, which starts as the gradient of the final state and ends as the gradient of the initial one.
    Everything else is done for all steps at once: x W_ih^T, dx, and one product for the gradient of each weight. Of a
    long sequence it is done in chunks; backward, other threads do it while one is at the steps of the next chunk.
    """

    def forward_steps(self, x: np.ndarray, state: State, weights: Weights, steps: Steps) -> tuple[np.ndarray, Any]:
        """Give y (R, P) and what to save; `state` is updated in place."""
        raise NotImplementedError(f"{self}: define forward_steps and backward_steps, or use RNN, LSTM or GRU.")

    def backward_steps(self, dy: np.ndarray, dstate: State, saved: Any, weights: Weights, steps: Steps) -> Gradients:
        """The gradients of x W_ih^T + b_ih and h W_hh^T + b_hh, and h before each step; `dstate` changes in place."""
        raise NotImplementedError

    def forward_direction(self, x: np.ndarray, state: State, weights: Weights, steps: Steps) -> tuple[Any, State, Any]:
        """Give y (R, P), the final state, and what to save."""
        state = tuple(part.copy() for part in state)
        chunks = in_chunks(steps, weights.hh.size)
        y, saved = [], []
        for chunk in chunks:
            with one_blas_thread:
                part, kept = self.forward_steps(x[chunk.rows], state, weights, chunk.steps)
            y.append(part)
            saved.append(kept)
        return in_order(y, chunks), state, (x, chunks, saved)

    def backward_direction(
        self, dy: np.ndarray, dstate: State, saved: Any, weights: Weights, steps: Steps
    ) -> tuple[np.ndarray, State]:
        """Give dx (R, I) and the gradient of the initial state, and add the gradients of the weights."""
        x, chunks, saved = saved
        dstate = tuple(part.copy() for part in dstate)

        def of_gates(k: int) -> Gradients:
            with one_blas_thread:
                return self.backward_steps(dy[chunks[k].rows], dstate, saved[k], weights, chunks[k].steps)

        if len(chunks) == 1:
            gates = dx_gates, dh_gates, h_before = of_gates(0)
            weights.ih.accumulate_product(dx_gates.T, x)
            weights.hh.accumulate_product(dh_gates.T, h_before)
            for bias, gradient in of_biases(weights, gates):
                bias.accumulate(gradient)
            return matmul(dx_gates, weights.ih.data), dstate

        def of_x(_: int, gates: Gradients) -> np.ndarray:
            return matmul(gates[0], weights.ih.data)

        def of_ih(k: int, gates: Gradients) -> Any:
            return matmul(gates[0].T, x[chunks[k].rows]) if weights.ih.requires_grad else None

        def of_hh(_: int, gates: Gradients) -> Any:
            return matmul(gates[1].T, gates[2]) if weights.hh.requires_grad else None

        def of_b(_: int, gates: Gradients) -> Any:
            return of_biases(weights, gates)

        last_first = range(len(chunks) - 1, -1, -1)
        found = one_after_another(last_first, of_gates, (of_hh, of_ih, of_x, of_b), dy.size)
        for dW_hh, dW_ih, _, db in found:
            weights.hh.accumulate(dW_hh)
            weights.ih.accumulate(dW_ih)
            for bias, gradient in db:
                bias.accumulate(gradient)
        return in_order([dx for _, _, dx, _ in reversed(found)], chunks), dstate


def of_biases(weights: Weights, gates: Gradients) -> list[tuple[Parameter, np.ndarray]]:
    """b_ih and b_hh, if there are any, each with its gradient."""
    if weights.b_ih is None or weights.b_hh is None:
        return []
    dx_gates, dh_gates, _ = gates
    db_ih = sum_leading(dx_gates)
    return [(weights.b_ih, db_ih), (weights.b_hh, db_ih if dh_gates is dx_gates else sum_leading(dh_gates))]


def affine(x: np.ndarray, weight: Parameter, *biases: Parameter | None) -> np.ndarray:
    """Compute x W^T + the biases, if there are any."""
    z = matmul(x, weight.data.T)
    present = [bias.data for bias in biases if bias is not None]
    if present:
        z += sum(present[1:], present[0])
    return z


# --- steps in columns -------------------------------------------------------------------------------------------------
#
# LSTM and GRU compute with the transposes: the state is (H, N), a step's gates are (G·H, n). BLAS multiplies W (4H, H)
# by h (H, n) in half of the time of h W^T at 256 units and 32 rows, and a gate is one piece of memory.


def columns(size: int, rows: int, steps: Steps, dtype: np.dtype) -> np.ndarray:
    """An array (F, R) for a column of each row, those of a step close to each other in memory."""
    few = steps[0].stop - steps[0].start < FEW
    return np.empty((size, rows), dtype, order="F" if few else "C")


def affine_columns(x: np.ndarray, steps: Steps, weight: Parameter, *biases: Parameter | None) -> np.ndarray:
    """W x + the biases, if there are any: (O, R) for rows x (R, I)."""
    z = matmul(weight.data, x.T, out=columns(len(weight.data), len(x), steps, x.dtype))
    present = [bias.data for bias in biases if bias is not None]
    if present:
        z += sum(present[1:], present[0])[:, np.newaxis]
    return z


def blocks(array: np.ndarray, size: int, steps: Steps) -> list[np.ndarray]:
    """The view (K, H, n) of each step on an array (K, H·R), in which one step follows the other."""
    first, last = steps[0], steps[-1]
    n = first.stop - first.start
    if last.stop - last.start == n:  # and so it is in all steps
        views = array.reshape(len(array), len(steps), size, n).swapaxes(0, 1)
        return list(views if first.start <= last.start else views[::-1])
    parts = (array[:, size * step.start : size * step.stop] for step in steps)
    return [part.reshape(len(array), size, step.stop - step.start) for part, step in zip(parts, steps, strict=True)]


def transposed(array: np.ndarray) -> np.ndarray:
    """A copy of the transpose."""
    return np.array(array.T, order="C")
