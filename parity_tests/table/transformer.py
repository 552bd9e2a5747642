"""Rows: transformers."""

from typing import Any

import numpy as np

from parity_tests.built import Built
from parity_tests.table.attention import blocking_mask, causal, floats, without_gradients
from parity_tests.table.recipe import given, normal
from parity_tests.table.row import Inference, Layer, Refusal, Row

T, S, N, E, H = 5, 7, 3, 6, 2
SMALL = {"dim_feedforward": 11, "dropout": 0.2}
SRC, TGT = normal(S, N, E), normal(T, N, E)

ENCODER, DECODER = "nn.TransformerEncoderLayer", "nn.TransformerDecoderLayer"

# eval mode without gradients, where torch takes its fast path; the third sequence is wholly padded
BATCH = (normal(N, S, E),)
FIRST = {"dim_feedforward": 11, "batch_first": True}
AT_THE_END = given(np.arange(S) >= np.array([[S], [3], [0]]))
ANYWHERE = given(np.arange(S) % 2 == np.array([[0], [1], [0]]))
MASKS: dict[str, dict[str, Any]] = {
    "no mask": {},
    "padding": {"src_key_padding_mask": AT_THE_END},
    "padding anywhere": {"src_key_padding_mask": ANYWHERE},
    "padding in floats": {"src_key_padding_mask": floats(AT_THE_END, -np.inf)},
}
PADDED = MASKS["padding"]
OPTIONS: dict[str, dict[str, Any]] = {
    "norm first": {"norm_first": True},
    "gelu": {"activation": "gelu"},
    "no bias": {"bias": False},
    "time first": {"batch_first": False},
    "another activation": {"activation": Built("nn.SiLU")},
}


def layer(**options: Any) -> Built:
    return Built("nn.TransformerEncoderLayer", E, H, **FIRST | options)


ROWS: list[Row] = [
    Layer(ENCODER, (E, H), (SRC,), "", SMALL),
    Layer(ENCODER, (E, H), (SRC,), "norm first", SMALL | {"norm_first": True}),
    Layer(ENCODER, (E, H), (SRC,), "gelu", SMALL | {"activation": "gelu"}),
    Layer(
        ENCODER,
        (E, H),
        (SRC,),
        "a module as activation",
        SMALL | {"activation": Built("nn.SiLU")},
    ),
    Layer(ENCODER, (E, H), (normal(N, S, E),), "batch first", SMALL | {"batch_first": True}),
    Layer(ENCODER, (E, H), (SRC,), "no bias", SMALL | {"bias": False}),
    Layer(ENCODER, (E, H), (normal(S, E),), "no batch", SMALL),
    Layer(
        ENCODER,
        (E, H),
        (SRC,),
        "masks",
        SMALL,
        {"src_mask": blocking_mask(S, S), "src_key_padding_mask": blocking_mask(N, S)},
    ),
    Layer(ENCODER, (E, H), (SRC,), "causal", SMALL, {"src_mask": causal(S), "is_causal": True}),
    *without_gradients(
        ENCODER,
        (E, H),
        BATCH,
        FIRST,
        MASKS
        | {
            "causal": {"src_mask": causal(S), "is_causal": True},
            "a mask of floats": {"src_mask": floats(causal(S), 0.5)},
            "both masks": {"src_mask": causal(S), "src_key_padding_mask": AT_THE_END},
        },
    ),
    *(
        Inference(ENCODER, (E, H), inputs, f"no gradients, {case}, padding", FIRST | options, PADDED)
        for case, options in OPTIONS.items()
        for inputs in [(SRC,) if case == "time first" else BATCH]
    ),
    Inference(ENCODER, (E, 3), BATCH, "no gradients, odd heads, padding", FIRST, PADDED),
    Inference(ENCODER, (E, H), (normal(S, E),), "no gradients, no batch", FIRST),
    Refusal(ENCODER, (E, H), (SRC,), "an unknown activation", {"activation": "swish"}),
    Layer(DECODER, (E, H), (TGT, SRC), "", SMALL),
    Layer(DECODER, (E, H), (TGT, SRC), "norm first, gelu", SMALL | {"norm_first": True, "activation": "gelu"}),
    Layer(DECODER, (E, H), (normal(N, T, E), normal(N, S, E)), "batch first", SMALL | {"batch_first": True}),
    Layer(
        DECODER,
        (E, H),
        (TGT, SRC),
        "masks",
        SMALL,
        {
            "tgt_mask": blocking_mask(T, T),
            "memory_mask": blocking_mask(T, S),
            "tgt_key_padding_mask": blocking_mask(N, T),
            "memory_key_padding_mask": blocking_mask(N, S),
        },
    ),
    Refusal(DECODER, (E, H), (TGT, SRC), "an unknown activation", {"activation": "swish"}),
    Layer(
        "nn.TransformerEncoder",
        (Built("nn.TransformerEncoderLayer", E, H, 11, 0.2), 2),
        (SRC,),
    ),
    Layer(
        "nn.TransformerEncoder",
        (
            Built("nn.TransformerEncoderLayer", E, H, 11, 0.2),
            2,
            Built("nn.LayerNorm", E),
        ),
        (SRC,),
        "norm",
    ),
    Layer(
        "nn.TransformerEncoder",
        (Built("nn.TransformerEncoderLayer", E, H, 11, 0.2), 2),
        (SRC,),
        "causal",
        call={"mask": causal(S)},
    ),
    *without_gradients(
        "nn.TransformerEncoder",
        (layer(), 2, Built("nn.LayerNorm", E)),
        BATCH,
        {},
        MASKS | {"causal": {"mask": causal(S)}, "both masks": {"mask": causal(S), "src_key_padding_mask": AT_THE_END}},
    ),
    *(
        Inference("nn.TransformerEncoder", (layer(**options), 2), inputs, f"no gradients, {case}, padding", {}, PADDED)
        for case, options in {"no norm": {}, **OPTIONS}.items()
        for inputs in [(SRC,) if case == "time first" else BATCH]
    ),
    *(
        Inference(
            "nn.TransformerEncoder", (layer(), 2), BATCH, f"no gradients, {option} off, {what}", {option: False}, call
        )
        for option in ("enable_nested_tensor", "mask_check")
        for what, call in MASKS.items()
        if "padding" in what
    ),
    Layer(
        "nn.TransformerDecoder",
        (
            Built("nn.TransformerDecoderLayer", E, H, 11, 0.2),
            2,
            Built("nn.LayerNorm", E),
        ),
        (TGT, SRC),
    ),
    Layer("nn.Transformer", (E, H, 2, 2, 11), (SRC, TGT)),
    Layer(
        "nn.Transformer",
        (E, H, 1, 1, 11),
        (SRC, TGT),
        "norm first",
        {"norm_first": True, "activation": "gelu"},
    ),
    Layer("nn.Transformer", (E, H, 1, 1, 11), (SRC, TGT), "causal", call={"tgt_mask": causal(T)}),
    *without_gradients(
        "nn.Transformer",
        (E, H, 2, 1, 11),
        (normal(N, S, E), normal(N, T, E)),
        {"batch_first": True},
        {"padding": {"src_key_padding_mask": AT_THE_END}},
    ),
    Refusal("nn.Transformer", (E, H, 1, 1, 11), (SRC, normal(T, N + 1, E)), "another batch"),
    Refusal("nn.Transformer", (E, H, 1, 1, 11), (normal(S, N, E + 1), TGT), "another width"),
]
