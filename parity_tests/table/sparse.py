"""Rows: embeddings."""

from parity_tests.table.recipe import fixed, given, integers, normal, uniform
from parity_tests.table.row import Layer, Refusal, Row

REPEATED = given([[1, 3, 1, 0], [2, 2, 2, 1], [0, 4, 3, 3]])
TWICE = given([[1, 3, 1, 0], [2, 2, 3, 0]])
NOT_THE_DERIVATIVE = {"finite differences": "this option changes the gradient, not the output"}
RENORMALIZED = {"finite differences": "no gradient flows through the shortening of the rows"}

ROWS: list[Row] = [
    Layer("nn.Embedding", (13, 5), (integers(7, 3, high=13),)),
    Layer("nn.Embedding", (13, 5), (integers(97, high=13),), "many repeats"),
    Layer("nn.Embedding", (13, 5), (integers(7, 3, high=13),), "padding", {"padding_idx": 2}, notes=NOT_THE_DERIVATIVE),
    Layer(
        "nn.Embedding",
        (13, 5),
        (integers(7, 3, high=13),),
        "padding from the end",
        {"padding_idx": -1},
        notes=NOT_THE_DERIVATIVE,
    ),
    Layer("nn.Embedding", (5, 3), (REPEATED,), "max norm", {"max_norm": 1.0}, notes=RENORMALIZED),
    Layer("nn.Embedding", (5, 3), (REPEATED,), "max 1-norm", {"max_norm": 1.0, "norm_type": 1.0}, notes=RENORMALIZED),
    Layer(
        "nn.Embedding",
        (5, 3),
        (REPEATED,),
        "scaled by frequency",
        {"scale_grad_by_freq": True},
        notes=NOT_THE_DERIVATIVE,
    ),
    Layer("nn.Embedding", (5, 3), (REPEATED,), "sparse", {"sparse": True}),
    Layer("nn.Embedding", (5, 3), (REPEATED,), "own weight", {"_weight": normal(5, 3)}),
    Refusal("nn.Embedding", (5, 3), (given([1, 5]),), "an index too large"),
    Refusal("nn.Embedding", (5, 3), (given([1, -1]),), "a negative index"),
    Refusal("nn.Embedding", (5, 3), (given([1.0]),), "floating indices"),
    Refusal("nn.Embedding", (5, 3, 7), (), "padding outside the table"),
    Refusal("nn.Embedding", (5, 3), (), "a weight of another shape", {"_weight": normal(4, 3)}),
    *(
        row
        for mode in ("sum", "mean", "max")
        for row in (
            Layer("nn.EmbeddingBag", (13, 5), (integers(7, 3, high=13),), mode, {"mode": mode}),
            Layer(
                "nn.EmbeddingBag",
                (13, 5),
                (integers(11, high=13), given([0, 3, 3, 7])),
                f"{mode}, offsets and an empty bag",
                {"mode": mode},
            ),
            Layer("nn.EmbeddingBag", (5, 3), (REPEATED,), f"{mode}, padding", {"mode": mode, "padding_idx": 3}),
            Layer(
                "nn.EmbeddingBag",
                (5, 3),
                (REPEATED,),
                f"{mode}, max norm",
                {"mode": mode, "max_norm": 1.0},
                notes=RENORMALIZED,
            ),
        )
    ),
    Layer(
        "nn.EmbeddingBag",
        (13, 5),
        (integers(11, high=13), given([0, 3, 3, 11])),
        "last offset",
        {"include_last_offset": True},
    ),
    Layer(
        "nn.EmbeddingBag",
        (5, 3),
        (REPEATED,),
        "weighted",
        {"mode": "sum"},
        {"per_sample_weights": uniform(3, 4)},
    ),
    Layer("nn.EmbeddingBag", (5, 3), (REPEATED, None, uniform(3, 4)), "weights with gradient", {"mode": "sum"}),
    *(
        Layer(
            "nn.EmbeddingBag",
            (5, 3),
            (TWICE,),
            f"{mode} scaled by frequency",
            {"mode": mode, "scale_grad_by_freq": True},
            notes=NOT_THE_DERIVATIVE,
        )
        for mode in ("sum", "mean")
    ),
    Refusal("nn.EmbeddingBag", (5, 3), (given([1, 2]),), "1-D input without offsets"),
    Refusal("nn.EmbeddingBag", (5, 3), (given([[1, 2]]), given([0])), "2-D input with offsets"),
    Refusal("nn.EmbeddingBag", (5, 3), (given([[1, 5]]),), "an index too large"),
    Refusal("nn.EmbeddingBag", (5, 3), (given([1, 2]), given([1])), "offsets that do not start at 0"),
    Refusal("nn.EmbeddingBag", (5, 3), (given([1, 2]), given([0, 3])), "offsets past the end"),
    Refusal("nn.EmbeddingBag", (5, 3), (given([[[1]]]),), "three dimensions"),
    Refusal(
        "nn.EmbeddingBag",
        (5, 3),
        (given([[1, 2]]), None, fixed(normal(1, 2))),
        "weights in mode mean",
        {"mode": "mean"},
    ),
    Refusal(
        "nn.EmbeddingBag",
        (5, 3),
        (given([[1, 2]]), None, fixed(normal(2, 2))),
        "weights of another shape",
        {"mode": "sum"},
    ),
    Refusal(
        "nn.EmbeddingBag",
        (5, 3),
        (given([[1, 2]]),),
        "max scaled by frequency",
        {"mode": "max", "scale_grad_by_freq": True},
    ),
]
