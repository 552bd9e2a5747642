"""RNN and RNNCell: the Elman network, a state that is the nonlinearity of input and old state."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn.recurrent.recurrence import Recurrence, State, Steps, Weights, affine, transposed
from scratch.nn.recurrent.rnn_base import RNNBase
from scratch.nn.recurrent.rnn_cell_base import RNNCellBase
from scratch.products import serial_matmul
from scratch.random import Generator


class _Saved(NamedTuple):
    y: np.ndarray  # h after each step (R, H)
    h_before: np.ndarray  # (R, H)


class _Elman(Recurrence):
    """The step of an Elman network, and its derivative.

        h' = φ(W_ih x + b_ih + W_hh h + b_hh)        φ = tanh or relu

    Backward, from dh':

        da = dh' * (1 - h'²) for tanh, dh' where h' > 0 for relu        dh = W_hh^T da
    """

    nonlinearity: str

    def forward_steps(self, x: np.ndarray, state: State, weights: Weights, steps: Steps) -> tuple[np.ndarray, Any]:
        (h,) = state
        y = affine(x, weights.ih, weights.b_ih, weights.b_hh)
        h_before = np.empty((len(x), h.shape[1]), x.dtype)
        often = len(steps) >= 16 and len(h) > 1  # then a copy, by which BLAS multiplies in 0.5 to 0.9 of the time
        W = transposed(weights.hh.data) if often else weights.hh.data.T
        for step in steps:
            n = step.stop - step.start
            h_before[step] = h[:n]
            a = y[step]
            a += serial_matmul(h[:n], W)
            if self.nonlinearity == "tanh":
                np.tanh(a, out=a)
            else:
                np.maximum(a, 0, out=a)
            h[:n] = a
        return y, _Saved(y, h_before)

    def backward_steps(
        self, dy: np.ndarray, dstate: State, saved: _Saved, weights: Weights, steps: Steps
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        y, h_before = saved
        (dh,) = dstate
        factor = 1 - y * y if self.nonlinearity == "tanh" else ~(y <= 0)
        da = dy.copy()
        for step in reversed(steps):
            n = step.stop - step.start
            da[step] += dh[:n]
            da[step] *= factor[step]
            serial_matmul(da[step], weights.hh.data, out=dh[:n])
        return da, da, h_before


class RNN(_Elman, RNNBase):
    """Layers of an Elman network.

        h' = φ(W_ih x + b_ih + W_hh h + b_hh)        φ = tanh or relu

    Shapes    x (T, N, I), (N, T, I) if batch_first, (T, I), or a PackedSequence; hx (L·D, N, H), zero if left out;
              y (T, N, D·H). L layers, D directions.
              weight_ih_l0 (H, I), weight_hh_l0 (H, H), bias_ih_l0, bias_hh_l0 (H); the same with _l1, ..., and with
              _reverse for the second direction.
    Options   input_size I, hidden_size H, num_layers L; nonlinearity, "tanh" or "relu"; bias=False leaves the biases
              out; batch_first; dropout, the probability between layers; bidirectional, D = 2; dtype of the parameters,
              float32 or float64; generator draws their initial values (None: the global one).
    Backward  (dx, dh) = backward(dy, dh'): through all steps, layers and directions, backwards in time:
                  da = dh' * (1 - h'²) for tanh, dh' where h' > 0 for relu    dh = W_hh^T da    dx = W_ih^T da
              None means zero. The gradient of the initial state is also returned if hx was left out. For a
              PackedSequence dy may be one or its data, and dx is the gradient of its data.
    Saves     in every layer and direction: x, and h before and after each step.
    Numerics  one product x W_ih^T for all steps, then one small product per step; the gradient of each weight is one
              product over all steps. Loops run over steps and layers only.
    Init      all parameters ~ U(-1/sqrt(H), 1/sqrt(H)), torch's draws to the bit.
    Torch     torch.nn.RNN.
    Raises    ValueError for other than 2 or 3 dimensions, another dtype, or an unknown nonlinearity; RuntimeError for
              other sizes or no steps.
    Source    Elman 1990, Finding structure in time.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: DTypeLike = np.float32,
        generator: Generator | None = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}.")
        self.nonlinearity = nonlinearity
        super().__init__(
            f"RNN_{nonlinearity.upper()}",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            0,
            dtype,
            generator,
        )


class RNNCell(_Elman, RNNCellBase):
    """One step of an Elman network.

        h' = φ(W_ih x + b_ih + W_hh h + b_hh)        φ = tanh or relu

    Shapes    x (N, I) or (I); hx (N, H) or (H), zero if left out; h' like hx.
              weight_ih (H, I), weight_hh (H, H), bias_ih, bias_hh (H).
    Options   input_size I, hidden_size H; bias=False leaves the biases out; nonlinearity, "tanh" or "relu"; dtype of
              the parameters, float32 or float64; generator draws their initial values (None: the global one).
    Backward  (dx, dh) = backward(dh'), the equations of RNN for one step.
    Saves     x, h and h'.
    Init      all parameters ~ U(-1/sqrt(H), 1/sqrt(H)), torch's draws to the bit.
    Torch     torch.nn.RNNCell.
    Raises    ValueError for other than 1 or 2 dimensions; RuntimeError for other sizes, another dtype, or, when called,
              an unknown nonlinearity.
    Source    as RNN.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        dtype: DTypeLike = np.float32,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, dtype, generator)
        self.nonlinearity = nonlinearity

    def forward(self, x: np.ndarray, hx: np.ndarray | None = None) -> Any:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"{self}: nonlinearity must be 'tanh' or 'relu'.")
        return super().forward(x, hx)

    def extra_repr(self) -> str:
        return super().extra_repr() + ("" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}")
