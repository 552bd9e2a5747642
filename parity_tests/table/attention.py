"""Rows: attention. Every query may attend to some key, unless the case says otherwise."""

from typing import Any

import numpy as np

from parity_tests.table.recipe import Recipe, given, integers, normal
from parity_tests.table.row import Inference, Layer, Refusal, Row

L, S, N, E, H = 5, 7, 3, 6, 2


def open_mask(*shape: int) -> Recipe:
    """Random booleans, True = attend; the first key is open to all."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        mask = rng.random(shape) < 0.6
        mask[..., 0] = True
        return mask

    return Recipe(draw, differentiable=False)


def blocking_mask(*shape: int) -> Recipe:
    """Random booleans, True = blocked; the first key is open to all."""
    mask = open_mask(*shape)
    return Recipe(lambda rng: ~mask.draw(rng), differentiable=False)


def causal(length: int) -> Recipe:
    return given(np.triu(np.ones((length, length), bool), 1))


QKV = (normal(N, L, E), normal(N, S, E), normal(N, S, 11))
HEADS = (normal(N, H, L, E), normal(N, H, S, E), normal(N, H, S, 11))
MHA = (normal(L, N, E), normal(S, N, E), normal(S, N, E))
FIRST = (normal(N, L, E), normal(N, S, E), normal(N, S, E))
SDPA = "nn.ScaledDotProductAttention"


def fully_masked(length: int) -> Recipe:
    """(L, length): the third query may attend to nothing."""
    return given([[i == 2] * length for i in range(L)])


FULLY_MASKED = fully_masked(S)

# self-attention of one array, as torch's fast path wants it; the third sequence is wholly padded
SAME = (normal(N, L, E),) * 3
BATCH_FIRST = {"batch_first": True}
AT_THE_END = given(np.arange(L) >= np.array([[L], [2], [0]]))
ANYWHERE = given(np.arange(L) % 2 == np.array([[0], [1], [0]]))
NO_WEIGHTS = {"need_weights": False}
PADDED = {"key_padding_mask": AT_THE_END, **NO_WEIGHTS}


def floats(mask: Recipe, blocked: float) -> Recipe:
    """A mask of booleans as numbers to add: `blocked` where it is True."""
    return Recipe(lambda rng: np.where(mask.draw(rng), blocked, 0.0), differentiable=False)


def without_gradients(name: str, args: Any, inputs: Any, options: Any, cases: dict[str, Any]) -> list[Row]:
    """Rows of eval mode without gradients: every case on torch's fast path, and with the path turned off."""
    return [
        Inference(name, args, inputs, f"no gradients, {case}{'' if fast else ', path off'}", options, call, fast)
        for case, call in cases.items()
        for fast in (True, False)
    ]


FUSED = {"nonfinite": "torch's fused kernel on the CPU loses NaN and infinity where a softmax keeps them"}

