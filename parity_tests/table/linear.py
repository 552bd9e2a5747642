"""Rows: linear layers, flattening, containers."""

from parity_tests.table.row import Pair, Refusal, normal

ROWS: list[Pair | Refusal] = [
    Pair("nn.Bilinear", (5, 3, 2), (normal(7, 5), normal(7, 3))),
    Pair("nn.Bilinear", (5, 3, 2), (normal(7, 5), normal(7, 3)), "no bias", {"bias": False}),
    Pair("nn.Bilinear", (5, 3, 2), (normal(7, 11, 5), normal(7, 11, 3)), "extra dimension"),
    Refusal("nn.Bilinear", (5, 3, 2), (normal(7, 5), normal(6, 3)), "unequal batches"),
    Refusal("nn.Bilinear", (5, 3, 2), (normal(7, 4), normal(7, 3)), "another width"),
    Refusal("nn.Bilinear", (0, 3, 2), (), "no features"),
    Pair("nn.Identity", (), (normal(7, 5),)),
    Pair("nn.Identity", (54, "ignored"), (normal(7, 5, 3),), "arguments"),
    Pair("nn.Linear", (5, 3), (normal(7, 5),)),
    Pair("nn.Linear", (5, 3), (normal(7, 5),), "no bias", {"bias": False}),
    Pair("nn.Linear", (5, 3), (normal(2, 7, 5),), "extra dimension"),
    Pair("nn.Linear", (257, 3), (normal(1031, 257),), "long sums"),
    Refusal("nn.Linear", (5, 3), (normal(7, 6),), "another width"),
    Refusal("nn.Linear", (5, 3), (normal(),), "a scalar"),
    Pair("nn.Flatten", (), (normal(7, 5, 3),)),
    Pair("nn.Flatten", (0, 1), (normal(7, 5, 3),), "leading dimensions"),
    Pair("nn.Flatten", (), (normal(7, 5, 3, 2),), "keywords", {"start_dim": -3, "end_dim": -2}),
    Refusal("nn.Flatten", (2, 1), (normal(7, 5, 3),), "start after end"),
    Refusal("nn.Flatten", (1, 5), (normal(7, 5, 3),), "a missing dimension"),
    Pair("nn.Unflatten", (1, (3, 5)), (normal(7, 15),)),
    Pair("nn.Unflatten", (-1, (3, -1)), (normal(2, 7, 15),), "inferred size"),
    Refusal("nn.Unflatten", (1, (4, 5)), (normal(7, 15),), "sizes that do not multiply up"),
    Refusal("nn.Unflatten", (1, (-1, -1)), (normal(7, 15),), "two unknown sizes"),
    Refusal("nn.Unflatten", (1, 15), (), "a size that is no tuple"),
    Pair(
        "nn.Sequential",
        (
            lambda lib, dtype: lib.nn.Linear(5, 7, dtype=dtype),
            lambda lib, _: lib.nn.Tanh(),
            lambda lib, dtype: lib.nn.Linear(7, 3, dtype=dtype),
        ),
        (normal(11, 5),),
    ),
    Refusal("nn.Sequential", (3,), (), "a layer that is no module"),
    Refusal("nn.ModuleList", ([3],), (), "an element that is no module"),
]
