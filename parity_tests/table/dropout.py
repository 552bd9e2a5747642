"""Rows: dropout. Both sides draw their masks from one seed, and the masks are equal."""

from parity_tests.table.recipe import integers, normal
from parity_tests.table.row import Layer, Refusal, Row

ROWS: list[Row] = [
    Layer("nn.AlphaDropout", (), (normal(7, 5),)),
    Layer("nn.AlphaDropout", (0.2,), (normal(7, 5, 3),), "p=0.2"),
    Layer("nn.AlphaDropout", (1.0,), (normal(7, 5),), "p=1"),
    Refusal("nn.AlphaDropout", (-0.1,), (), "p below 0"),
    Layer("nn.Dropout", (), (normal(7, 5),)),
    Layer("nn.Dropout", (0.2,), (normal(7, 5, 3),), "p=0.2"),
    Layer("nn.Dropout", (0.0,), (normal(7, 5),), "p=0"),
    Layer("nn.Dropout", (1.0,), (normal(7, 5),), "p=1"),
    Refusal("nn.Dropout", (1.5,), (), "p above 1"),
    Refusal("nn.Dropout", (), (integers(7, 5, high=9),), "integers"),
    Layer("nn.Dropout1d", (), (normal(7, 5, 3),)),
    Layer("nn.Dropout1d", (0.2,), (normal(7, 5),), "unbatched"),
    Refusal("nn.Dropout1d", (), (normal(7, 5, 3, 2),), "four dimensions"),
    Refusal("nn.Dropout1d", (1.5,), (), "p above 1"),
    Layer("nn.Dropout2d", (), (normal(7, 5, 3, 2),)),
    Layer("nn.Dropout2d", (0.2,), (normal(7, 5, 3),), "three dimensions"),
    Refusal("nn.Dropout2d", (), (normal(7),), "one dimension"),
    Layer("nn.Dropout3d", (), (normal(5, 3, 2, 2, 2),)),
    Layer("nn.Dropout3d", (0.2,), (normal(7, 5, 3, 2),), "unbatched"),
    Refusal("nn.Dropout3d", (1.5,), (), "p above 1"),
    Layer("nn.FeatureAlphaDropout", (), (normal(7, 5, 3),)),
    Layer("nn.FeatureAlphaDropout", (0.2,), (normal(7, 5),), "p=0.2"),
    Refusal("nn.FeatureAlphaDropout", (), (normal(7),), "one dimension"),
]