ROWS: list[Row] = [
    Layer(SDPA, (), QKV),
    Layer(SDPA, (), HEADS, "heads"),
    Layer(SDPA, (), HEADS, "boolean mask", call={"attn_mask": open_mask(L, S)}),
    Layer(SDPA, (), HEADS, "float mask", call={"attn_mask": normal(L, S)}),
    Layer(SDPA, (), HEADS, "causal", {"is_causal": True}),
    Layer(SDPA, (), HEADS, "scale", {"scale": 0.3}),
    Layer(SDPA, (), HEADS, "dropout", {"dropout_p": 0.3}),
    Layer(
        SDPA, (), (normal(N, 4, L, E), normal(N, 2, S, E), normal(N, 2, S, 11)), "grouped heads", {"enable_gqa": True}
    ),
    Layer(SDPA, (), HEADS, "a row fully masked", call={"attn_mask": given(np.arange(L)[:, None] != np.full(S, 2))}),
    Refusal(SDPA, (), (normal(N, L, E), normal(N, S, E + 1), normal(N, S, 11)), "keys of another width"),
    Refusal(SDPA, (), (*HEADS, open_mask(L, S)), "a mask beside is_causal", {"is_causal": True}),
    Layer("nn.MultiheadAttention", (E, H), MHA),
    Layer("nn.MultiheadAttention", (E, H), FIRST, "batch first", {"batch_first": True}),
    Layer("nn.MultiheadAttention", (E, H), (normal(L, E), normal(S, E), normal(S, E)), "no batch"),
    Layer("nn.MultiheadAttention", (E, H), MHA, "no weights", call={"need_weights": False}, notes=FUSED),
    Layer("nn.MultiheadAttention", (E, H), MHA, "weights of each head", call={"average_attn_weights": False}),
    Layer("nn.MultiheadAttention", (E, H), MHA, "no bias", {"bias": False}),
    Layer("nn.MultiheadAttention", (E, H), MHA, "dropout", {"dropout": 0.3}),
    Layer("nn.MultiheadAttention", (E, H), MHA, "dropout, no weights", {"dropout": 0.3}, {"need_weights": False}),
    Layer("nn.MultiheadAttention", (E, H), MHA, "bias_kv", {"add_bias_kv": True}),
    Layer("nn.MultiheadAttention", (E, H), MHA, "zero attention", {"add_zero_attn": True}),
    Layer(
        "nn.MultiheadAttention",
        (E, H),
        MHA,
        "bias_kv, zero attention, both masks",
        {"add_bias_kv": True, "add_zero_attn": True},
        {"attn_mask": blocking_mask(L, S), "key_padding_mask": blocking_mask(N, S)},
    ),
    Layer(
        "nn.MultiheadAttention",
        (E, H),
        (normal(L, N, E), normal(S, N, 5), normal(S, N, 11)),
        "kdim, vdim",
        {"kdim": 5, "vdim": 11},
    ),
    Layer("nn.MultiheadAttention", (E, H), MHA, "attn_mask", call={"attn_mask": blocking_mask(L, S)}),
    Layer("nn.MultiheadAttention", (E, H), MHA, "float mask", call={"attn_mask": normal(L, S)}),
    Layer("nn.MultiheadAttention", (E, H), MHA, "a mask for each head", call={"attn_mask": blocking_mask(N * H, L, S)}),
    Layer("nn.MultiheadAttention", (E, H), MHA, "key_padding_mask", call={"key_padding_mask": blocking_mask(N, S)}),
    Layer(
        "nn.MultiheadAttention",
        (E, H),
        MHA,
        "both masks, no weights",
        call={"attn_mask": blocking_mask(L, S), "key_padding_mask": blocking_mask(N, S), "need_weights": False},
    ),
    Layer(
        "nn.MultiheadAttention",
        (E, H),
        (normal(L, N, E), normal(L, N, E), normal(L, N, E)),
        "causal hint",
        call={"attn_mask": causal(L), "is_causal": True, "need_weights": False},
        notes=FUSED,
    ),
    Layer("nn.MultiheadAttention", (E, H), MHA, "a row fully masked", call={"attn_mask": FULLY_MASKED}, smooth=False),
    Layer(
        "nn.MultiheadAttention",
        (E, H),
        MHA,
        "a row fully masked, no weights",
        call={"attn_mask": FULLY_MASKED, "need_weights": False},
    ),
    *without_gradients(
        "nn.MultiheadAttention",
        (E, H),
        SAME,
        BATCH_FIRST,
        {
            "weights": {},
            "weights of each head": {"average_attn_weights": False},
            "no weights": NO_WEIGHTS,
            "padding": {"key_padding_mask": AT_THE_END},
            "padding, no weights": PADDED,
            "padding anywhere, no weights": {"key_padding_mask": ANYWHERE, **NO_WEIGHTS},
            "padding in floats, no weights": {"key_padding_mask": floats(AT_THE_END, -np.inf), **NO_WEIGHTS},
            "a row fully masked, no weights": {"attn_mask": fully_masked(L), **NO_WEIGHTS},
            "both masks, no weights": {"attn_mask": causal(L), "key_padding_mask": AT_THE_END, **NO_WEIGHTS},
            "causal hint, no weights": {"attn_mask": causal(L), "is_causal": True, **NO_WEIGHTS},
        },
    ),
    *(
        Inference("nn.MultiheadAttention", args, inputs, f"no gradients, {case}", options, PADDED)
        for case, args, inputs, options in (
            ("time first", (E, H), (normal(L, N, E),) * 3, {}),
            ("three arrays", (E, H), tuple(normal(N, L, E) for _ in range(3)), BATCH_FIRST),
            ("odd heads", (E, 3), SAME, BATCH_FIRST),
            ("no bias", (E, H), SAME, {"bias": False, **BATCH_FIRST}),
            ("bias_kv", (E, H), SAME, {"add_bias_kv": True, **BATCH_FIRST}),
            ("zero attention", (E, H), SAME, {"add_zero_attn": True, **BATCH_FIRST}),
        )
    ),
    Refusal("nn.MultiheadAttention", (E, 4), (), "heads that do not divide"),
    Refusal("nn.MultiheadAttention", (0, 1), (), "no features"),
    Refusal("nn.MultiheadAttention", (E, H), (normal(L, N, E + 1), *MHA[1:]), "a query of another width"),
    Refusal("nn.MultiheadAttention", (E, H), (*MHA[:2], normal(S + 1, N, E)), "values of another length"),
    Refusal("nn.MultiheadAttention", (E, H), (normal(L, E), *MHA[1:]), "a query without batch"),
    Refusal("nn.MultiheadAttention", (E, H), MHA, "a mask of another shape", call={"attn_mask": blocking_mask(S, L)}),
    Refusal("nn.MultiheadAttention", (E, H), MHA, "an integer mask", call={"attn_mask": integers(L, S, high=2)}),
    Refusal("nn.MultiheadAttention", (E, H), MHA, "the causal hint without a mask", call={"is_causal": True}),
]
