"""A size worth timing for every component of the parity table, whose own rows are tiny. One row per component."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from parity_tests.built import Built
from parity_tests.table import FAMILIES
from parity_tests.table.recipe import (
    Recipe,
    fixed,
    given,
    integers,
    log_probabilities,
    normal,
    probabilities,
    signs,
    uniform,
)
from parity_tests.table.row import Layer, Pair, Program

MATRIX, WIDE, IMAGES, VOLUMES = (128, 1024), (128, 1000), (32, 16, 28, 28), (8, 8, 16, 16, 16)
AXES = {1: (32, 16, 784), 2: IMAGES, 3: VOLUMES}
LABELS, ANSWERS, SIGNS = integers(128, high=1000), fixed(uniform(*MATRIX)), fixed(signs(*MATRIX))
VECTORS, TOKENS, WORDS = normal(1024, 128), normal(32, 16, 64), integers(128, 32, high=10000)
NETWORK = tuple(normal(*shape) for shape in ((128, 784), (128,), (10, 128), (10,)))  # gradients of 784-128-10


def first_rows() -> dict[str, Any]:
    """The first row of every component that the table feeds; programs of a few lines are not timed."""
    rows = [row for family in FAMILIES.values() for row in family if isinstance(row, Pair)]
    rows = [row for row in rows if not isinstance(row, Program)]
    return {row.name: row for row in reversed(rows)}


FIRST = first_rows()


def row(name: str, *inputs: Any, args: tuple[Any, ...] = (), **kwargs: Any) -> Layer:
    return Layer(f"nn.{name}", args, inputs, "", kwargs)


def fed(name: str, *inputs: Any) -> Layer:
    """The component's first row, with other inputs."""
    layer: Layer = FIRST[f"nn.{name}"]
    return replace(layer, inputs=inputs, case="")


