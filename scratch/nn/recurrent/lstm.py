"""LSTM and LSTMCell: a state that gates keep, change and output."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn.recurrent.recurrence import Recurrence, State, Steps, Weights, affine
from scratch.nn.recurrent.rnn_base import RNNBase
from scratch.nn.recurrent.rnn_cell_base import RNNCellBase
from scratch.products import matmul
from scratch.random import Generator


class _Saved(NamedTuple):
    gates: np.ndarray  # i, f, g, o (R, 4H)
    tanh_c: np.ndarray  # (R, H)
    h_before: np.ndarray  # (R, P)
    c_before: np.ndarray  # (R, H)


class _LSTM(Recurrence):
    """The step of an LSTM, and its derivative.

        i, f, o = σ(z_i, z_f, z_o)        g = tanh(z_g)        z = W_ih x + b_ih + W_hh h + b_hh, rows in order i f g o
        c' = f * c + i * g                h' = o * tanh(c'), or W_hr (o * tanh(c')) with a projection

    Since σ(z) = ½ + ½ tanh(z / 2), one tanh serves all four gates of a step. That saves a third of the NumPy calls, and
    NumPy's tanh takes half the time of its exp: 10 % of a forward at 128 units, 30 % at 32.

    Backward, from dh' and dc':

        dc' += dh' * o (1 - tanh²c')
        dz_i = dc' * g i (1 - i)          dz_g = dc' * i (1 - g²)
        dz_f = dc' * c f (1 - f)          dz_o = dh' * tanh(c') o (1 - o)
        dc = dc' * f                      dh = W_hh^T dz

    The factors of dc' and dh' are known after the forward, so they are computed for all steps at once.
    """

    def forward_steps(self, x: np.ndarray, state: State, weights: Weights, steps: Steps) -> tuple[np.ndarray, Any]:
        h, c = state
        size = c.shape[1]
        gates = affine(x, weights.ih, weights.b_ih, weights.b_hh)
        i, f, g, o = np.split(gates, 4, axis=1)
        slope = np.repeat(np.array([0.5, 0.5, 1, 0.5], x.dtype), size)
        shift = 1 - slope  # ½ for σ, and 0 for tanh itself
        tanh_c, c_before = (np.empty((len(x), size), x.dtype) for _ in range(2))
        y, h_before = (np.empty((len(x), h.shape[1]), x.dtype) for _ in range(2))
        for step in steps:
            n = step.stop - step.start
            h_before[step], c_before[step] = h[:n], c[:n]
            z = gates[step]
            z += matmul(h[:n], weights.hh.data.T)
            z *= slope
            np.tanh(z, out=z)
            z *= slope
            z += shift
            c[:n] *= f[step]
            c[:n] += i[step] * g[step]
            np.tanh(c[:n], out=tanh_c[step])
            shown = o[step] * tanh_c[step]
            h[:n] = shown if weights.hr is None else matmul(shown, weights.hr.data.T)
            y[step] = h[:n]
        return y, _Saved(gates, tanh_c, h_before, c_before)

    def backward_steps(
        self, dy: np.ndarray, dstate: State, saved: _Saved, weights: Weights, steps: Steps
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        gates, tanh_c, h_before, c_before = saved
        dh, dc = dstate
        i, f, g, o = np.split(gates, 4, axis=1)
        dgates = 1 - gates  # the factors, until a step multiplies them; σ' = σ (1 - σ)
        dgates *= gates
        di, df, dg, do = np.split(dgates, 4, axis=1)
        di *= g
        df *= c_before
        do *= tanh_c
        np.multiply(g, g, out=dg)
        np.subtract(1, dg, out=dg)
        dg *= i
        by_dc = dgates.reshape(len(dgates), 4, dc.shape[1])[:, :3]  # di, df and dg
        dc_dh = o * (1 - tanh_c * tanh_c)
        dh_of_step = dy.copy()
        for step in reversed(steps):
            n = step.stop - step.start
            dh_of_step[step] += dh[:n]
            dshown = dh_of_step[step] if weights.hr is None else matmul(dh_of_step[step], weights.hr.data)
            dc[:n] += dshown * dc_dh[step]
            by_dc[step] *= dc[:n, np.newaxis]
            do[step] *= dshown
            dc[:n] *= f[step]
            matmul(dgates[step], weights.hh.data, out=dh[:n])
        if weights.hr is not None:
            weights.hr.accumulate_product(dh_of_step.T, o * tanh_c)
        return dgates, dgates, h_before


class LSTM(_LSTM, RNNBase):
    """Layers of long short-term memory.

        i, f, o = σ(W_ih x + b_ih + W_hh h + b_hh)        g = tanh(the same with other rows)
        c' = f * c + i * g        h' = o * tanh(c'), times W_hr if proj_size > 0

    Shapes    x (T, N, I), (N, T, I) if batch_first, (T, I), or a PackedSequence; hx = (h, c) with h (L·D, N, P) and
              c (L·D, N, H), zero if left out; y (T, N, D·P). L layers, D directions, P = proj_size or H = hidden_size.
              weight_ih_l0 (4H, I), weight_hh_l0 (4H, P), bias_ih_l0, bias_hh_l0 (4H), weight_hr_l0 (P, H), rows of the
              gates in order i f g o; likewise with _l1, ..., where I is D·P, and _reverse for the second direction.
    Options   input_size I, hidden_size H, num_layers L; bias=False leaves the biases out; batch_first; dropout, the
              probability between layers; bidirectional, D = 2; proj_size P; dtype of the parameters, float32 or
              float64; generator draws their initial values (None: the global one).
    Backward  (dx, (dh, dc)) = backward(dy, (dh', dc')): through all steps, layers and directions, backwards in time:
                  dc' += dh' * o (1 - tanh²c')
                  dz_i = dc' * g i (1 - i)          dz_g = dc' * i (1 - g²)
                  dz_f = dc' * c f (1 - f)          dz_o = dh' * tanh(c') o (1 - o)
                  dc = dc' * f                      dh = W_hh^T dz        dx = W_ih^T dz
              with z the arguments of σ and tanh. None means zero. The gradient of the initial state is also returned if
              hx was left out. For a PackedSequence dy may be one or its data, and dx is the gradient of its data.
    Why       c' keeps c up to a factor f, so its gradient passes through many steps without vanishing.
    Saves     in every layer and direction: x, the gates, tanh c', and h and c before each step.
    Numerics  one product x W_ih^T for all steps, then one small product per step; the gradient of each weight is one
              product over all steps. Loops run over steps and layers only.
    Cost      15 NumPy calls per step forward and 7 backward, for all sizes: 2.5 times torch's time at 32 units. From 64
              units on the products take most of it, three quarters at 128, and it is 1.6 to 1.9 times torch's.
    Init      all parameters ~ U(-1/sqrt(H), 1/sqrt(H)), torch's draws to the bit.
    Torch     torch.nn.LSTM; between layers, dropout draws torch's masks from the same seed.
    Raises    ValueError for other than 2 or 3 dimensions, or another dtype; RuntimeError for other sizes or no steps.
    Source    Hochreiter, Schmidhuber 1997; Gers, Schmidhuber, Cummins 2000; Sak et al. 2014, arXiv:1402.1128 (W_hr).
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
        proj_size: int = 0,
        dtype: DTypeLike = np.float32,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(
            "LSTM",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            dtype,
            generator,
        )


class LSTMCell(_LSTM, RNNCellBase):
    """One step of an LSTM.

        h', c' as in LSTM, without projection

    Shapes    x (N, I) or (I); hx = (h, c), each (N, H) or (H), zero if left out; returns (h', c').
              weight_ih (4H, I), weight_hh (4H, H), bias_ih, bias_hh (4H).
    Options   input_size I, hidden_size H; bias=False leaves the biases out; dtype of the parameters, float32 or
              float64; generator draws their initial values (None: the global one).
    Backward  (dx, (dh, dc)) = backward(dh', dc'), the equations of LSTM for one step.
    Saves     x, h, c, the gates and tanh c'.
    Init      all parameters ~ U(-1/sqrt(H), 1/sqrt(H)), torch's draws to the bit.
    Torch     torch.nn.LSTMCell.
    Raises    ValueError for other than 1 or 2 dimensions; RuntimeError for other sizes or another dtype.
    Source    as LSTM.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, dtype, generator)
