"""Rows: windows as columns, and columns added up."""

from parity_tests.table.recipe import integers, normal
from parity_tests.table.row import Layer, Refusal, Row

IMAGE = normal(3, 4, 7, 11)

ROWS: list[Row] = [
    Layer("nn.Fold", ((7, 11), (2, 3)), (normal(2, 30, 54),)),
    Layer("nn.Fold", (8, 3), (normal(2, 45, 36),), "a square"),
    Layer("nn.Fold", ((7, 11), (2, 3), (3, 1), (1, 2), (2, 3)), (normal(2, 30, 15),), "all options"),
    Layer("nn.Fold", ([7, 11], 2), (normal(2, 20, 8),), "gaps", {"stride": 3}),
    Refusal("nn.Fold", ((7, 11), 2), (normal(2, 21, 60),), "rows that are no multiple of the kernel"),
    Refusal("nn.Fold", ((7, 11), 2), (normal(2, 20, 59),), "another number of columns"),
    Refusal("nn.Fold", ((7, 11), 2), (normal(20),), "one dimension"),
    Refusal("nn.Fold", ((7, 11), 2), (normal(1, 2, 20, 60),), "four dimensions"),
    Refusal("nn.Fold", ((7, 11), 2), (normal(2, 0, 60),), "no rows"),
    Refusal("nn.Fold", ((7, 11, 3), 2), (normal(2, 20, 60),), "three sizes"),
    Refusal("nn.Fold", ((1, 1), 3), (normal(2, 18, 1),), "too large a kernel"),
    Refusal("nn.Fold", ((7, 11), 2), (integers(2, 20, 60, high=9),), "integers"),
    Layer("nn.Unfold", ((2, 3),), (IMAGE,)),
    Layer("nn.Unfold", (3,), (IMAGE,), "a square"),
    Layer("nn.Unfold", ((2, 3), (3, 1), (1, 2), (2, 3)), (IMAGE,), "all options"),
    Refusal("nn.Unfold", (9,), (IMAGE,), "too large a kernel"),
    Refusal("nn.Unfold", ((3,),), (IMAGE,), "one size"),
    Refusal("nn.Unfold", (3,), (normal(7, 11),), "two dimensions"),
    Refusal("nn.Unfold", (3,), (normal(1, 2, 3, 7, 11),), "five dimensions"),
    Refusal("nn.Unfold", (3,), (normal(2, 0, 7, 11),), "no channels"),
    Refusal("nn.Unfold", (3,), (IMAGE,), "stride 0", {"stride": 0}),
    Refusal("nn.Unfold", (3,), (IMAGE,), "dilation 0", {"dilation": 0}),
    Refusal("nn.Unfold", (0,), (IMAGE,), "no kernel"),
    Refusal("nn.Unfold", (3,), (IMAGE,), "negative padding", {"padding": -1}),
    Refusal("nn.Unfold", (2.5,), (IMAGE,), "a fractional kernel"),
    Refusal("nn.Unfold", (2,), (integers(3, 4, 7, 11, high=9),), "integers"),
]
