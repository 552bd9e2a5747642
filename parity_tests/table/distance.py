"""Rows: distances."""

from parity_tests.table.recipe import given, integers, normal
from parity_tests.table.row import Layer, Refusal, Row

INF, NAN = float("inf"), float("nan")
TWO = (normal(7, 5), normal(7, 5))
KINKS = (
    given([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [1.0, -1.0, 0.5], [INF, 0.0, 0.0], [NAN, 0.0, 0.0], [INF, -INF, 0.0]]),
    given([[1.0, 2.0, 3.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]),
)

SHORT = (given([[3e-9, 4e-9, 0.0], [0.0, 0.0, 0.0], [1.0, 2.0, 3.0], [INF, 1.0, 0.0]]),
         given([[1.0, 2.0, -1.0], [1.0, 0.5, 2.0], [0.0, 0.0, 0.0], [1.0, 0.5, 2.0]]))  # fmt: skip

ROWS: list[Row] = [
    Layer("nn.CosineSimilarity", (), TWO),
    Layer("nn.CosineSimilarity", (0,), TWO, "dim=0"),
    Layer("nn.CosineSimilarity", (-1,), (normal(7, 3, 5), normal(7, 3, 5)), "extra dimension"),
    Layer("nn.CosineSimilarity", (1,), (normal(7, 3, 5), normal(7, 3, 5)), "dim in the middle"),
    Layer("nn.CosineSimilarity", (-1,), (normal(), normal()), "numbers", smooth=False),
    Layer("nn.CosineSimilarity", (), (normal(7, 5), normal(1, 5)), "repeated row"),
    Layer("nn.CosineSimilarity", (-1,), (normal(3, 5), normal(7, 3, 5)), "missing dimension"),
    Layer("nn.CosineSimilarity", (2,), (normal(7, 1, 5), normal(7, 3, 5)), "repeated rows"),
    Layer("nn.CosineSimilarity", (), (normal(7, 5, scale=1e-6), normal(7, 5)), "short vectors", smooth=False),
    Layer("nn.CosineSimilarity", (1, 2.5), TWO, "eps around the lengths", smooth=False),
    Layer("nn.CosineSimilarity", (1, 0.0), TWO, "eps=0"),
    Layer("nn.CosineSimilarity", (), SHORT, "shorter than eps", smooth=False),
    Refusal("nn.CosineSimilarity", (2,), TWO, "a missing dimension"),
    Refusal("nn.CosineSimilarity", (-3,), TWO, "a negative dimension too far"),
    Refusal("nn.CosineSimilarity", (1.0,), TWO, "a fractional dimension"),
    Refusal("nn.CosineSimilarity", (1, -1.0), TWO, "negative eps"),
    Refusal("nn.CosineSimilarity", (), (normal(7, 5), normal(7, 3)), "other lengths"),
    Refusal("nn.CosineSimilarity", (), (integers(7, 5, high=9), integers(7, 5, high=9)), "integers"),
    Layer("nn.PairwiseDistance", (), TWO),
    *(Layer("nn.PairwiseDistance", (), TWO, f"{p=}", {"p": p}) for p in (-1.0, 0.5, 1.0, 1.5, 3.0, INF, -INF)),
    Layer("nn.PairwiseDistance", (), TWO, "p=0.0", {"p": 0.0}, smooth=False),
    Layer("nn.PairwiseDistance", (), TWO, "keepdim", {"keepdim": True}),
    Layer("nn.PairwiseDistance", (), TWO, "eps", {"eps": 0.25}),
    Layer(
        "nn.PairwiseDistance", (), (normal(7, 5, 3), normal(7, 5, 3)), "extra dimension", {"p": 3.0, "keepdim": True}
    ),
    Layer("nn.PairwiseDistance", (), (normal(5), normal(5)), "unbatched"),
    Layer("nn.PairwiseDistance", (), (normal(), normal()), "numbers", {"keepdim": True}, smooth=False),
    Layer("nn.PairwiseDistance", (), (normal(7, 3, 5), normal(7, 1, 5)), "repeated rows"),
    Layer("nn.PairwiseDistance", (3.0,), (normal(7, 1), normal(3, 7, 5)), "repeated elements, missing dimension"),
    *(
        Layer("nn.PairwiseDistance", (), KINKS, f"kinks {p=}", {"p": p, "eps": 0.0}, smooth=False)
        for p in (-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, INF, -INF)
    ),
    Refusal("nn.PairwiseDistance", (), (normal(7, 5), normal(7, 3)), "other lengths"),
    Refusal("nn.PairwiseDistance", (INF,), (normal(7, 0), normal(7, 0)), "the largest of nothing"),
]
