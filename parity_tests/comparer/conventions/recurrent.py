"""Conventions of recurrent layers: the order of gates, the two biases, the place of GRU's reset, the outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any

import torch
from torch import Tensor

from parity_tests.comparer.conventions.convention import ADDED, By, Deviation, Options, convention, function

GATES = {"lstm": "ifgo", "gru": "rzn", "lstm_cell": "ifgo", "gru_cell": "rzn"}
FRAMEWORKS = {"ifog": "", "iofg": " (ONNX's order)", "zrn": " (Keras's order)"}
SEQUENCES = ("lstm", "gru", "rnn_tanh", "rnn_relu")
CELLS = ("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell")


SIGMOIDS: dict[str, Callable[[Tensor], Tensor]] = {
    "hard": torch.nn.functional.hardsigmoid, "fifth": lambda a: (0.2 * a + 0.5).clamp(0, 1)
}  # fmt: skip


def step(kind: str, x: Tensor, state: Any, w: list[Any], form: str = "") -> Any:
    """One step from projected inputs (N, gates H); `form` names what is done another way."""
    w_hh, b_hh = w
    if kind == "lstm":
        h, c = state
        i, f, g, o = (x + torch.nn.functional.linear(h, w_hh, b_hh)).chunk(4, -1)
        gate = SIGMOIDS.get(form, torch.sigmoid)
        i, f, o = gate(i), gate(f), gate(o)
        c = f * c + i * (g if form == "linear" else torch.tanh(g))
        return o * (c if form == "no-tanh" else torch.tanh(c)), c
    if kind == "gru":
        H = state.shape[-1]
        bias = x.new_zeros(3 * H) if b_hh is None else b_hh
        r, z = torch.sigmoid(x[..., : 2 * H] + state @ w_hh[: 2 * H].T + bias[: 2 * H]).chunk(2, -1)
        own, b = w_hh[2 * H :], bias[2 * H :]
        inner = (r * state) @ own.T + b if form == "before" else r * (state @ own.T + b)
        inner = r * (state @ own.T) + b if form == "bias-outside" else inner
        n = torch.tanh(x[..., 2 * H :] + inner)
        return z * n + (1 - z) * state if form == "update" else (1 - z) * n + z * state
    other = torch.nn.functional.linear(state, w_hh, b_hh)
    return torch.tanh(x + other) if (kind == "rnn_tanh") != (form == "nonlinearity") else torch.relu(x + other)


@function(*SEQUENCES)
def sequence(
    input: Tensor, hx: Any, flat_weights: Any, has_biases: bool, num_layers: int, dropout: float, train: bool,
    bidirectional: bool, batch_first: bool, *, kind: str = "", form: str = "", turned_back: bool = True,
    carried: bool = True,
) -> Any:  # fmt: skip
    """A list of outputs and final states, as torch's own function gives them."""
    if dropout and train:
        raise ValueError("not this form")
    states = list(hx) if isinstance(hx, list | tuple) else [hx]
    x = input.transpose(0, 1) if batch_first else input
    directions, each = 2 if bidirectional else 1, 4 if has_biases else 2
    finals: list[list[Tensor]] = [[] for _ in states]
    for layer in range(num_layers):
        outputs = []
        for direction in range(directions):
            place = layer * directions + direction
            w_ih, w_hh, *b = flat_weights[place * each : place * each + each]
            b_ih, b_hh = b or (None, None)
            projected = torch.nn.functional.linear(x, w_ih, b_ih)
            start = [s[place] for s in states]
            state: Any = tuple(start) if kind == "lstm" else start[0]
            first, ys = state, []
            for row in projected.flip(0) if direction else projected:
                state = step(kind, row, state if carried else first, [w_hh, b_hh], form)
                ys.append(state[0] if kind == "lstm" else state)
            y = torch.stack(ys)
            outputs.append(y.flip(0) if direction and turned_back else y)
            for kept, value in zip(finals, state if kind == "lstm" else [state], strict=True):
                kept.append(value)
        x = torch.cat(outputs, -1)
    return [x.transpose(0, 1) if batch_first else x, *(torch.stack(kept) for kept in finals)]


@function(*CELLS)
def cell(
    input: Tensor, hx: Any, w_ih: Tensor, w_hh: Tensor, b_ih: Any = None, b_hh: Any = None, *, kind: str = "",
    form: str = "",
) -> Any:  # fmt: skip
    state = tuple(hx) if isinstance(hx, list | tuple) else hx
    return step(kind, torch.nn.functional.linear(input, w_ih, b_ih), state, [w_hh, b_hh], form)


def _weights(o: Options, change: Callable[[str, Tensor], Tensor]) -> dict[str, Any]:
    """The change of every weight, by its torch name."""
    kind = {"kind": o.function.removesuffix("_cell")}
    if o.function in CELLS:
        return kind | {
            own: By(lambda p, torchs=torchs: None if p is None else change(torchs, p))
            for own, torchs in (("w_ih", "weight_ih"), ("w_hh", "weight_hh"), ("b_ih", "bias_ih"), ("b_hh", "bias_hh"))
        }
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")[: 4 if o.has_biases else 2]
    by = By(lambda flat: [change(names[i % len(names)], p) for i, p in enumerate(flat)])
    return kind | {"flat_weights": by}


@convention(*GATES)
def gates(o: Options) -> Iterator[Deviation]:
    own = GATES[o.function]
    orders = ["".join(p) for p in permutations(own)]
    for order in sorted((p for p in orders if p != own), key=lambda p: (p not in FRAMEWORKS, p)):
        places = [order.index(gate) for gate in own]
        change = lambda name, p, places=places: torch.cat([p.chunk(len(places))[i] for i in places])  # noqa: E731
        text = f"with gates in the order {', '.join(order)}{FRAMEWORKS.get(order, '')}, not {', '.join(own)}"
        yield Deviation("gate-order", text, _weights(o, change))


