"""Rows: losses of numbers and probabilities. Targets are `fixed`: a loss has no gradient for them."""

from __future__ import annotations

from typing import Any

from parity_tests.table.recipe import (
    Recipe,
    fixed,
    given,
    integers,
    log_probabilities,
    normal,
    probabilities,
    signs,
    uniform,
)
from parity_tests.table.row import Layer, Refusal, Row

NAN, INF = float("nan"), float("inf")
WEIGHT = uniform(5, low=0.5, high=2.0)


def target(*shape: int) -> Recipe:
    return fixed(normal(*shape))


def answers(*shape: int) -> Recipe:
    """Targets in [0, 1]."""
    return fixed(uniform(*shape))


def takes(
    name: str, inputs: tuple, case: str = "", notes: dict | None = None, smooth: bool = True, **options: Any
) -> Layer:
    return Layer(name, (), inputs, case, options, notes=notes or {}, smooth=smooth)


def kinks(name: str, inputs: tuple, case: str = "kinks", **options: Any) -> Layer:
    """One loss per element, so that every special value is tested separately."""
    return takes(name, inputs, case, smooth=False, reduction="none", **options)


def reduced(name: str, inputs: tuple, case: str = "", notes: dict | None = None, **options: Any) -> list[Layer]:
    """The same row under every reduction. Without a reduction, an empty batch is not reduced."""
    cases = {"mean": case, "none": f"{case} none".strip(), "sum": f"{case} sum".strip()}
    unreduced = {key: reason for key, reason in (notes or {}).items() if key != "empty"}
    noted = {"mean": notes, "sum": notes, "none": unreduced}
    return [takes(name, inputs, cases[r], noted[r], reduction=r, **options) for r in cases]


def refuses(name: str, inputs: tuple, case: str, **options: Any) -> Refusal:
    return Refusal(name, (), inputs, case, options)


def regression(name: str, edges: list[float], options: tuple[dict[str, Any], ...] = ()) -> list[Row]:
    """Rows that all losses of a difference x - t share; `edges` are special values of it."""
    matrix, special = (normal(7, 5), target(7, 5)), (given(edges), fixed(given([0.0] * len(edges))))
    return [
        *reduced(name, matrix),
        takes(name, (normal(7, 5, 3), target(7, 5, 3)), "extra dimension"),
        takes(name, (normal(), target()), "scalar"),
        kinks(name, special),
        *(takes(name, matrix, f"{o}", **o) for o in options),
        *(kinks(name, special, f"kinks {o}", **o) for o in options),
        refuses(name, (normal(7, 5), normal(7, 3)), "a target of another shape"),
        refuses(name, (normal(7), normal(7)), "unknown reduction", reduction="avg"),
    ]


COUNTS = (normal(7, 5), integers(7, 5, high=3))

REGRESSION: list[Row] = [
    *regression("nn.MSELoss", [0.0, 1.0, -1.0, INF, -INF, NAN]),
    *regression("nn.L1Loss", [0.0, 1.0, -1.0, INF, -INF, NAN]),
    *regression("nn.SmoothL1Loss", [0.0, 1.0, -1.0, 2.0, -2.0, INF, -INF, NAN], ({"beta": 2.0}, {"beta": 0.0})),
    *regression("nn.HuberLoss", [0.0, 1.0, -1.0, 0.5, -0.5, INF, -INF, NAN], ({"delta": 0.5}, {"delta": 2.0})),
    *(takes(name, COUNTS, "integer target") for name in ("nn.MSELoss", "nn.L1Loss", "nn.SmoothL1Loss")),
    refuses("nn.L1Loss", (integers(7, high=3), integers(7, high=3)), "integers"),
    refuses("nn.SmoothL1Loss", (normal(7), normal(7)), "negative beta", beta=-1.0),
    refuses("nn.HuberLoss", (normal(7), normal(7)), "delta 0", delta=0.0),
    refuses("nn.HuberLoss", (normal(7), normal(7)), "a word for delta", delta="one"),
]

BCE, BCE_LOGITS = "nn.BCELoss", "nn.BCEWithLogitsLoss"
MULTI_SOFT, SOFT = "nn.MultiLabelSoftMarginLoss", "nn.SoftMarginLoss"
SURE, LOGITS = (uniform(7, 5, low=0.1, high=0.9), answers(7, 5)), (normal(7, 5), answers(7, 5))
CERTAIN = (
    given([0.0, 0.0, 1.0, 1.0, 0.5, 0.0, 1.0, 1e-30, 0.99999994]),
    fixed(given([0.0, 1.0, 0.0, 1.0, 0.3, 0.5, 0.5, 1.0, 0.0])),
)
FAR = (
    given([0.0, INF, -INF, 1000.0, -1000.0, INF, -INF, 1000.0, -1000.0, NAN, 20.0, -20.0]),
    fixed(given([0.5, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0])),
)
FAR_ROWS = (
    given([[0.0, 1.0], [INF, 1.0], [-INF, 1.0], [1000.0, -1000.0], [NAN, 0.0]]),
    fixed(given([[0.5, 0.3], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])),
)
FAR_SIGNS = (
    given([0.0, 1000.0, -1000.0, 1000.0, INF, -INF, INF, NAN, 80.0]),
    fixed(given([1.0, 1.0, 1.0, -1.0, 1.0, 1.0, 0.0, 1.0, -1.0])),
)

