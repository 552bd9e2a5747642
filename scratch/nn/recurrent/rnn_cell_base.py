"""RNNCellBase: parameters and checks of a cell, which is one step of one layer."""

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn import init
from scratch.nn.module import Module
from scratch.nn.recurrent.recurrence import Recurrence, State, Weights
from scratch.random import Generator


class RNNCellBase(Recurrence, Module):
    """What RNNCell, LSTMCell and GRUCell share; `num_chunks` is the number of gates.

    Shapes    x (N, I) or (I); hx the state, or a tuple of state parts, each (N, H) or (H); zero if left out.
    Options   input_size I, hidden_size H; bias=False leaves the biases out; num_chunks, the number of gates; dtype of
              the parameters, float32 or float64; generator draws their initial values (None: the global one).
    Backward  (dx, dhx) = backward(one cotangent for each part of the new state). The gradient of the state is also
              returned if hx was left out.
    Torch     torch.nn.RNNCellBase.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        dtype: DTypeLike = np.float32,
        generator: Generator | None = None,
    ) -> None:
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
            if size < 0:
                raise RuntimeError(f"{type(self).__name__}: {name} must not be negative, got {size}.")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        self.weight_ih = self.new_parameter(rows, input_size, dtype=dtype)
        self.weight_hh = self.new_parameter(rows, hidden_size, dtype=dtype)
        self.bias_ih = self.new_parameter(rows, dtype=dtype) if bias else None
        self.bias_hh = self.new_parameter(rows, dtype=dtype) if bias else None
        self.state_parts = 2 if num_chunks == 4 else 1
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound, generator)

    def forward(self, x: np.ndarray, hx: Any = None) -> Any:
        if x.ndim not in (1, 2):
            raise ValueError(f"{self}: the input must be (N, {self.input_size}) or unbatched, got shape {x.shape}.")
        batch = x.shape[:-1]
        state = self.check_state(hx, x)
        self.check_sizes(x, state)
        rows = x.reshape(math.prod(batch), self.input_size)
        _, new, kept = self.forward_direction(rows, state, self.weights, [slice(0, len(rows))])
        output = tuple(part.reshape(*batch, self.hidden_size) for part in new)
        return self.save(output if self.state_parts > 1 else output[0], kept, batch)

    def backward(self, *dstate: np.ndarray | None) -> Any:
        kept, batch = self.take(dstate if self.state_parts > 1 else dstate[0])
        n = math.prod(batch)
        zero = np.zeros((n, self.hidden_size), self.weight_ih.dtype)
        dh, *others = (zero if part is None else part.reshape(zero.shape) for part in dstate)
        dx, dhx = self.backward_direction(dh, (zero, *others), kept, self.weights, [slice(0, n)])
        dhx = tuple(part.reshape(*batch, self.hidden_size) for part in dhx)
        return dx.reshape(*batch, self.input_size), dhx if self.state_parts > 1 else dhx[0]

    @property
    def weights(self) -> Weights:
        return Weights(self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)

    def check_state(self, hx: Any, x: np.ndarray) -> State:
        """The parts of hx, each (N, H); zeros if there are none."""
        n = math.prod(x.shape[:-1])
        if hx is None:
            return (np.zeros((n, self.hidden_size), x.dtype),) * self.state_parts
        parts = hx if self.state_parts > 1 else (hx,)
        if not isinstance(parts, tuple) or len(parts) != self.state_parts:
            raise TypeError(f"{self}: hx must be {self.state_parts} arrays, got {type(hx).__name__}.")
        for part in parts:
            if part.ndim not in (1, 2):
                raise ValueError(f"{self}: the state must be (N, {self.hidden_size}), got shape {part.shape}.")
            if part.shape != (*x.shape[:-1], self.hidden_size):
                raise RuntimeError(
                    f"{self}: the state must be {(*x.shape[:-1], self.hidden_size)} for an input of shape {x.shape}, "
                    f"got {part.shape}."
                )
        return tuple(part.reshape(n, self.hidden_size) for part in parts)

    def check_sizes(self, x: np.ndarray, state: State) -> None:
        if x.shape[-1] != self.input_size:
            raise RuntimeError(f"{self}: the input must end in {self.input_size} features, got shape {x.shape}.")
        for array in (x, *state):
            if array.dtype != self.weight_ih.dtype:
                raise RuntimeError(f"{self}: input and state must be {self.weight_ih.dtype}, got {array.dtype}.")

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias is True else f", bias={self.bias}")
