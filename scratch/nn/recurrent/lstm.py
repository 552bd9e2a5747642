"""LSTM and LSTMCell: a state that gates keep, change and output."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

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
    steps: np.ndarray  # i, f, g, o, c before the step and tanh c' (6, H·R)
    h_before: np.ndarray  # (P, R)


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
        h, c = (transposed(part) for part in state)
        (size, _), W, projection = c.shape, weights.hh.data, weights.hr
        slope = np.array([[0.5], [0.5], [1], [0.5]], x.dtype)
        shift = 1 - slope[:, :, np.newaxis]  # ½ for σ, and 0 for tanh itself
        from_x = affine_columns(x, steps, weights.ih, weights.b_ih, weights.b_hh)
        saved, h_before = np.empty((6, size * len(x)), x.dtype), columns(len(h), len(x), steps, x.dtype)
        y = np.empty((len(x), len(h)), x.dtype)
        for step, now in zip(steps, blocks(saved, size, steps), strict=True):
            n = step.stop - step.start
            h_now, c_now, before, bounded = h[:, :n], c[:, :n], now[4], now[5]
            h_before[:, step] = h_now
            before[...] = c_now
            z = serial_matmul(W, h_now)
            z += from_x[:, step]
            z = z.reshape(4, size * n)
            z *= slope
            np.tanh(z, out=z)
            z *= slope
            i, f, g, o = np.add(z.reshape(4, size, n), shift, out=now[:4])
            c_now *= f
            c_now += i * g
            np.tanh(c_now, out=bounded)
            if projection is None:
                np.multiply(o, bounded, out=h_now)
            else:
                serial_matmul(projection.data, o * bounded, out=h_now)
            y[step] = h_now.T
        state[0][...], state[1][...] = h.T, c.T
        return y, _Saved(saved, h_before)

    def backward_steps(
        self, dy: np.ndarray, dstate: State, saved: _Saved, weights: Weights, steps: Steps
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        dh, dc = (transposed(part) for part in dstate)
        (size, _), W, projection = dc.shape, weights.hh.data.T, weights.hr
        dgates = columns(4 * size, len(dy), steps, dy.dtype)
        dh_of_step = columns(len(dh), len(dy), steps, dy.dtype)  # for a projection
        for step, now in zip(reversed(steps), reversed(blocks(_factors(saved), size, steps)), strict=True):
            n = step.stop - step.start
            dh_now, dc_now, dz = dh[:, :n], dc[:, :n], np.empty((4, size, n), dy.dtype)
            dh_now += transposed(dy[step])
            if projection is None:
                dshown = dh_now
            else:
                dh_of_step[:, step] = dh_now
                dshown = serial_matmul(projection.data.T, dh_now)
            dc_now += dshown * now[4]
            np.multiply(now[:3], dc_now, out=dz[:3])
            np.multiply(now[3], dshown, out=dz[3])
            dc_now *= now[5]
            dz = dz.reshape(4 * size, n)
            dgates[:, step] = dz
            serial_matmul(W, dz, out=dh_now)
        if projection is not None:
            o, tanh_c = saved.steps[3], saved.steps[5]
            shown = np.empty((len(dy), size), dy.dtype)
            for step, part in zip(steps, blocks((o * tanh_c)[np.newaxis], size, steps), strict=True):
                shown[step] = part[0].T
            projection.accumulate_product(dh_of_step, shown)
        dstate[0][...], dstate[1][...] = dh.T, dc.T
        return dgates.T, dgates.T, saved.h_before.T


def _factors(saved: _Saved) -> np.ndarray:
    """What the backward of each step multiplies dc', or dh', by: for dz_i, dz_f, dz_g; dz_o; dc' itself, and dc."""
    i, f, g, o, c_before, tanh_c = saved.steps
    factors = np.empty_like(saved.steps)
    by_i, by_f, by_g, by_o, by_h, by_c = factors
    of_gates = np.subtract(1, saved.steps[:4], out=factors[:4])  # σ' = σ (1 - σ)
    of_gates *= saved.steps[:4]
    by_i *= g
    by_f *= c_before
    by_o *= tanh_c
    np.multiply(g, g, out=by_g)
    np.subtract(1, by_g, out=by_g)
    by_g *= i
    np.multiply(tanh_c, tanh_c, out=by_h)
    np.subtract(1, by_h, out=by_h)
    by_h *= o
    by_c[...] = f
    return factors


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
    Cost      14 NumPy calls per step forward and 9 backward, for all sizes. From 64 units on the products take most of
              it, three quarters at 256. With 128 inputs, 256 units, 64 steps and a batch of 32 it takes 1.3 times
              torch's time on one thread, where the products alone take as long as torch, and 1.8 times on two: a
              step's product takes 90 µs and waking a thread 50, so the steps are one thread's work. Others compute dx
              and the gradients of the weights meanwhile, and the other direction.
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
