"""Rows: linear layers."""

from parity_tests.table.recipe import normal
from parity_tests.table.row import Layer, Refusal, Row

ROWS: list[Row] = [
    Layer("nn.Bilinear", (5, 3, 2), (normal(7, 5), normal(7, 3))),
    Layer("nn.Bilinear", (5, 3, 2), (normal(7, 5), normal(7, 3)), "no bias", {"bias": False}),
    Layer("nn.Bilinear", (5, 3, 2), (normal(7, 11, 5), normal(7, 11, 3)), "extra dimension"),
    Refusal("nn.Bilinear", (5, 3, 2), (normal(7, 5), normal(6, 3)), "unequal batches"),
    Refusal("nn.Bilinear", (5, 3, 2), (normal(7, 4), normal(7, 3)), "another width"),
    Refusal("nn.Bilinear", (0, 3, 2), (), "no features"),
    Layer("nn.Identity", (), (normal(7, 5),)),
    Layer("nn.Identity", (54, "ignored"), (normal(7, 5, 3),), "arguments"),
    Layer("nn.Linear", (5, 3), (normal(7, 5),)),
    Layer("nn.Linear", (5, 3), (normal(7, 5),), "no bias", {"bias": False}),
    Layer("nn.Linear", (5, 3), (normal(2, 7, 5),), "extra dimension"),
    Layer("nn.Linear", (257, 3), (normal(1031, 257),), "long sums"),
    Refusal("nn.Linear", (5, 3), (normal(7, 6),), "another width"),
    Refusal("nn.Linear", (5, 3), (normal(),), "a scalar"),
]
