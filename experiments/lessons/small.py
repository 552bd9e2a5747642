"""The small configuration of every layer: a few short numbers, for worked examples and exercises.

A new layer without a line here has its first row of the table as its example.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any
from zlib import crc32

import numpy as np

from parity_tests.built import Built
from parity_tests.table import FAMILIES
from parity_tests.table.recipe import Recipe, given
from parity_tests.table.row import Layer

CASE = "worked example"


def floats(*shape: int, low: float = -2.0, high: float = 2.0) -> Recipe:
    """Numbers with one decimal, all different where there are enough of them."""
    return Recipe(lambda rng: _short(rng, shape, low, high))


def _short(rng: np.random.Generator, shape: tuple[int, ...], low: float, high: float) -> np.ndarray:
    numbers = np.arange(np.ceil(low * 10), np.floor(high * 10) + 1) / 10
    numbers = numbers[numbers != 0]
    count = int(np.prod(shape))
    return rng.choice(numbers, count, replace=count > len(numbers)).reshape(shape)


def labels(*shape: int, classes: int) -> Recipe:
    return Recipe(lambda rng: rng.integers(0, classes, shape), differentiable=False)


def target(recipe: Recipe) -> Recipe:
    return Recipe(recipe.draw, differentiable=False)


def log_probabilities(*shape: int, axis: int = 1) -> Recipe:
    """Logarithms of probabilities, to two decimals, so that the probabilities sum to nearly 1."""

    def drawn(rng: np.random.Generator) -> np.ndarray:
        x = rng.normal(size=shape)
        return (x - np.log(np.exp(x).sum(axis, keepdims=True))).round(2)

    return Recipe(drawn)


SIGNS = given([[1.0, -1.0], [-1.0, 1.0]])
SHARES = floats(2, 2, low=0.1, high=0.9)
PLANE, VOLUME = floats(1, 1, 2, 2), floats(1, 1, 2, 2, 2)
ENCODER = Built("nn.TransformerEncoderLayer", 3, 1, 2, 0.0)
DECODER = Built("nn.TransformerDecoderLayer", 3, 1, 2, 0.0)

# (pattern of names, arguments, keyword arguments, inputs); the first that fits is taken
SMALL: tuple[tuple[str, tuple[Any, ...], dict[str, Any], tuple[Any, ...]], ...] = (
    ("nn.Bilinear", (2, 2, 1), {}, (floats(2, 2), floats(2, 2))),
    ("nn.Identity", (), {}, (floats(2, 3),)),
    ("nn.Linear", (3, 2), {}, (floats(2, 3),)),
    # activations
    ("nn.GLU", (), {}, (floats(2, 4),)),
    ("nn.Softmax2d", (), {}, (floats(1, 3, 1, 2),)),
    ("nn.Softmax", (1,), {}, (floats(2, 3),)),
    ("nn.Softmin", (1,), {}, (floats(2, 3),)),
    ("nn.LogSoftmax", (1,), {}, (floats(2, 3),)),
    ("nn.Threshold", (0.5, 7.0), {}, (floats(2, 3),)),
    ("nn.ReLU6", (), {}, (given([[-1.5, 0.5, 7.0]]),)),
    ("nn.Hardsigmoid", (), {}, (given([[-3.5, 0.5, 2.0]]),)),
    ("nn.Hardswish", (), {}, (given([[-3.5, 0.5, 2.0]]),)),
    # losses
    ("nn.MSELoss", (), {}, (floats(2, 2), target(floats(2, 2)))),
    ("nn.L1Loss", (), {}, (floats(2, 2), target(floats(2, 2)))),
    ("nn.SmoothL1Loss", (), {}, (floats(2, 2), target(floats(2, 2)))),
    ("nn.HuberLoss", (), {}, (floats(2, 2), target(floats(2, 2)))),
    ("nn.BCELoss", (), {}, (SHARES, target(SHARES))),
    ("nn.BCEWithLogitsLoss", (), {}, (floats(2, 2), target(SHARES))),
    ("nn.MultiLabelSoftMarginLoss", (), {}, (floats(2, 2), target(given([[1.0, 0.0], [0.0, 1.0]])))),
    ("nn.SoftMarginLoss", (), {}, (floats(2, 2), target(SIGNS))),
    ("nn.KLDivLoss", (), {"reduction": "batchmean"}, (log_probabilities(2, 2), target(SHARES))),
    ("nn.PoissonNLLLoss", (), {}, (floats(2, 2), target(given([[0.0, 2.0], [1.0, 3.0]])))),
    ("nn.GaussianNLLLoss", (), {}, (floats(2, 2), target(floats(2, 2)), floats(2, 2, low=0.2))),
    ("nn.NLLLoss", (), {}, (log_probabilities(2, 3), labels(2, classes=3))),
    ("nn.NLLLoss2d", (), {}, (log_probabilities(1, 3, 1, 2), labels(1, 1, 2, classes=3))),
    ("nn.CrossEntropyLoss", (), {}, (floats(2, 3), labels(2, classes=3))),
    ("nn.LinearCrossEntropyLoss", (2, 3), {}, (floats(2, 2), labels(2, classes=3))),
    ("nn.MultiMarginLoss", (), {}, (floats(2, 3), labels(2, classes=3))),
    ("nn.MultiLabelMarginLoss", (), {}, (floats(2, 3), given([[2, 0, -1], [1, -1, -1]]))),
    ("nn.CTCLoss", (), {}, (log_probabilities(3, 1, 3, axis=2), given([[1, 2]]), given([3]), given([2]))),
    ("nn.AdaptiveLogSoftmaxWithLoss", (4, 5, [2, 3]), {"div_value": 2.0}, (floats(3, 4), given([0, 2, 4]))),
    ("nn.HingeEmbeddingLoss", (), {}, (floats(2, 2), target(SIGNS))),
    ("nn.MarginRankingLoss", (), {}, (floats(3), floats(3), target(given([1.0, -1.0, 1.0])))),
    ("nn.CosineEmbeddingLoss", (), {}, (floats(2, 2), floats(2, 2), target(given([1.0, -1.0])))),
    ("nn.Triplet*", (), {}, (floats(2, 2), floats(2, 2), floats(2, 2))),
    # dropout
    ("nn.Dropout1d", (), {}, (floats(1, 3, 2),)),
    ("nn.Dropout2d", (), {}, (floats(1, 3, 1, 2),)),
    ("nn.Dropout3d", (), {}, (floats(1, 3, 1, 1, 2),)),
    ("nn.FeatureAlphaDropout", (), {}, (floats(1, 3, 2),)),
    ("nn.*Dropout", (), {}, (floats(2, 3),)),
    # convolution, windows
    ("nn.Conv1d", (1, 2, 2), {}, (floats(1, 1, 4),)),
    ("nn.Conv2d", (1, 1, 2), {}, (floats(1, 1, 3, 3),)),
    ("nn.Conv3d", (1, 1, 2), {}, (floats(1, 1, 2, 2, 3),)),
    ("nn.ConvTranspose1d", (1, 2, 2), {}, (floats(1, 1, 3),)),
    ("nn.ConvTranspose2d", (1, 1, 2), {}, (PLANE,)),
    ("nn.ConvTranspose3d", (1, 1, (1, 2, 2)), {}, (floats(1, 1, 1, 2, 2),)),
    ("nn.Fold", ((2, 3), 2), {}, (floats(1, 4, 2),)),
    ("nn.Unfold", (2,), {}, (floats(1, 1, 2, 3),)),
    ("nn.Adaptive*Pool1d", (2,), {}, (floats(1, 1, 5),)),
    ("nn.Adaptive*Pool2d", (2,), {}, (floats(1, 1, 3, 3),)),
    ("nn.Adaptive*Pool3d", ((1, 1, 2),), {}, (floats(1, 1, 2, 1, 3),)),
    ("nn.FractionalMaxPool2d", (2, 2), {}, (floats(1, 1, 4, 4),)),
    ("nn.FractionalMaxPool3d", ((1, 1, 2), (1, 1, 2)), {}, (floats(1, 1, 2, 2, 4),)),
    ("nn.LPPool1d", (2, 2), {}, (floats(1, 1, 4),)),
    ("nn.LPPool2d", (2, 2), {}, (floats(1, 1, 2, 4),)),
    ("nn.LPPool3d", (2, 2), {}, (floats(1, 1, 2, 2, 4),)),
    ("nn.MaxUnpool1d", (2,), {}, (floats(1, 1, 2), given([[[1, 2]]]))),
    ("nn.MaxUnpool2d", (2,), {}, (floats(1, 1, 1, 2), given([[[[1, 6]]]]))),
    ("nn.MaxUnpool3d", (2,), {}, (floats(1, 1, 1, 1, 2), given([[[[[3, 14]]]]]))),
    ("nn.*Pool1d", (2,), {}, (floats(1, 1, 4),)),
    ("nn.*Pool2d", (2,), {}, (floats(1, 1, 2, 4),)),
    ("nn.*Pool3d", (2,), {}, (floats(1, 1, 2, 2, 4),)),
    ("nn.ConstantPad1d", (1, 3.5), {}, (floats(1, 1, 3),)),
    ("nn.ConstantPad2d", (1, 3.5), {}, (PLANE,)),
    ("nn.ConstantPad3d", ((1, 1, 0, 0, 0, 0), 3.5), {}, (VOLUME,)),
    ("nn.*Pad1d", (1,), {}, (floats(1, 1, 3),)),
    ("nn.*Pad2d", (1,), {}, (PLANE,)),
    ("nn.*Pad3d", ((1, 1, 0, 0, 0, 0),), {}, (VOLUME,)),
    # normalization
    ("nn.BatchNorm1d", (2,), {}, (floats(3, 2),)),
    ("nn.BatchNorm2d", (2,), {}, (floats(2, 2, 1, 2),)),
    ("nn.BatchNorm3d", (2,), {}, (floats(2, 2, 1, 1, 2),)),
    ("nn.CrossMapLRN2d", (2,), {}, (floats(1, 3, 1, 2),)),
    ("nn.LocalResponseNorm", (2,), {}, (floats(1, 3, 1, 2),)),
    ("nn.GroupNorm", (2, 4), {}, (floats(1, 4, 2),)),
    ("nn.InstanceNorm1d", (2,), {}, (floats(1, 2, 3),)),
    ("nn.InstanceNorm2d", (2,), {}, (floats(1, 2, 1, 3),)),
    ("nn.InstanceNorm3d", (2,), {}, (floats(1, 2, 1, 1, 3),)),
    ("nn.LayerNorm", (3,), {}, (floats(2, 3),)),
    ("nn.RMSNorm", (3,), {}, (floats(2, 3),)),
    # sequences
    ("nn.LSTM", (1, 2), {}, (floats(2, 1, 1),)),
    ("nn.GRU", (1, 2), {}, (floats(2, 1, 1),)),
    ("nn.RNN", (1, 2), {}, (floats(2, 1, 1),)),
    ("nn.LSTMCell", (2, 2), {}, (floats(1, 2),)),
    ("nn.GRUCell", (2, 2), {}, (floats(1, 2),)),
    ("nn.RNNCell", (2, 2), {}, (floats(1, 2),)),
    ("nn.Embedding", (4, 2), {}, (given([[1, 3, 1]]),)),
    ("nn.EmbeddingBag", (4, 2), {"mode": "sum"}, (given([[1, 3], [0, 0]]),)),
    ("nn.ScaledDotProductAttention", (), {}, (floats(1, 2, 2), floats(1, 2, 2), floats(1, 2, 2))),
    ("nn.MultiheadAttention", (2, 1), {}, (floats(2, 1, 2), floats(2, 1, 2), floats(2, 1, 2))),
    ("nn.TransformerEncoderLayer", (3, 1, 2, 0.0), {}, (floats(2, 1, 3),)),
    ("nn.TransformerDecoderLayer", (3, 1, 2, 0.0), {}, (floats(2, 1, 3), floats(2, 1, 3))),
    ("nn.TransformerEncoder", (ENCODER, 1), {}, (floats(2, 1, 3),)),
    ("nn.TransformerDecoder", (DECODER, 1), {}, (floats(2, 1, 3), floats(2, 1, 3))),
    ("nn.Transformer", (4, 1, 1, 1, 2, 0.0), {}, (floats(2, 1, 4), floats(2, 1, 4))),
    # shapes
    ("nn.Upsample", (), {"size": 4, "mode": "linear"}, (floats(1, 1, 2),)),
    ("nn.Upsampling*", ((2, 3),), {}, (PLANE,)),
    ("nn.PixelShuffle", (2,), {}, (floats(1, 4, 1, 2),)),
    ("nn.PixelUnshuffle", (2,), {}, (floats(1, 1, 2, 4),)),
    ("nn.ChannelShuffle", (2,), {}, (floats(1, 4, 1, 2),)),
    ("nn.CosineSimilarity", (), {}, (floats(2, 2), floats(2, 2))),
    ("nn.PairwiseDistance", (), {}, (floats(2, 2), floats(2, 2))),
    ("nn.Flatten", (), {}, (floats(2, 2, 2),)),
    ("nn.Unflatten", (1, (2, 2)), {}, (floats(2, 4),)),
    ("nn.Sequential", (Built("nn.Linear", 2, 2), Built("nn.Tanh")), {}, (floats(2, 2),)),
)
OTHERWISE: dict[str, tuple[Any, ...]] = {"activation": (floats(2, 3),)}  # the inputs of the rest of a family


def small(name: str) -> Layer | None:
    """A layer's example; None for what is no layer, or has no forward."""
    for family, rows in FAMILIES.items():
        for row in rows:
            if row.name == name and isinstance(row, Layer):
                return _small(row, family) if row.inputs else None
    return None


def _small(row: Layer, family: str) -> Layer:
    for pattern, args, kwargs, inputs in SMALL:
        if fnmatchcase(row.name, pattern):
            return Layer(row.name, args, inputs, CASE, kwargs)
    if family in OTHERWISE:
        return Layer(row.name, row.args, OTHERWISE[family], CASE, row.kwargs)
    return Layer(row.name, row.args, row.inputs, CASE, row.kwargs, row.call)


def names() -> Iterator[str]:
    """Every layer that has an example."""
    for rows in FAMILIES.values():
        for name in dict.fromkeys(row.name for row in rows):
            if small(name) is not None:
                yield name


def short_parameter(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A parameter of an example: one decimal, the same for the same name and shape."""
    return _short(np.random.default_rng([crc32(name.encode()), *shape]), shape, -0.9, 0.9)