def places(axes: int) -> Recipe:
    """The index of the largest element of each window of 2, if it was the window's first."""
    shape = AXES[axes]
    half = (*shape[:2], *(size // 2 for size in shape[2:]))
    flat = np.arange(int(np.prod(shape[2:]))).reshape(shape[2:])[(slice(None, None, 2),) * axes]
    return given(np.ascontiguousarray(np.broadcast_to(flat, half)))


def several() -> Recipe:
    """Five different classes in each row, then -1."""
    labels = np.full(WIDE, -1)
    labels[:, :5] = np.arange(128)[:, None] + 100 * np.arange(5)
    return given(labels)


ACTIVATIONS = [
    fed(row_name.removeprefix("nn."), normal(*MATRIX))
    for row_name in dict.fromkeys(row.name for row in FAMILIES["activation"])
    if row_name not in ("nn.Softmax2d", "nn.Softmax", "nn.LogSoftmax", "nn.Softmin")
]
SOFTMAXES = [
    *(fed(name, normal(*WIDE)) for name in ("LogSoftmax", "Softmax", "Softmin")),
    fed("Softmax2d", normal(*IMAGES)),
]
ELEMENTWISE_LOSSES = [
    *(
        row(name, normal(*MATRIX), fixed(normal(*MATRIX)))
        for name in ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss")
    ),
    row("BCELoss", uniform(*MATRIX, low=0.1, high=0.9), ANSWERS),
    row("BCEWithLogitsLoss", normal(*MATRIX), ANSWERS),
    row("MultiLabelSoftMarginLoss", normal(*MATRIX), ANSWERS),
    row("SoftMarginLoss", normal(*MATRIX), SIGNS),
    row("HingeEmbeddingLoss", normal(*MATRIX), SIGNS),
    row("MarginRankingLoss", normal(*MATRIX), normal(*MATRIX), SIGNS),
    row("KLDivLoss", log_probabilities(*WIDE), fixed(probabilities(*WIDE)), reduction="batchmean"),
    row("PoissonNLLLoss", normal(*MATRIX), ANSWERS),
    row("GaussianNLLLoss", normal(*MATRIX), fixed(normal(*MATRIX)), uniform(*MATRIX, low=0.5, high=2.0)),
]
LABEL_LOSSES = [
    row("NLLLoss", log_probabilities(*WIDE), LABELS),
    row("CrossEntropyLoss", normal(*WIDE), LABELS),
    row("NLLLoss2d", log_probabilities(4, 21, 64, 64), integers(4, 64, 64, high=21)),
    row("MultiMarginLoss", normal(*WIDE), LABELS),
    row("MultiLabelMarginLoss", normal(*WIDE), several()),
    row("LinearCrossEntropyLoss", normal(128, 256), LABELS, args=(256, 1000)),
    row("AdaptiveLogSoftmaxWithLoss", normal(128, 64), LABELS, args=(64, 1000, (100, 500))),
    row(
        "CTCLoss",
        log_probabilities(50, 32, 20, axis=2),
        integers(32, 10, low=1, high=20),
        given([50] * 32),
        given([10] * 32),
    ),
    row("CosineEmbeddingLoss", VECTORS, VECTORS, fixed(signs(1024))),
    *(row(name, VECTORS, VECTORS, VECTORS) for name in ("TripletMarginLoss", "TripletMarginWithDistanceLoss")),
]
LINEAR = [
    row("Bilinear", normal(128, 64), normal(128, 64), args=(64, 64, 32)),
    row("Identity", normal(*MATRIX)),
    row("Linear", normal(128, 784), args=(784, 128)),
    row("Flatten", normal(*IMAGES)),
    row("Unflatten", normal(32, 784), args=(1, (28, 28))),
    row(
        "Sequential",
        normal(128, 784),
        args=(
            Built("nn.Linear", 784, 128),
            Built("nn.Tanh"),
            Built("nn.Linear", 128, 10),
        ),
    ),
]
DROPOUTS = [
    *(row(name, normal(*MATRIX)) for name in ("AlphaDropout", "Dropout", "FeatureAlphaDropout")),
    *(row(f"Dropout{axes}d", normal(*AXES[axes])) for axes in (1, 2, 3)),
]
CONVOLUTIONS = [
    *(
        row(f"{kind}{axes}d", normal(*AXES[axes]), args=(AXES[axes][1], 32, 3))
        for kind in ("Conv", "ConvTranspose")
        for axes in (1, 2, 3)
    ),
    row("Unfold", normal(*IMAGES), args=(3,)),
    row("Fold", normal(32, 16 * 9, 26 * 26), args=((28, 28), 3)),
]
POOLING = [
    *(
        row(f"{name}{axes}d", normal(*AXES[axes]), args=args)
        for name, args in (
            ("AdaptiveAvgPool", (4,)),
            ("AdaptiveMaxPool", (4,)),
            ("AvgPool", (2,)),
            ("LPPool", (2, 2)),
            ("MaxPool", (2,)),
        )
        for axes in (1, 2, 3)
    ),
    *(row(f"FractionalMaxPool{axes}d", normal(*AXES[axes]), args=(2, 7)) for axes in (2, 3)),
    *(
        row(f"MaxUnpool{axes}d", normal(*AXES[axes][:2], *(n // 2 for n in AXES[axes][2:])), places(axes), args=(2,))
        for axes in (1, 2, 3)
    ),
]
PADDING = [
    row(f"{mode}Pad{axes}d", normal(*AXES[axes]), args=(2, 3.5) if mode == "Constant" else (2,))
    for mode in ("Circular", "Constant", "Reflection", "Replication", "Zero")
    for axes in (1, 2, 3)
]
NORMALIZATION = [
    row("BatchNorm1d", normal(128, 256), args=(256,)),
    *(row(f"{kind}Norm{axes}d", normal(*AXES[axes]), args=(AXES[axes][1],)) for kind in ("Batch",) for axes in (2, 3)),
    *(row(f"InstanceNorm{axes}d", normal(*AXES[axes]), args=(AXES[axes][1],)) for axes in (1, 2, 3)),
    row("GroupNorm", normal(*IMAGES), args=(4, 16)),
    row("LayerNorm", normal(32, 64, 256), args=(256,)),
    row("RMSNorm", normal(32, 64, 256), args=(256,)),
    *(row(name, normal(*IMAGES), args=(5,)) for name in ("CrossMapLRN2d", "LocalResponseNorm")),
]
RECURRENT = [
    *(row(name, normal(32, 32, 64), args=(64, 128)) for name in ("GRU", "LSTM", "RNN")),
    *(row(f"{name}Cell", normal(128, 64), args=(64, 128)) for name in ("GRU", "LSTM", "RNN")),
]
SPARSE = [row(name, WORDS, args=(10000, 64)) for name in ("Embedding", "EmbeddingBag")]
ATTENTION = [
    row("ScaledDotProductAttention", *(normal(8, 4, 64, 32),) * 3),
    row("MultiheadAttention", *(normal(64, 16, 128),) * 3, args=(128, 4)),
]
TRANSFORMERS = [
    row("TransformerEncoderLayer", TOKENS, args=(64, 4, 256)),
    row("TransformerDecoderLayer", TOKENS, TOKENS, args=(64, 4, 256)),
    row("TransformerEncoder", TOKENS, args=(Built("nn.TransformerEncoderLayer", 64, 4, 256), 2)),
    row("TransformerDecoder", TOKENS, TOKENS, args=(Built("nn.TransformerDecoderLayer", 64, 4, 256), 2)),
    row("Transformer", TOKENS, TOKENS, args=(64, 4, 2, 2, 256)),
]
VISION = [
    row("ChannelShuffle", normal(*IMAGES), args=(4,)),
    row("PixelShuffle", normal(*IMAGES), args=(2,)),
    row("PixelUnshuffle", normal(*IMAGES), args=(2,)),
    row("Upsample", normal(32, 16, 14, 14), scale_factor=2),
    row("UpsamplingBilinear2d", normal(32, 16, 14, 14), scale_factor=2),
    row("UpsamplingNearest2d", normal(32, 16, 14, 14), scale_factor=2),
]
DISTANCES = [row(name, VECTORS, VECTORS) for name in ("CosineSimilarity", "PairwiseDistance")]


FILLED = {"nn.init.dirac_": (64, 64, 3, 3)}
INITIALISERS = [
    replace(FIRST[row.name], arrays=(normal(*FILLED.get(row.name, (512, 784))),), case="")
    for row in {row.name: row for row in FAMILIES["init"]}.values()
]
CLIPPING = [
    replace(FIRST[name], gradients=NETWORK, case="") for name in dict.fromkeys(row.name for row in FAMILIES["clip"])
]

SIZES = {
    row.name: row
    for rows in (
        *(LINEAR, ACTIVATIONS, SOFTMAXES, ELEMENTWISE_LOSSES, LABEL_LOSSES, DROPOUTS, CONVOLUTIONS, POOLING, PADDING),
        *(NORMALIZATION, RECURRENT, SPARSE, ATTENTION, TRANSFORMERS, VISION, DISTANCES, INITIALISERS, CLIPPING),
    )
    for row in rows
}
