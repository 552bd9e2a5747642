"""GRU and GRUCell: one state, which gates reset and update."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn.activation.sigmoid import sigmoid
from scratch.nn.recurrent.recurrence import Recurrence, State, Steps, Weights, affine
from scratch.nn.recurrent.rnn_base import RNNBase
from scratch.nn.recurrent.rnn_cell_base import RNNCellBase
from scratch.products import matmul
from scratch.random import Generator


class _Saved(NamedTuple):
    gates: np.ndarray  # r, z, n (R, 3H)
    recalled: np.ndarray  # W_hn h + b_hn (R, H)
    h_before: np.ndarray  # (R, H)


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
        (h,) = state
        size = h.shape[1]
        gates = affine(x, weights.ih, weights.b_ih)
        r, z, n = np.split(gates, 3, axis=1)
        r_and_z = gates[:, : 2 * size]
        y, h_before, recalled = (np.empty((len(x), size), x.dtype) for _ in range(3))
        for step in steps:
            now = h[: step.stop - step.start]
            h_before[step] = now
            from_h = affine(now, weights.hh, weights.b_hh)
            recalled[step] = from_h[:, 2 * size :]
            r_and_z[step] += from_h[:, : 2 * size]
            r_and_z[step] = sigmoid(r_and_z[step])
            n[step] += r[step] * recalled[step]
            np.tanh(n[step], out=n[step])
            now -= n[step]
            now *= z[step]
            now += n[step]
            y[step] = now
        return y, _Saved(gates, recalled, h_before)

    def backward_steps(
        self, dy: np.ndarray, dstate: State, saved: _Saved, weights: Weights, steps: Steps
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        gates, recalled, h_before = saved
        (dh,) = dstate
        r, z, n = np.split(gates, 3, axis=1)
        factor_n = (1 - z) * (1 - n * n)
        dh_gates = 1 - gates  # the factors, until a step multiplies them; σ' = σ (1 - σ)
        dh_gates *= gates
        dr, dz, dq = np.split(dh_gates, 3, axis=1)
        dr *= factor_n
        dr *= recalled
        dz *= h_before - n
        np.multiply(factor_n, r, out=dq)
        dh_of_step = dy.copy()
        for step in reversed(steps):
            rows = step.stop - step.start
            dh_of_step[step] += dh[:rows]
            for part in (dr, dz, dq):
                part[step] *= dh_of_step[step]
            matmul(dh_gates[step], weights.hh.data, out=dh[:rows])
            dh[:rows] += dh_of_step[step] * z[step]
        dx_gates = dh_gates.copy()
        dx_gates[:, -dh.shape[1] :] = dh_of_step * factor_n
        return dx_gates, dh_gates, h_before


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
    Saves     in every layer and direction: x, the gates, W_hn h + b_hn, and h before each step.
    Numerics  one product x W_ih^T for all steps, then one small product per step; the gradient of each weight is one
              product over all steps. Loops run over steps and layers only.
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
    Saves     x, h, the gates and W_hn h + b_hn.
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
