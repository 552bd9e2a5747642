"""Rows: linear layers, flattening, containers."""

from parity_tests.built import Built
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
    Layer("nn.Flatten", (), (normal(7, 5, 3),)),
    Layer("nn.Flatten", (0, 1), (normal(7, 5, 3),), "leading dimensions"),
    Layer("nn.Flatten", (), (normal(7, 5, 3, 2),), "keywords", {"start_dim": -3, "end_dim": -2}),
    Refusal("nn.Flatten", (2, 1), (normal(7, 5, 3),), "start after end"),
    Refusal("nn.Flatten", (1, 5), (normal(7, 5, 3),), "a missing dimension"),
    Layer("nn.Unflatten", (1, (3, 5)), (normal(7, 15),)),
    Layer("nn.Unflatten", (-1, (3, -1)), (normal(2, 7, 15),), "inferred size"),
    Refusal("nn.Unflatten", (1, (4, 5)), (normal(7, 15),), "sizes that do not multiply up"),
    Refusal("nn.Unflatten", (1, (-1, -1)), (normal(7, 15),), "two unknown sizes"),
    Refusal("nn.Unflatten", (1, 15), (), "a size that is no tuple"),
    Layer(
        "nn.Sequential",
        (
            Built("nn.Linear", 5, 7),
            Built("nn.Tanh"),
            Built("nn.Linear", 7, 3),
        ),
        (normal(11, 5),),
    ),
    Refusal("nn.Sequential", (3,), (), "a layer that is no module"),
    Refusal("nn.ModuleList", ([3],), (), "an element that is no module"),
]