BINARY: list[Row] = [
    *reduced(BCE, SURE),
    *reduced(BCE, SURE, "weight", weight=WEIGHT),
    takes(BCE, SURE, "weight of rows", weight=uniform(7, 1)),
    takes(BCE, (uniform(low=0.1, high=0.9), answers()), "scalar"),
    takes(BCE, (uniform(7, 5, low=1e-7, high=1e-6), fixed(uniform(7, 5, high=0.0))), "nearly certain", smooth=False),
    kinks(BCE, CERTAIN, "certainties"),
    takes(BCE, CERTAIN, "certainties, mean", smooth=False),
    refuses(BCE, (given([0.5, 1.1]), given([0.0, 1.0])), "an input above 1"),
    refuses(BCE, (given([0.5, -0.1]), given([0.0, 1.0])), "a negative input"),
    refuses(BCE, (given([0.5, NAN]), given([0.0, 1.0])), "NaN"),
    refuses(BCE, (given([0.5, 0.5]), given([0.0, 1.1])), "a target above 1"),
    refuses(BCE, (uniform(7, 5), uniform(7)), "a target of another shape"),
    refuses(BCE, (uniform(7), integers(7, high=2)), "an integer target"),
    refuses(BCE, SURE, "three weights", weight=uniform(3)),
    refuses(BCE, SURE, "weights of a larger shape", weight=uniform(2, 7, 5), reduction="none"),
    *reduced(BCE_LOGITS, LOGITS),
    takes(BCE_LOGITS, LOGITS, "weight", weight=WEIGHT),
    takes(BCE_LOGITS, LOGITS, "pos_weight", pos_weight=WEIGHT),
    *reduced(BCE_LOGITS, LOGITS, "both weights", weight=uniform(7, 1), pos_weight=WEIGHT),
    takes(BCE_LOGITS, (normal(7, 5, 3), answers(7, 5, 3)), "extra dimension", pos_weight=uniform(5, 1)),
    takes(BCE_LOGITS, (normal(7, 5, scale=30), answers(7, 5)), "large"),
    takes(BCE_LOGITS, (uniform(7, 5, low=15, high=25), fixed(uniform(7, 5, low=1.0))), "nearly certain"),
    takes(BCE_LOGITS, (normal(), answers()), "scalar", pos_weight=given(3.0)),
    kinks(BCE_LOGITS, FAR, "nonfinite"),
    kinks(BCE_LOGITS, FAR, "nonfinite, pos_weight", pos_weight=given([3.0] * 12)),
    refuses(BCE_LOGITS, (normal(7, 5), uniform(7)), "a target of another shape"),
    refuses(BCE_LOGITS, LOGITS, "three weights", weight=uniform(3)),
    refuses(BCE_LOGITS, LOGITS, "three pos_weights", pos_weight=uniform(3)),
    *reduced(MULTI_SOFT, LOGITS),
    *reduced(MULTI_SOFT, LOGITS, "weight", weight=WEIGHT),
    takes(MULTI_SOFT, (normal(7, 5, 3), answers(7, 5, 3)), "extra dimension"),
    takes(MULTI_SOFT, (normal(5), answers(5)), "unbatched", reduction="none"),
    takes(MULTI_SOFT, (normal(7, 5), integers(7, 5, high=2)), "integer target"),
    kinks(MULTI_SOFT, FAR_ROWS, "nonfinite"),
    refuses(MULTI_SOFT, (normal(7, 5), uniform(7, 3)), "a target of another shape"),
    refuses(MULTI_SOFT, LOGITS, "three weights", weight=uniform(3)),
    refuses(MULTI_SOFT, (normal(), uniform()), "a scalar"),
    *reduced(SOFT, (normal(7, 5), fixed(signs(7, 5)))),
    takes(SOFT, (normal(), fixed(given(-1.0))), "scalar"),
    kinks(SOFT, FAR_SIGNS, "nonfinite"),
    refuses(SOFT, (normal(7, 5), normal(7, 3)), "a target of another shape"),
]

