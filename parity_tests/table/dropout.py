"""Rows: dropout. Both sides draw their masks from one seed, and the masks are equal."""

from parity_tests.table.row import Pair, Refusal, integers, normal

ROWS: list[Pair | Refusal] = [
    Pair("nn.AlphaDropout", (), (normal(7, 5),)),
    Pair("nn.AlphaDropout", (0.2,), (normal(7, 5, 3),), "p=0.2"),
    Pair("nn.AlphaDropout", (1.0,), (normal(7, 5),), "p=1"),
    Refusal("nn.AlphaDropout", (-0.1,), (), "p below 0"),
    Pair("nn.Dropout", (), (normal(7, 5),)),
    Pair("nn.Dropout", (0.2,), (normal(7, 5, 3),), "p=0.2"),
    Pair("nn.Dropout", (0.0,), (normal(7, 5),), "p=0"),
    Pair("nn.Dropout", (1.0,), (normal(7, 5),), "p=1"),
    Refusal("nn.Dropout", (1.5,), (), "p above 1"),
    Refusal("nn.Dropout", (), (integers(7, 5, high=9),), "integers"),
    Pair("nn.Dropout1d", (), (normal(7, 5, 3),)),
    Pair("nn.Dropout1d", (0.2,), (normal(7, 5),), "unbatched"),
    Refusal("nn.Dropout1d", (), (normal(7, 5, 3, 2),), "four dimensions"),
    Refusal("nn.Dropout1d", (1.5,), (), "p above 1"),
    Pair("nn.Dropout2d", (), (normal(7, 5, 3, 2),)),
    Pair("nn.Dropout2d", (0.2,), (normal(7, 5, 3),), "three dimensions"),
    Refusal("nn.Dropout2d", (), (normal(7),), "one dimension"),
    Pair("nn.Dropout3d", (), (normal(5, 3, 2, 2, 2),)),
    Pair("nn.Dropout3d", (0.2,), (normal(7, 5, 3, 2),), "unbatched"),
    Refusal("nn.Dropout3d", (1.5,), (), "p above 1"),
    Pair("nn.FeatureAlphaDropout", (), (normal(7, 5, 3),)),
    Pair("nn.FeatureAlphaDropout", (0.2,), (normal(7, 5),), "p=0.2"),
    Refusal("nn.FeatureAlphaDropout", (), (normal(7),), "one dimension"),
]
