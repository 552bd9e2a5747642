"""RNNBase: layers and directions, stacked from one-direction recurrences."""

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn import init
from scratch.nn.dropout import Dropout
from scratch.nn.module import Module, Parameter
from scratch.nn.recurrent.layout import Layout
from scratch.nn.recurrent.recurrence import Recurrence, State, Weights
from scratch.nn.utils.rnn import PackedSequence
from scratch.random import Generator
from scratch.threads import WORTH, share

STEP = 2**21  # multiplications of a step: of fewer the two directions gain nothing from two threads
GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


class RNNBase(Recurrence, Module):
    """What RNN, LSTM and GRU share: parameters, and the way through layers and directions.

        layer l:  y_l = (forward recurrence of y_{l-1}, reverse recurrence of y_{l-1}), side by side;  y_0 = x
                  dropout between layers in training, on all of y_l at once

    Options   mode, "LSTM", "GRU", "RNN_TANH" or "RNN_RELU"; input_size I, hidden_size H, num_layers L; bias=False
              leaves the biases out; batch_first; dropout, the probability between layers; bidirectional, D = 2;
              proj_size, the width of an LSTM's projection; dtype of the parameters, float32 or float64; generator draws
              their initial values (None: the global one).
    Backward  the chain rule downwards: dy_{l-1} is the sum of what both directions of layer l return.
    Random    one Bernoulli draw with P(1) = 1 - dropout for each element of y_l, (T, N, D·P) or (rows, D·P) if packed,
              in that order of memory, layer by layer: torch's masks from the same seed.
    Torch     torch.nn.RNNBase.
    """

    def __init__(
        self,
        mode: str,
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
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = dropout
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self.check_arguments()
        self.directions = 2 if bidirectional else 1
        self.output_size = proj_size or hidden_size
        self.state_sizes = (self.output_size, hidden_size) if mode == "LSTM" else (hidden_size,)
        for layer in range(num_layers):
            for suffix in ("", "_reverse")[: self.directions]:
                layer_input = self.directions * self.output_size if layer else input_size
                gates = GATES[mode] * hidden_size
                shapes: dict[str, tuple[int, ...]] = {"weight_ih": (gates, layer_input)}
                shapes |= {"weight_hh": (gates, self.output_size)}
                shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)} if bias else {}
                shapes |= {"weight_hr": (proj_size, hidden_size)} if proj_size else {}
                for name, shape in shapes.items():
                    setattr(self, f"{name}_l{layer}{suffix}", self.new_parameter(*shape, dtype=dtype))
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound, generator)

    def weights(self, layer: int, direction: int) -> Weights:
        suffix = f"l{layer}" + ("_reverse" if direction else "")
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
        return Weights(*(getattr(self, f"{name}_{suffix}", None) for name in names))  # type: ignore[arg-type]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        all_of = (self.weights(layer, d) for layer in range(self.num_layers) for d in range(self.directions))
        return [[weight for weight in weights if weight is not None] for weights in all_of]

    def forward(self, x: Any, hx: Any = None) -> Any:
        layout = self.check_input(x)
        state = self.check_state(hx, layout)
        rows, kept = layout.rows(x), []
        final: list[State] = []
        for layer in range(self.num_layers):
            drop = self.new_dropout(self.dropout if layer and self.training else 0.0)
            rows = drop(rows)
            pieces = []
            for direction in range(self.directions):
                start = tuple(part[len(final) + direction] for part in state)
                pieces.append((rows, start, self.weights(layer, direction), layout.steps(reverse=direction == 1)))
            work = layout.batch * pieces[0][2].hh.size
            directions = share(lambda piece: self.forward_direction(*piece), pieces, work // STEP * WORTH)
            outputs, ends, saved = zip(*directions, strict=True)
            final += ends
            rows = outputs[0] if self.directions == 1 else np.concatenate(outputs, axis=1)
            kept.append((drop, drop.saved, saved))
        y = layout.restore(rows)
        last = self.as_hx(layout.unsort_state(_stack(final)))
        self.save((y, last), layout, kept)
        return (x._replace(data=y) if isinstance(x, PackedSequence) else y), last

    def new_dropout(self, p: float) -> Dropout:
        """The dropout between two layers; a subclass may draw other masks."""
        return Dropout(p)

    def backward(self, dy: Any, dhx: Any = None) -> Any:
        if isinstance(dy, PackedSequence):
            dy = dy.data
        layout, kept = self.take((dy, dhx))
        dtype = self.weights(0, 0).ih.dtype
        if dy is None:
            drows = np.zeros((sum(layout.batch_sizes), self.directions * self.output_size), dtype)
        else:
            drows = layout.rows(dy)
        dfinal = self.check_state(dhx, layout)
        dstart: list[State] = [()] * len(dfinal[0])
        for layer in reversed(range(self.num_layers)):
            drop, drop.saved, saved = kept.pop()
            dx = []
            for direction, part in enumerate(np.split(drows, self.directions, axis=1)):
                index = layer * self.directions + direction
                dend = tuple(part[index] for part in dfinal)
                weights, steps = self.weights(layer, direction), layout.steps(reverse=direction == 1)
                dinput, dstart[index] = self.backward_direction(part, dend, saved[direction], weights, steps)
                dx.append(dinput)
            drows = drop.backward(dx[0] if self.directions == 1 else dx[0] + dx[1])
        return layout.restore(drows), self.as_hx(layout.unsort_state(_stack(dstart)))

    def as_hx(self, state: State) -> Any:
        """The state as the user sees it: an array, or a tuple (h, c) for an LSTM."""
        return state if len(self.state_sizes) > 1 else state[0]

    def check_state(self, hx: Any, layout: Layout) -> State:
        """The parts of a state or of its gradient, each (L·D, N, size), in the order of the rows; zero for None."""
        parts = (None,) * len(self.state_sizes) if hx is None else hx if len(self.state_sizes) > 1 else (hx,)
        if not isinstance(parts, tuple) or len(parts) != len(self.state_sizes):
            wanted = "a tuple (h, c)" if len(self.state_sizes) > 1 else "one array"
            raise TypeError(f"{self}: the state must be {wanted}, got {type(hx).__name__}.")
        dtype = self.weights(0, 0).ih.dtype
        arrays = []
        for part, size in zip(parts, self.state_sizes, strict=True):
            shape = (self.num_layers * self.directions, *((layout.batch,) if layout.batched else ()), size)
            array = np.zeros(shape, dtype) if part is None else part
            if array.shape != shape or array.dtype != dtype:
                raise RuntimeError(
                    f"{self}: the state must be {dtype}{list(shape)} for this input, got {array.dtype}"
                    f"{list(array.shape)}. Its first dimension counts layers and directions, also if batch_first."
                )
            arrays.append(array)
        return layout.sort_state(tuple(arrays))

    def check_input(self, x: Any) -> Layout:
        """Refuse what torch refuses, and determine the layout of the input."""
        packed = isinstance(x, PackedSequence)
        data = x.data if packed else x
        if not isinstance(data, np.ndarray):
            raise TypeError(f"{self}: the input must be an array or a PackedSequence, got {type(x).__name__}.")
        if not packed and data.ndim not in (2, 3):
            raise ValueError(f"{self}: the input must be (T, N, {self.input_size}) or unbatched, got {data.shape}.")
        if data.dtype != self.weights(0, 0).ih.dtype:
            raise ValueError(
                f"{self}: the input must be {self.weights(0, 0).ih.dtype} like the weights, got {data.dtype}."
            )
        if data.shape[-1] != self.input_size or (packed and data.ndim != 2):
            raise RuntimeError(f"{self}: the input must end in {self.input_size} features, got shape {data.shape}.")
        layout = Layout.of(x, self.batch_first)
        if not layout.batch_sizes:
            raise RuntimeError(f"{self}: the input has no time steps, got shape {data.shape}.")
        return layout

    def check_arguments(self) -> None:
        name = type(self).__name__
        if not 0 <= self.dropout <= 1:
            raise ValueError(f"{name}: dropout must be a probability in [0, 1], got {self.dropout!r}.")
        if self.dropout > 0 and self.num_layers == 1:
            warnings.warn(f"{name}: dropout acts between layers, so it has no effect with num_layers=1.", stacklevel=6)
        for option in ("input_size", "hidden_size", "num_layers"):
            if getattr(self, option) <= 0:
                raise ValueError(f"{name}: {option} must be positive, got {getattr(self, option)}.")
        if not 0 <= self.proj_size < self.hidden_size:
            raise ValueError(f"{name}: proj_size must be in [0, hidden_size), got {self.proj_size}.")
        if self.mode not in GATES:
            raise ValueError(f"{name}: mode must be one of {', '.join(GATES)}, got {self.mode!r}.")

    def extra_repr(self) -> str:
        defaults = {
            "proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0, "bidirectional": False
        }  # fmt: skip
        changed = [
            f"{name}={getattr(self, name)}" for name, default in defaults.items() if getattr(self, name) != default
        ]
        return ", ".join([str(self.input_size), str(self.hidden_size), *changed])


def _stack(states: list[State]) -> State:
    """The parts of the states of all layers and directions: (L·D, N, size) each."""
    return tuple(np.stack(parts) for parts in zip(*states, strict=True))
