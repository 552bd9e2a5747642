"""Conventions of recurrent layers: the order of gates, the two biases, where GRU's reset stands."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import permutations
from typing import Any

import torch

from parity_tests.comparer.conventions.variant import Variant, attribute, convention

ORDERS = {"LSTM": "ifgo", "LSTMCell": "ifgo", "GRU": "rzn", "GRUCell": "rzn"}
FRAMEWORKS = {"ifog": "", "iofg": " (ONNX's order)", "zrn": " (Keras's order)"}


@convention(*ORDERS)
def gates(layer: Any) -> Iterator[Variant]:
    own = ORDERS[type(layer).__name__]
    rest = {p: "".join(p) for p in permutations(own)}
    orders = sorted((o for o in rest.values() if o != own), key=lambda o: (o not in FRAMEWORKS, o))
    for order in orders:
        places = [order.index(gate) for gate in own]
        text = f"with gates in the order {', '.join(order)}{FRAMEWORKS.get(order, '')}, not {', '.join(own)}"
        yield _changed(
            layer,
            "gate-order",
            text,
            lambda name, p, places=places: torch.cat([p.chunk(len(places))[i] for i in places]),
        )


@convention("LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell")
def biases(layer: Any) -> Iterator[Variant]:
    if any("bias" in name for name, _ in layer.named_parameters()):
        for which in ("bias_hh", "bias_ih"):
            text = f"without {which}: one bias in place of two"
            yield _changed(layer, "single-bias", text, lambda name, p, which=which: p * 0 if which in name else p)
        yield _changed(layer, "missing-bias", "without the biases", lambda name, p: p * 0 if "bias" in name else p)
        yield _changed(
            layer, "double-bias", "with each bias added twice", lambda name, p: p * 2 if "bias" in name else p
        )
    if "LSTM" in type(layer).__name__:

        def forget(name: str, p: torch.Tensor) -> torch.Tensor:
            p = p.clone()
            if "bias_ih" in name:
                p[p.shape[0] // 4 : p.shape[0] // 2] += 1
            return p

        yield _changed(layer, "forget-bias", "with 1 added to the forget gate's bias", forget)
    if (
        layer.weight_hh.shape[0] == layer.weight_hh.shape[1]
        if hasattr(layer, "weight_hh")
        else layer.mode.startswith("RNN")
    ):
        yield _changed(
            layer,
            "transposed-weight",
            "with the recurrent weight transposed",
            lambda name, p: p.T if "weight_hh" in name else p,
        )


@convention("RNN")
def plain(layer: Any) -> Iterator[Variant]:
    other = "relu" if layer.nonlinearity == "tanh" else "tanh"
    mode = f"RNN_{other.upper()}"
    yield attribute(layer, "nonlinearity", f"with nonlinearity='{other}'", nonlinearity=other, mode=mode)


@convention("GRU")
def reset(layer: Any) -> Iterator[Variant]:
    if layer.num_layers != 1 or layer.bidirectional:
        return

    def run(x: torch.Tensor, h: torch.Tensor | None, before: bool, swapped: bool) -> Any:
        w_ih, w_hh = layer.weight_ih_l0, layer.weight_hh_l0
        b_ih = layer.bias_ih_l0 if layer.bias else w_ih.new_zeros(w_ih.shape[0])
        b_hh = layer.bias_hh_l0 if layer.bias else w_ih.new_zeros(w_ih.shape[0])
        steps = x.transpose(0, 1) if layer.batch_first and x.ndim == 3 else x
        H = layer.hidden_size
        state = steps.new_zeros(*steps.shape[1:-1], H) if h is None else h[0]
        ys = []
        for row in steps:
            a = row @ w_ih.T + b_ih
            r, z = torch.sigmoid(a[..., : 2 * H] + state @ w_hh[: 2 * H].T + b_hh[: 2 * H]).chunk(2, -1)
            w_n, b_n = w_hh[2 * H :], b_hh[2 * H :]
            inner = (r * state) @ w_n.T + b_n if before else r * (state @ w_n.T + b_n)
            n = torch.tanh(a[..., 2 * H :] + inner)
            state = z * n + (1 - z) * state if swapped else (1 - z) * n + z * state
            ys.append(state)
        y = torch.stack(ys)
        return (y.transpose(0, 1) if layer.batch_first and x.ndim == 3 else y), state[None]

    yield Variant(
        "gru-reset", "with the reset gate before the product, W (r * h) (Keras reset_after=False, ONNX's default)",
        lambda x, h=None: run(x, h, True, False), layer,
    )  # fmt: skip
    yield Variant(
        "gru-update",
        "with h = (1 - z) h + z n, the update gate the other way round",
        lambda x, h=None: run(x, h, False, True),
        layer,
    )


def _changed(layer: Any, name: str, text: str, change: Any) -> Variant:
    twin = copy.deepcopy(layer)
    with torch.no_grad():
        for own, parameter in twin.named_parameters():
            parameter.copy_(change(own, parameter.clone()))
    return Variant(name, text, twin, twin, parameters=False)
