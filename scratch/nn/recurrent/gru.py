"""GRU and GRUCell: one state, which gates reset and update."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn.activation.sigmoid import sigmoid
from scratch.nn.recurrent.recurrence import (
    Recurrence,
    State,
    Steps,
    Weights,
    affine_columns,
    blocks,
    columns,
    transposed,
)
from scratch.nn.recurrent.rnn_base import RNNBase
from scratch.nn.recurrent.rnn_cell_base import RNNCellBase
from scratch.products import serial_matmul
from scratch.random import Generator


class _Saved(NamedTuple):
    steps: np.ndarray  # r, z, n, q and h - n (5, H·R)
    h_before: np.ndarray  # (H, R)


class _GRU(Recurrence):
    """The step of a GRU, and its derivative.

        r = σ(W_ir x + b_ir + W_hr h + b_hr)        z = σ(W_iz x + b_iz + W_hz h + b_hz)
        n = tanh(W_in x + b_in + r * q)             q = W_hn h + b_hn
        h' = (h - n) * z + n

    Backward, from dh', with a_r, a_z, a_n the arguments of σ and tanh:

        da_z = dh' * (h - n) z (1 - z)        da_n = dh' * (1 - z) (1 - n²)        da_r = da_n * q r (1 - r)
        dq = da_n * r                         dh = dh' * z + W_hh^T (da_r, da_z, dq)

    The factors of dh' are known after the forward, so they are computed for all steps at once. The product with x sees
    (da_r, da_z, da_n), the one with h sees (da_r, da_z, dq).
    """

    def forward_steps(self, x: np.ndarray, state: State, weights: Weights, steps: Steps) -> tuple[np.ndarray, Any]:
        h = transposed(state[0])
        size, W = len(h), weights.hh.data
        b = None if weights.b_hh is None else weights.b_hh.data[:, np.newaxis]
        from_x = affine_columns(x, steps, weights.ih, weights.b_ih)
        saved, h_before = np.empty((5, size * len(x)), x.dtype), columns(size, len(x), steps, x.dtype)
        y = np.empty((len(x), size), x.dtype)
        for step, now in zip(steps, blocks(saved, size, steps), strict=True):
            h_now, r_and_z, n, q, change = h[:, : step.stop - step.start], now[:2], now[2], now[3], now[4]
            h_before[:, step] = h_now
            from_h = serial_matmul(W, h_now)
            if b is not None:
                from_h += b
            a, q[...] = from_h[: 2 * size], from_h[2 * size :]
            a += from_x[: 2 * size, step]
            r_and_z[...] = sigmoid(a).reshape(r_and_z.shape)
            r, z = r_and_z
            np.multiply(r, q, out=n)
            n += from_x[2 * size :, step]
            np.tanh(n, out=n)
            np.subtract(h_now, n, out=change)
            np.multiply(change, z, out=h_now)
            h_now += n
            y[step] = h_now.T
        state[0][...] = h.T
        return y, _Saved(saved, h_before)

    def backward_steps(
        self, dy: np.ndarray, dstate: State, saved: _Saved, weights: Weights, steps: Steps
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        dh = transposed(dstate[0])
        size, W = len(dh), weights.hh.data.T
        dx_gates, dh_gates = (columns(3 * size, len(dy), steps, dy.dtype) for _ in range(2))
        for step, now in zip(reversed(steps), reversed(blocks(_factors(saved), size, steps)), strict=True):
            count = step.stop - step.start
            dh_now, da = dh[:, :count], np.empty((4, size, count), dy.dtype)
            dh_now += transposed(dy[step])
            np.multiply(now[:4], dh_now, out=da)
            from_h, dn = da[:3].reshape(3 * size, count), da[3]
            dh_gates[:, step], dx_gates[2 * size :, step] = from_h, dn
            dh_now *= now[4]
            dh_now += serial_matmul(W, from_h)
        dx_gates[: 2 * size] = dh_gates[: 2 * size]
        dstate[0][...] = dh.T
        return dx_gates.T, dh_gates.T, saved.h_before.T


def _factors(saved: _Saved) -> np.ndarray:
    """What the backward of each step multiplies dh' by: for da_r, da_z, dq and da_n, and for its own part in dh."""
    r, z, n, q, change = saved.steps
    factors = np.empty_like(saved.steps)
    by_r, by_z, by_q, by_n, by_h = factors
    of_gates = np.subtract(1, saved.steps[:2], out=factors[:2])  # σ' = σ (1 - σ)
    np.multiply(n, n, out=by_n)
    np.subtract(1, by_n, out=by_n)
    by_n *= by_z  # 1 - z, so far
    of_gates *= saved.steps[:2]
    by_r *= by_n
    by_r *= q
    by_z *= change
    np.multiply(by_n, r, out=by_q)
    by_h[...] = z
    return factors


