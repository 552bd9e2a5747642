"""Rows: transformers."""

from parity_tests.built import Built
from parity_tests.table.attention import blocking_mask, causal
from parity_tests.table.recipe import normal
from parity_tests.table.row import Layer, Refusal, Row

T, S, N, E, H = 5, 7, 3, 6, 2
SMALL = {"dim_feedforward": 11, "dropout": 0.2}
SRC, TGT = normal(S, N, E), normal(T, N, E)

ENCODER, DECODER = "nn.TransformerEncoderLayer", "nn.TransformerDecoderLayer"


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
    Refusal("nn.Transformer", (E, H, 1, 1, 11), (SRC, normal(T, N + 1, E)), "another batch"),
    Refusal("nn.Transformer", (E, H, 1, 1, 11), (normal(S, N, E + 1), TGT), "another width"),
]