@convention(*SEQUENCES, *CELLS)
def biases(o: Options) -> Iterator[Deviation]:
    def yields(name: str, text: str, change: Callable[..., Tensor]) -> Deviation:
        return Deviation(name, text, _weights(o, change))

    if o.get("has_biases") or o.get("b_ih") is not None:
        for which in ("bias_hh", "bias_ih"):
            text = f"without {which}: one bias in place of two"
            yield yields("single-bias", text, lambda name, p, w=which: p * 0 if name == w else p)
        yield yields("missing-bias", "without the biases", lambda name, p: p * 0 if "bias" in name else p)
        yield yields("double-bias", "with each bias added twice", lambda name, p: p * 2 if "bias" in name else p)
        if "lstm" in o.function:

            def forget(name: str, p: Tensor) -> Tensor:
                one = torch.zeros_like(p)
                one[p.shape[0] // 4 : p.shape[0] // 2] = 1
                return p + one if name == "bias_ih" else p

            yield yields("forget-bias", "with 1 added to the forget gate's bias", forget)
    recurrent = o.w_hh if o.function in CELLS else o.flat_weights[1]
    if recurrent.shape[0] == recurrent.shape[1]:
        change = lambda name, p: p.T if name == "weight_hh" else p  # noqa: E731
        yield yields("transposed-weight", "with the recurrent weight transposed", change)
    else:
        k = len(GATES.get(o.function, "x"))
        change = lambda name, p: torch.cat([w.T for w in p.chunk(k)]) if name == "weight_hh" else p  # noqa: E731
        yield yields("transposed-weight", "with each gate's recurrent weight transposed", change)


FORMS = {
    "gru": (
        ("before", "gru-reset", "with the reset gate before the product, W (r * h) (Keras reset_after=False, ONNX)"),
        ("update", "gru-update", "with h = (1 - z) h + z n, the update gate the other way round"),
        ("bias-outside", "gru-bias", "with the bias of n outside the reset, r * (W h) + b"),
    ),
    "lstm": (
        ("no-tanh", "cell-tanh", "with h = o * c, without the tanh"),
        ("linear", "cell-tanh", "with the candidate g without its tanh"),
        ("hard", "hard-gates", "with gates through hard_sigmoid, relu6(x + 3) / 6"),
        ("fifth", "hard-gates", "with gates through Keras' hard_sigmoid, clip(0.2 x + 0.5, 0, 1)"),
    ),
    "rnn_tanh": (("nonlinearity", "nonlinearity", "with nonlinearity='relu'"),),
    "rnn_relu": (("nonlinearity", "nonlinearity", "with nonlinearity='tanh'"),),
}  # fmt: skip


@convention(*SEQUENCES, *CELLS)
def forms(o: Options) -> Iterator[Deviation]:
    kind = o.function.removesuffix("_cell")
    for form, name, text in FORMS[kind]:
        yield Deviation(name, text, {"kind": kind, "form": form})


@convention(*SEQUENCES)
def outputs(o: Options) -> Iterator[Deviation]:
    """What is returned, and along which axis the steps go."""
    kind = {"kind": o.function}
    text = "with every step starting from the first state: the state is not carried over"
    yield Deviation("state-not-carried", text, {**kind, "carried": False})
    if o.bidirectional:
        text = "with the reverse half not turned back in time"
        yield Deviation("reverse-order", text, {**kind, "turned_back": False})
        text = "with the reverse direction before the forward one"
        yield Deviation("direction-order", text, {"kind": o.function, "output": By(_exchanged_halves)})
        last = "with h_n taken from output[-1], where the reverse direction has seen one step alone"
        yield Deviation("last-state", last, {**kind, "output": By(lambda out: _from_last(out, o.batch_first, True))})
    if o.function == "lstm":
        yield Deviation("states-exchanged", "with h and c exchanged in what is returned",
                        {**kind, "output": By(lambda out: [out[0], out[2], out[1]])})  # fmt: skip
        yield Deviation("states-exchanged", "with h and c exchanged in the first state",
                        {**kind, "hx": By(lambda hx: [hx[1], hx[0]])})  # fmt: skip
    if o.num_layers > 1:
        last_layer = By(lambda out: [out[0], *(h[-1:].expand_as(h) for h in out[1:])])
        text = "with the last layer's state for h_n of every layer"
        yield Deviation("last-state", text, {**kind, "output": last_layer})
    if o.input.ndim == 3:
        text = "with batch and time exchanged (batch_first)"
        N = o.input.shape[1 if o.batch_first else 0]

        def exchanged(o: Options) -> Any:
            given = {k: v for k, v in o.items() if k not in (*ADDED, "batch_first", "hx")} | {"kind": o.function}
            states = list(o.hx) if isinstance(o.hx, list | tuple) else [o.hx]
            hx = [s.new_zeros(s.shape[0], N, s.shape[2]) for s in states]
            y, *finals = sequence(**given, hx=hx, batch_first=not o.batch_first)
            return [y, *finals]

        yield Deviation("batch-first", text, {"instead": exchanged})


def _exchanged_halves(out: Any) -> Any:
    a, b = out[0].chunk(2, -1)
    return [torch.cat([b, a], -1), *out[1:]]


def _from_last(out: Any, batch_first: bool, both: bool) -> Any:
    y = out[0].transpose(0, 1) if batch_first else out[0]
    last = torch.stack(y[-1].chunk(2 if both else 1, -1))
    return [out[0], torch.cat([out[1][:-2], last]) if both else last, *out[2:]]
