"""Rows: losses of distances and scores that should differ by a margin."""

from __future__ import annotations

from parity_tests.built import Built
from parity_tests.table.loss import INF, NAN, kinks, reduced, refuses, takes
from parity_tests.table.recipe import fixed, given, normal, signs
from parity_tests.table.row import Row

HINGE, RANKING, COSINE = "nn.HingeEmbeddingLoss", "nn.MarginRankingLoss", "nn.CosineEmbeddingLoss"
MIXED = given([1, -1, 1, -1, -1, 1, 0])
APART = (
    given([0.5, 1.0, 1.0, 2.0, 0.5, 0.5, NAN, INF, -INF, NAN, INF, -INF]),
    fixed(given([-1.0, -1.0, 1.0, -1.0, 0.0, 2.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0])),
)
TIED = (
    given([1.0, 0.5, 1.0, 0.0, NAN, INF, -INF, INF]),
    given([1.0, 0.0, 1.5, 1.0, 1.0, 1.0, 1.0, INF]),
    fixed(given([1.0, -1.0, -1.0, 0.0, 1.0, 1.0, 1.0, 1.0])),
)
ANGLES = (  # the last pair is ordinary: every other gradient is 0 or the remainder of a cancellation
    given([[1, 0], [1, 0], [1, 0], [0, 0], [3, 4], [NAN, 0], [INF, 1], [1, 2], [1, 2], [1, 3]]),
    given([[0, 1], [1, 0], [-1, 0], [1, 2], [3, 4], [1, 1], [1, 0], [2, 1], [0.0, 0.0], [2, 1]]),
    fixed(given([-1.0, -1.0, -1.0, 1.0, 1.0, 1.0, -1.0, 0.0, -1.0, 1.0])),
)

TRIPLET, WITH_DISTANCE = "nn.TripletMarginLoss", "nn.TripletMarginWithDistanceLoss"
TRIPLE = (normal(7, 5), normal(7, 5), normal(7, 5))
OPTIONS = ({"p": 1.0}, {"p": 1.5}, {"p": 3.0}, {"p": INF}, {"swap": True}, {"eps": 0.25}, {"margin": 0.3})
EQUAL = (
    given([[0.0, 0.0], [1.0, 2.0], [1.0, 2.0], [NAN, 0.0], [0.0, 0.0], [0.0, 0.0], [INF, 0.0]]),
    given([[0.0, 0.0], [1.0, 2.0], [1.0, 2.0], [1.0, 0.0], [NAN, 0.0], [0.0, 0.0], [0.0, 0.0]]),
    given([[1.0, 0.0], [1.0, 2.0], [3.0, 2.0], [1.0, 0.0], [1.0, 0.0], [INF, 0.0], [0.0, 0.0]]),
)

ROWS: list[Row] = [
    *reduced(HINGE, (normal(7, 5), fixed(signs(7, 5)))),
    takes(HINGE, (normal(7, 5), fixed(signs(7, 5))), "margin", margin=0.3),
    takes(HINGE, (normal(7), MIXED), "integer target"),
    takes(HINGE, (normal(), fixed(given(-1.0))), "scalar"),
    kinks(HINGE, APART),
    refuses(HINGE, (normal(7, 5), signs(7, 3)), "a target of another shape"),
    *reduced(RANKING, (normal(7), normal(7), fixed(signs(7)))),
    takes(RANKING, (normal(7, 5), normal(7, 5), fixed(signs(7, 5))), "margin", margin=0.7),
    takes(RANKING, (normal(7), normal(7), MIXED), "integer target"),
    takes(RANKING, (normal(), normal(), fixed(given(-1.0))), "scalar"),
    kinks(RANKING, TIED, margin=0.5),
    refuses(RANKING, (normal(7), normal(7), signs(5)), "a target of another shape"),
    refuses(RANKING, (normal(7, 5), normal(5), signs(7, 5)), "inputs of other dimensions"),
    *reduced(COSINE, (normal(7, 5), normal(7, 5), fixed(signs(7)))),
    takes(COSINE, (normal(7, 5), normal(7, 5), fixed(signs(7))), "margin", margin=-0.3),
    takes(COSINE, (normal(7, 5), normal(7, 5), MIXED), "integer target"),
    takes(COSINE, (normal(5), normal(5), fixed(given(1.0))), "unbatched"),
    kinks(COSINE, ANGLES),
    refuses(COSINE, (normal(7, 5), normal(7, 3), signs(7)), "other lengths"),
    refuses(COSINE, (normal(7, 5), normal(7, 5), signs(7, 1)), "a column of targets"),
    refuses(COSINE, (normal(7, 5), normal(7, 5), given(1.0)), "a scalar target"),
    refuses(COSINE, (normal(7, 5, 3), normal(7, 5, 3), signs(7)), "three dimensions"),
    *reduced(TRIPLET, TRIPLE),
    *(takes(TRIPLET, TRIPLE, f"{o}", **o) for o in OPTIONS),
    takes(TRIPLET, (normal(7, 5, 3), normal(7, 5, 3), normal(7, 5, 3)), "extra dimension"),
    takes(TRIPLET, (normal(5), normal(5), normal(5)), "unbatched"),
    kinks(TRIPLET, EQUAL),
    *(kinks(TRIPLET, EQUAL, f"kinks, p={p}", p=p, eps=0.0) for p in (1.0, 1.5, 2.0, 3.0, INF)),
    *(kinks(TRIPLET, EQUAL, f"kinks, swap, eps={eps}", swap=True, eps=eps) for eps in (0.0, 1e-6)),
    refuses(TRIPLET, TRIPLE, "margin 0", margin=0.0),
    refuses(TRIPLET, (normal(7, 5), normal(7, 5), normal(7, 3)), "other lengths"),
    refuses(TRIPLET, (normal(7, 5), normal(7, 5), normal(5)), "other dimensions"),
    *reduced(WITH_DISTANCE, TRIPLE),
    *reduced(WITH_DISTANCE, TRIPLE, "swap", swap=True, margin=0.7),
    takes(
        WITH_DISTANCE,
        TRIPLE,
        "another distance",
        distance_function=Built("nn.PairwiseDistance", p=1.5),
        swap=True,
    ),
    kinks(WITH_DISTANCE, EQUAL, swap=True),
    kinks(WITH_DISTANCE, EQUAL, "kinks, eps=0", distance_function=Built("nn.PairwiseDistance", eps=0.0)),
    refuses(WITH_DISTANCE, TRIPLE, "negative margin", margin=-1.0),
    refuses(WITH_DISTANCE, (normal(7, 5), normal(7, 5), normal(5)), "other dimensions"),
]