KL, POISSON, GAUSSIAN = "nn.KLDivLoss", "nn.PoissonNLLLoss", "nn.GaussianNLLLoss"
LOGARITHMS = given([[-INF, -INF, -1.0, -1.0, -INF, NAN, INF]])
RATES = (uniform(7, 5, low=0.1, high=3.0), fixed(uniform(7, 5, high=7.0)))
FAR_RATES = (
    given([0.0, 0.0, 1000.0, -1.0, INF, -INF, NAN, 0.5, 0.5, 0.5]),
    fixed(given([0.0, 3.0, 0.0, 1.0, 1.0, 1.0, 1.0, NAN, INF, -1.0])),
)
PREDICTED, VARIANCE = (normal(7, 5), target(7, 5)), uniform(7, 5, low=0.5, high=2.0)
FAR_VARIANCE = (given([INF, -INF, NAN, 0.0, 0.0, 0.0]), target(6), given([1.0, 1.0, 1.0, INF, NAN, 0.0]))

LIKELIHOOD: list[Row] = [
    *(
        takes(KL, (log_probabilities(7, 5), fixed(draw(7, 5))), f"{r}{case}", reduction=r, log_target=bool(case))
        for draw, case in ((probabilities, ""), (log_probabilities, ", log_target"))
        for r in ("mean", "none", "sum", "batchmean")
    ),
    takes(KL, (log_probabilities(3, 5, 7), fixed(probabilities(3, 5, 7))), "extra dimension", reduction="batchmean"),
    takes(KL, (normal(), answers()), "scalar", reduction="batchmean"),
    kinks(KL, (LOGARITHMS, fixed(given([[0.5, 0.0, 0.0, -0.5, 0.0, 0.5, 0.5]]))), "nonfinite"),
    kinks(KL, (LOGARITHMS, fixed(given([[0.5, 0.0, -INF, INF, 0.0, 0.5, 0.5]]))), "log, nonfinite", log_target=True),
    refuses(KL, (normal(7, 5), uniform(7, 3)), "a target of another shape"),
    refuses(KL, (normal(7, 5), integers(7, 5, high=2)), "an integer target"),
    refuses(KL, LOGITS, "unknown reduction", reduction="batchsum"),
    *reduced(POISSON, RATES),
    *reduced(POISSON, RATES, "full", full=True),
    *reduced(POISSON, RATES, "rates", log_input=False),
    takes(POISSON, RATES, "rates, full, eps", log_input=False, full=True, eps=0.25),
    takes(POISSON, (normal(7, 5), integers(7, 5, high=11)), "integer target"),
    takes(POISSON, (normal(), answers()), "scalar"),
    kinks(POISSON, FAR_RATES, "nonfinite", full=True),
    kinks(POISSON, FAR_RATES, "nonfinite, rates", full=True, log_input=False),
    refuses(POISSON, (normal(7, 5), uniform(7, 3)), "a target of another shape"),
    *reduced(GAUSSIAN, (*PREDICTED, VARIANCE)),
    takes(GAUSSIAN, (*PREDICTED, VARIANCE), "full", full=True),
    takes(GAUSSIAN, (*PREDICTED, uniform(7, low=0.5, high=2.0)), "one variance a row", reduction="none"),
    takes(GAUSSIAN, (*PREDICTED, uniform(7, 1, low=0.5, high=2.0)), "a column of variances"),
    takes(GAUSSIAN, (*PREDICTED, uniform(1, 5, low=0.5, high=2.0)), "a row of variances", reduction="none"),
    takes(GAUSSIAN, (*PREDICTED, 2.0), "a float"),
    takes(GAUSSIAN, (normal(3, 7, 5), target(3, 7, 5), uniform(3, 1, 5, low=0.5)), "extra dimension"),
    takes(GAUSSIAN, (normal(), target(), uniform(low=0.5)), "scalar"),
    takes(GAUSSIAN, (normal(5), target(5), given([1.0, 0.0, 1e-7, 1e-6, 0.1])), "below eps", smooth=False),
    takes(GAUSSIAN, (normal(5), target(5), given([1.0, 0.0, 0.2, 0.3, 0.1])), "eps", smooth=False, eps=0.25),
    kinks(GAUSSIAN, FAR_VARIANCE, "nonfinite"),
    refuses(GAUSSIAN, (*PREDICTED, normal(7, 5)), "a negative variance"),
    refuses(GAUSSIAN, (*PREDICTED, -1.0), "a negative float"),
    refuses(GAUSSIAN, (*PREDICTED, 1), "an integer"),
    refuses(GAUSSIAN, (*PREDICTED, uniform(5)), "a variance for each column"),
    refuses(GAUSSIAN, (*PREDICTED, uniform()), "a scalar array"),
    refuses(GAUSSIAN, (normal(7, 5), normal(7, 3), uniform(7, 5)), "a target of another shape"),
]

ROWS: list[Row] = [*REGRESSION, *BINARY, *LIKELIHOOD]