class GRU(_GRU, RNNBase):
    """Layers of gated recurrent units.

        r, z = σ(W_ih x + b_ih + W_hh h + b_hh)        n = tanh(W_in x + b_in + r * (W_hn h + b_hn))
        h' = (h - n) * z + n

    Shapes    x (T, N, I), (N, T, I) if batch_first, (T, I), or a PackedSequence; hx (L·D, N, H), zero if left out;
              y (T, N, D·H). L layers, D directions.
              weight_ih_l0 (3H, I), weight_hh_l0 (3H, H), bias_ih_l0, bias_hh_l0 (3H), rows in order r z n; likewise
              with _l1, ..., and with _reverse for the second direction.
    Options   input_size I, hidden_size H, num_layers L; bias=False leaves the biases out; batch_first; dropout, the
              probability between layers; bidirectional, D = 2; dtype of the parameters, float32 or float64; generator
              draws their initial values (None: the global one).
    Backward  (dx, dh) = backward(dy, dh'): through all steps, layers and directions, backwards in time:
                  da_z = dh' * (h - n) z (1 - z)    da_n = dh' * (1 - z) (1 - n²)    da_r = da_n * q r (1 - r)
                  dq = da_n * r                     dh = dh' * z + W_hh^T (da_r, da_z, dq)
              with a the arguments of σ and tanh, q = W_hn h + b_hn, and dx = W_ih^T (da_r, da_z, da_n). None means
              zero. The gradient of the initial state is also returned if hx was left out. For a PackedSequence dy may
              be one or its data, and dx is the gradient of its data.
    Saves     in every layer and direction: x, the gates, W_hn h + b_hn, h before each step, and h - n.
    Numerics  one product x W_ih^T for all steps, then one small product per step; the gradient of each weight is one
              product over all steps. Loops run over steps and layers only.
    Cost      14 statements per step forward and 8 backward. As in LSTM the steps are one thread's work; others compute
              dx and the gradients of the weights meanwhile, and the other direction.
    Init      all parameters ~ U(-1/sqrt(H), 1/sqrt(H)), torch's draws to the bit.
    Torch     torch.nn.GRU; as in torch the reset gate multiplies W_hn h + b_hn, not h as in the paper.
    Raises    ValueError for other than 2 or 3 dimensions, or another dtype; RuntimeError for other sizes or no steps.
    Source    Cho et al. 2014, arXiv:1406.1078.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: DTypeLike = np.float32,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, dtype, generator
        )


class GRUCell(_GRU, RNNCellBase):
    """One step of a GRU.

        h' as in GRU

    Shapes    x (N, I) or (I); hx (N, H) or (H), zero if left out; h' like hx.
              weight_ih (3H, I), weight_hh (3H, H), bias_ih, bias_hh (3H).
    Options   input_size I, hidden_size H; bias=False leaves the biases out; dtype of the parameters, float32 or
              float64; generator draws their initial values (None: the global one).
    Backward  (dx, dh) = backward(dh'), the equations of GRU for one step.
    Saves     x, h, the gates, W_hn h + b_hn and h - n.
    Init      all parameters ~ U(-1/sqrt(H), 1/sqrt(H)), torch's draws to the bit.
    Torch     torch.nn.GRUCell.
    Raises    ValueError for other than 1 or 2 dimensions; RuntimeError for other sizes or another dtype.
    Source    as GRU.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, dtype, generator)
