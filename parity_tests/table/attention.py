"""Rows: attention. Every query may attend somewhere, unless the case says otherwise."""

import numpy as np

from parity_tests.table.row import Pair, Recipe, Refusal, given, integers, normal

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
FULLY_MASKED = given([[True] * S if i == 2 else [False] * S for i in range(L)])

FUSED = {"nonfinite": "torch's fused kernel on the CPU loses NaN and infinity where a softmax keeps them"}

ROWS: list[Pair | Refusal] = [
    Pair(SDPA, (), QKV),
    Pair(SDPA, (), HEADS, "heads"),
    Pair(SDPA, (), HEADS, "boolean mask", call={"attn_mask": open_mask(L, S)}),
    Pair(SDPA, (), HEADS, "float mask", call={"attn_mask": normal(L, S)}),
    Pair(SDPA, (), HEADS, "causal", {"is_causal": True}),
    Pair(SDPA, (), HEADS, "scale", {"scale": 0.3}),
    Pair(SDPA, (), HEADS, "dropout", {"dropout_p": 0.3}),
    Pair(
        SDPA, (), (normal(N, 4, L, E), normal(N, 2, S, E), normal(N, 2, S, 11)), "grouped heads", {"enable_gqa": True}
    ),
    Pair(SDPA, (), HEADS, "a row fully masked", call={"attn_mask": given(np.arange(L)[:, None] != np.full(S, 2))}),
    Refusal(SDPA, (), (normal(N, L, E), normal(N, S, E + 1), normal(N, S, 11)), "keys of another width"),
    Refusal(SDPA, (), (*HEADS, open_mask(L, S)), "a mask beside is_causal", {"is_causal": True}),
    Pair("nn.MultiheadAttention", (E, H), MHA),
    Pair("nn.MultiheadAttention", (E, H), FIRST, "batch first", {"batch_first": True}),
    Pair("nn.MultiheadAttention", (E, H), (normal(L, E), normal(S, E), normal(S, E)), "no batch"),
    Pair("nn.MultiheadAttention", (E, H), MHA, "no weights", call={"need_weights": False}, notes=FUSED),
    Pair("nn.MultiheadAttention", (E, H), MHA, "weights of each head", call={"average_attn_weights": False}),
    Pair("nn.MultiheadAttention", (E, H), MHA, "no bias", {"bias": False}),
    Pair("nn.MultiheadAttention", (E, H), MHA, "dropout", {"dropout": 0.3}),
    Pair("nn.MultiheadAttention", (E, H), MHA, "dropout, no weights", {"dropout": 0.3}, {"need_weights": False}),
    Pair("nn.MultiheadAttention", (E, H), MHA, "bias_kv", {"add_bias_kv": True}),
    Pair("nn.MultiheadAttention", (E, H), MHA, "zero attention", {"add_zero_attn": True}),
    Pair(
        "nn.MultiheadAttention",
        (E, H),
        MHA,
        "bias_kv, zero attention, both masks",
        {"add_bias_kv": True, "add_zero_attn": True},
        {"attn_mask": blocking_mask(L, S), "key_padding_mask": blocking_mask(N, S)},
    ),
    Pair(
        "nn.MultiheadAttention",
        (E, H),
        (normal(L, N, E), normal(S, N, 5), normal(S, N, 11)),
        "kdim, vdim",
        {"kdim": 5, "vdim": 11},
    ),
    Pair("nn.MultiheadAttention", (E, H), MHA, "attn_mask", call={"attn_mask": blocking_mask(L, S)}),
    Pair("nn.MultiheadAttention", (E, H), MHA, "float mask", call={"attn_mask": normal(L, S)}),
    Pair("nn.MultiheadAttention", (E, H), MHA, "a mask for each head", call={"attn_mask": blocking_mask(N * H, L, S)}),
    Pair("nn.MultiheadAttention", (E, H), MHA, "key_padding_mask", call={"key_padding_mask": blocking_mask(N, S)}),
    Pair(
        "nn.MultiheadAttention",
        (E, H),
        MHA,
        "both masks, no weights",
        call={"attn_mask": blocking_mask(L, S), "key_padding_mask": blocking_mask(N, S), "need_weights": False},
    ),
    Pair(
        "nn.MultiheadAttention",
        (E, H),
        (normal(L, N, E), normal(L, N, E), normal(L, N, E)),
        "causal hint",
        call={"attn_mask": causal(L), "is_causal": True, "need_weights": False},
        notes=FUSED,
    ),
    Pair("nn.MultiheadAttention", (E, H), MHA, "a row fully masked", call={"attn_mask": FULLY_MASKED}, smooth=False),
    Pair(
        "nn.MultiheadAttention",
        (E, H),
        MHA,
        "a row fully masked, no weights",
        call={"attn_mask": FULLY_MASKED, "need_weights": False},
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
