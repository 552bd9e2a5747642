"""Rows: channels as pixels, and pixels as channels."""

from parity_tests.table.recipe import normal
from parity_tests.table.row import Layer, Refusal, Row

EMPTY = {"empty": "torch's pixel_unshuffle keeps an empty input's shape, so its gradients fail; here they have theirs"}

ROWS: list[Row] = [
    Layer("nn.PixelShuffle", (3,), (normal(2, 45, 2, 7),), notes=EMPTY),
    Layer("nn.PixelShuffle", (2,), (normal(3, 2, 12, 5, 7),), "extra dimension", notes=EMPTY),
    Layer("nn.PixelShuffle", (1,), (normal(2, 3, 5, 7),), "factor 1"),
    Refusal("nn.PixelShuffle", (2,), (normal(2, 45, 2, 7),), "channels that do not divide"),
    Refusal("nn.PixelShuffle", (0,), (normal(2, 45, 2, 7),), "factor 0"),
    Refusal("nn.PixelShuffle", (2.0,), (normal(2, 4, 2, 7),), "fractional factor"),
    Refusal("nn.PixelShuffle", (2,), (normal(4, 2),), "two dimensions"),
    Layer("nn.PixelUnshuffle", (3,), (normal(2, 5, 6, 21),), notes=EMPTY),
    Layer("nn.PixelUnshuffle", (2,), (normal(3, 2, 5, 6, 14),), "extra dimension", notes=EMPTY),
    Refusal("nn.PixelUnshuffle", (2,), (normal(2, 5, 3, 2),), "height that does not divide"),
    Refusal("nn.PixelUnshuffle", (2,), (normal(2, 5, 2, 3),), "width that does not divide"),
    Refusal("nn.PixelUnshuffle", (-1,), (normal(2, 5, 2, 3),), "negative factor"),
    Refusal("nn.PixelUnshuffle", (2,), (normal(4, 2),), "two dimensions"),
]
