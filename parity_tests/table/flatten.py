"""Rows: dimensions put together and taken apart."""

from parity_tests.table.recipe import normal
from parity_tests.table.row import Layer, Refusal, Row

ROWS: list[Row] = [
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
]
