"""Rows: distances."""

from parity_tests.pairs.row import Pair, Refusal, given, normal

INF, NAN = float("inf"), float("nan")
TWO = (normal(7, 5), normal(7, 5))
KINKS = (
    given([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [1.0, -1.0, 0.5], [INF, 0.0, 0.0], [NAN, 0.0, 0.0], [INF, -INF, 0.0]]),
    given([[1.0, 2.0, 3.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]),
)

ROWS = [
    Pair("nn.PairwiseDistance", (), TWO),
    *(Pair("nn.PairwiseDistance", (), TWO, f"{p=}", {"p": p}) for p in (0.5, 1.0, 1.5, 3.0, INF)),
    Pair("nn.PairwiseDistance", (), TWO, "p=0.0", {"p": 0.0}, smooth=False),
    Pair("nn.PairwiseDistance", (), TWO, "keepdim", {"keepdim": True}),
    Pair("nn.PairwiseDistance", (), TWO, "eps", {"eps": 0.25}),
    Pair("nn.PairwiseDistance", (), (normal(7, 5, 3), normal(7, 5, 3)), "extra dimension", {"p": 3.0, "keepdim": True}),
    Pair("nn.PairwiseDistance", (), (normal(5), normal(5)), "unbatched"),
    *(Pair("nn.PairwiseDistance", (), KINKS, f"kinks {p=}", {"p": p, "eps": 0.0}, smooth=False)
      for p in (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, INF)),
    Refusal("nn.PairwiseDistance", (), (normal(7, 5), normal(7, 3)), "other lengths"),
]
