"""Rows: losses of class labels, one a row, several, or a sequence of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from parity_tests.table.loss import INF, NAN, WEIGHT, kinks, reduced, refuses, takes, target
from parity_tests.table.recipe import Recipe, fixed, given, integers, log_probabilities, normal, probabilities, uniform
from parity_tests.table.row import Layer, Refusal, Row

UNINITIALIZED = {"empty": "torch returns uninitialized memory for an empty batch; here the sum is 0 and the mean NaN"}
ONE_ORDER = {"noncontiguous": "torch's gradient of NLLLoss for images fails for an input in Fortran order"}
NO_CLASSES = {"empty": "without a batch the cut leaves no class; torch accepts a label there if it is ignored"}
OFFSETS = {"noncontiguous": "torch reads concatenated targets at wrong places if they are strided"}
READY_MADE = {
    "finite differences": "torch returns exp(log_probs) more than the derivative, so that the gradient of the logits, "
    "after the log-softmax before, needs no correction; both are equal there"
}


def labels(*shape: int, classes: int = 5) -> Recipe:
    return integers(*shape, high=classes)


def of_labels(name: str, rows: Callable[..., Recipe], order: dict[str, str]) -> list[Row]:
    """Rows that NLLLoss and CrossEntropyLoss share; `rows(*shape)` draws what they take."""
    one, image = (rows(7, 5), labels(7)), (rows(2, 5, 3, 7), labels(2, 3, 7))
    some, three = (rows(7, 5), given([0, 4, -100, 2, 2, -100, 1])), rows(3, 5)
    row = rows(5, axis=0)
    none_left = given([-100, -100, -100])
    return [
        *reduced(name, one),
        *reduced(name, one, "weight", weight=WEIGHT),
        takes(name, some, "ignored"),
        *reduced(name, some, "ignored, weight", weight=WEIGHT),
        takes(name, one, "ignore_index=2", ignore_index=2),
        takes(name, (three, given([0, 7, 4])), "ignore_index=7", ignore_index=7, weight=WEIGHT),
        *reduced(name, (three, none_left), "all ignored", smooth=False),
        takes(name, one, "zero weights", smooth=False, weight=given([0.0] * 5)),
        takes(name, (rows(3, 5, 7), labels(3, 7)), "1-d"),
        *reduced(name, image, "2-d, weight", order, weight=WEIGHT),
        takes(name, (rows(2, 5, 3, 7), given([[[0, -100, 1, 4, 4, 2, -100]] * 3] * 2)), "2-d, ignored", order),
        takes(name, (rows(2, 5, 3, 2, 7), labels(2, 3, 2, 7)), "3-d", weight=WEIGHT),
        takes(name, (row, given(3)), "unbatched"),
        takes(name, (row, given(-100)), "unbatched, ignored", NO_CLASSES, reduction="none"),
        takes(name, (rows(7, 5), given(np.array([0, 4, 3, 2, 2, 1, 1], np.uint8))), "uint8 labels"),
        takes(name, (rows(131, 257), labels(131, classes=257)), "long sums"),
        refuses(name, (three, given([0, 5, 1])), "a label too large"),
        refuses(name, (three, given([0, -1, 1])), "a negative label"),
        refuses(name, (three, given([0, -1, -100])), "a negative label beside an ignored one"),
        refuses(name, (three, given([0, 1])), "another batch size"),
        refuses(name, (three, given([[0], [1], [2]])), "a column of labels"),
        refuses(name, (rows(3, 5, 2), given([[0] * 7] * 3)), "another image size"),
        refuses(name, (row, given([0, 1])), "two labels for one row"),
        refuses(name, (three, given([0.0, 1.0, 2.0])), "floating labels"),
        refuses(name, (three, given(np.array([0, 1, 2], np.int32))), "int32 labels"),
        refuses(name, (three, labels(3)), "four weights", weight=uniform(4)),
        refuses(name, one, "a list of weights", weight=[1.0] * 5),
        refuses(name, (normal(), given(0)), "a scalar"),
        refuses(name, (integers(3, 5, high=2), labels(3)), "integers"),
    ]


def logits(*shape: int, axis: int = 1) -> Recipe:
    return normal(*shape)


NLL, CE = "nn.NLLLoss", "nn.CrossEntropyLoss"
SMOOTH: dict[str, Any] = {"label_smoothing": 0.1}
SOFT, SOFT_IMAGE = (normal(7, 5), fixed(probabilities(7, 5))), (normal(2, 5, 3, 7), fixed(probabilities(2, 5, 3, 7)))
SOME = (normal(7, 5), given([0, 4, -100, 2, 2, -100, 1]))
EDGES = given([[0.0, -INF], [2.0, INF], [NAN, 1.0], [-INF, -INF], [300.0, -300.0], [NAN, 1.0]])
EDGES_SOFT = fixed(given([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]))

CLASSES: list[Row] = [
    *of_labels(NLL, log_probabilities, ONE_ORDER),
    *of_labels(CE, logits, {}),
    takes("nn.NLLLoss2d", (log_probabilities(2, 5, 3, 7), labels(2, 3, 7)), "", ONE_ORDER, weight=WEIGHT),
    kinks(NLL, (EDGES, given([1, 1, 0, 0, 0, -100])), "nonfinite"),
    kinks(CE, (EDGES, given([0, 1, 0, 0, 1, -100])), "nonfinite"),
    kinks(CE, (EDGES, given([1, 1, 0, 0, 1, -100])), "nonfinite, smoothing", weight=uniform(2), **SMOOTH),
    kinks(CE, (EDGES, EDGES_SOFT), "nonfinite, probabilities"),
    takes(CE, SOME, "smoothing", **SMOOTH),
    *reduced(CE, SOME, "smoothing, weight", weight=WEIGHT, **SMOOTH),
    takes(CE, SOME, "smoothing 1", label_smoothing=1.0),
    takes(CE, (normal(3, 5), given([-100] * 3)), "all ignored, smoothing", smooth=False, **SMOOTH),
    takes(CE, (normal(5), given(3)), "unbatched, smoothing", **SMOOTH),
    takes(CE, (normal(2, 5, 3, 7), labels(2, 3, 7)), "2-d, smoothing", weight=WEIGHT, **SMOOTH),
    *reduced(CE, SOFT, "probabilities"),
    takes(CE, SOFT, "probabilities, weight", weight=WEIGHT),
    takes(CE, SOFT, "probabilities, smoothing", **SMOOTH),
    *reduced(CE, SOFT_IMAGE, "2-d, probabilities", weight=WEIGHT, **SMOOTH),
    takes(CE, (normal(7, 5), target(7, 5)), "probabilities that are none"),
    takes(CE, (normal(5), fixed(probabilities(5, axis=0))), "unbatched, probabilities"),
    refuses(CE, (normal(3, 5), normal(3, 7)), "probabilities of other classes"),
    refuses(CE, (normal(3, 5), integers(3, 5, high=2)), "integer probabilities"),
    refuses(CE, SOFT, "probabilities and an ignored label", ignore_index=1),
    refuses(CE, (normal(), normal()), "a scalar and a probability"),
    refuses(CE, (normal(3, 5), labels(3)), "smoothing above 1", label_smoothing=1.5),
]

LINEAR_CE = "nn.LinearCrossEntropyLoss"


def linear(kind: Any, inputs: tuple, case: str = "", **options: Any) -> Any:
    return kind(LINEAR_CE, (3, 5), inputs, case, options)


LINEAR: list[Row] = [
    linear(Layer, (normal(7, 3), labels(7))),
    linear(Layer, (normal(7, 3), labels(7)), "bias, none", bias=True, reduction="none"),
    linear(Layer, (normal(7, 3), labels(7)), "bias, sum", bias=True, reduction="sum"),
    linear(Layer, (normal(7, 3), labels(7)), "weight, smoothing", weight=WEIGHT, bias=True, ignore_index=2, **SMOOTH),
    linear(Layer, (normal(7, 3), given([0, -100, 1, 2, 3, 4, -100])), "ignored"),
    linear(Layer, (normal(7, 3), fixed(probabilities(7, 5))), "probabilities"),
    linear(Layer, (normal(3), given(2)), "unbatched"),
    linear(Layer, (normal(7, 3), labels(7, 2, 11)), "out_features", out_features=(2, 11), bias=True, weight=WEIGHT),
    linear(Layer, (normal(7, 3), fixed(probabilities(7, 5, 2))), "out_features, probabilities", out_features=(2,)),
    linear(Refusal, (normal(7, 3), probabilities(7, 5)), "probabilities and an ignored label", ignore_index=-100),
    linear(Refusal, (normal(7, 2, 3), labels(7, 2)), "three dimensions"),
    linear(Refusal, (normal(3), labels(2)), "unbatched with out_features", out_features=(2,)),
    linear(Refusal, (normal(7, 3), labels(7)), "four weights", weight=uniform(4)),
    linear(Refusal, (normal(7, 2), labels(7)), "another width"),
    linear(Refusal, (normal(7, 3), given([0, 1, 2, 3, 4, 5, 0])), "a label too large"),
    linear(Refusal, (normal(7, 3), labels(7)), "smoothing below 0", label_smoothing=-0.1),
]

MULTI, LABELS = "nn.MultiMarginLoss", "nn.MultiLabelMarginLoss"
SCORES = [[0.0, 0.5, 1.0, -0.5], [1.0, 1.0, 1.0, 1.0], [NAN, 1.0, 2.0, 3.0], [1.0, NAN, 2.0, 3.0]]
FAR = [[INF, 0.0, 0.0, 0.0], [0.0, INF, 0.0, 0.0], [INF, INF, 0.0, 0.0], [-INF, -INF, 0.0, 0.0]]
RIGHT = [[0, -1, 0, 0], [3, 1, -1, 0], *[[0, -1, 0, 0]] * 4, [2, 3, -1, 0], [0, 2, -1, 0]]
EDGE_SCORES = (given(SCORES + FAR), given([0, 1, 0, 0, 0, 0, 0, 0]))
LISTED = (normal(3, 5), given([[3, 0, -1, 1, 2], [-1, 0, 1, 2, 3], [4, 1, 2, 0, 3]]))
TWICE = (normal(3, 5), given([[0, 0, 1, -1, -1], [2, 2, 2, 2, -1], [4, -1, -1, 0, 0]]))

MARGIN: list[Row] = [
    *(row for p in (1, 2) for row in reduced(MULTI, (normal(7, 5), labels(7)), f"p={p}", UNINITIALIZED, p=p)),
    *(
        takes(MULTI, (normal(7, 5), labels(7)), f"p={p}, weight", p=p, weight=WEIGHT, margin=0.7, reduction="none")
        for p in (1, 2)
    ),
    takes(MULTI, (normal(5), given(3)), "unbatched", reduction="none"),
    takes(MULTI, (normal(5), given([3])), "one label in a list", reduction="none"),
    takes(MULTI, (normal(), given(0)), "scalar"),
    *(kinks(MULTI, EDGE_SCORES, f"kinks, p={p}", p=p, margin=0.5) for p in (1, 2)),
    refuses(MULTI, (normal(3, 5), given([0, 5, 1])), "a label too large"),
    refuses(MULTI, (normal(3, 5), given([0, -1, 1])), "a negative label"),
    refuses(MULTI, (normal(3, 5), given([0, 1])), "another batch size"),
    refuses(MULTI, (normal(3, 5), given(np.array([0, 1, 2], np.uint8))), "uint8 labels"),
    refuses(MULTI, (normal(3, 5, 2), labels(3)), "three dimensions"),
    refuses(MULTI, (normal(3, 0), labels(3)), "no classes"),
    refuses(MULTI, (normal(3, 5), labels(3)), "four weights", weight=uniform(4)),
    refuses(MULTI, (), "a column of weights", weight=uniform(5, 1)),
    refuses(MULTI, (), "p=3", p=3),
    *reduced(LABELS, LISTED, "", UNINITIALIZED),
    takes(LABELS, TWICE, "a class twice", reduction="none"),
    takes(LABELS, (normal(5), given([3, 0, -1, 1, 2])), "unbatched", reduction="none"),
    takes(LABELS, (normal(), given(0)), "scalar"),
    kinks(LABELS, (given(SCORES + FAR), given(RIGHT))),
    refuses(LABELS, (normal(2, 3), given([[0, 3, -1], [0, 1, 2]])), "a label too large"),
    refuses(LABELS, (normal(2, 3), given([[0, -1, -2], [0, 1, 2]])), "a label below -1"),
    refuses(LABELS, (normal(2, 3), given([[0, 1], [0, 1]])), "a target of another shape"),
    refuses(LABELS, (normal(2, 3), given(np.array([[0, 1, 2]] * 2, np.int32))), "int32 labels"),
    refuses(LABELS, (normal(2, 3, 2), labels(2, 3, 2, classes=3)), "three dimensions"),
]

CTC = "nn.CTCLoss"
SPOKEN, PADDED = log_probabilities(11, 3, 5, axis=2), given([[1, 2, 3, 1], [4, 4, 2, 0], [1, 1, 1, 1]])
TIMES, COUNTS = given([11, 7, 10]), given([4, 3, 0])
SPEECH = log_probabilities(11, 5)
SHORT, NO_TIME = given([11, 3, 10]), given([0, 7, 0])
INT32 = [given(np.array(x, np.int32)) for x in ([[1, 2, 3, 1], [4, 4, 2, 0], [1, 1, 1, 1]], [11, 7, 10], [4, 3, 0])]
LONG = (log_probabilities(131, 2, 7, axis=2), integers(2, 23, low=1, high=7), given([131, 101]), given([23, 17]))
NAMED = given([[1, 0, 3, 1], [4, 4, 2, 0], [1, 1, 1, 1]])
FILLED = given([[1, 2, -1, 99], [4, 4, 2, -7], [-1, -1, -1, -1]])

SEQUENCES: list[Row] = [
    *reduced(CTC, (SPOKEN, PADDED, TIMES, COUNTS), "", READY_MADE),
    takes(CTC, (SPOKEN, given([1, 2, 3, 1, 4, 4, 2]), TIMES, COUNTS), "concatenated", READY_MADE | OFFSETS),
    takes(CTC, (SPOKEN, PADDED, (11, 7, 10), (4, 3, 0)), "tuples of lengths", READY_MADE),
    takes(CTC, (SPOKEN, PADDED, [11, 7, 10], [4, 3, 0]), "lists of lengths", READY_MADE),
    takes(CTC, (SPOKEN, *INT32), "int32", READY_MADE),
    takes(CTC, (SPOKEN, given([[0, 1, 3, 0], [4, 4, 1, 2], [1] * 4]), TIMES, COUNTS), "blank=2", READY_MADE, blank=2),
    takes(CTC, (SPOKEN, NAMED, TIMES, COUNTS), "a blank as label", READY_MADE, reduction="none"),
    takes(CTC, (SPOKEN, FILLED, TIMES, given([2, 3, 0])), "any padding", READY_MADE),
    takes(CTC, (SPOKEN, PADDED, SHORT, COUNTS), "too short", smooth=False, reduction="none"),
    takes(CTC, (SPOKEN, PADDED, SHORT, COUNTS), "too short, zero_infinity", READY_MADE, zero_infinity=True),
    takes(CTC, (SPOKEN, PADDED, NO_TIME, COUNTS), "no time", smooth=False, reduction="none"),
    kinks(CTC, (SPOKEN, PADDED, NO_TIME, COUNTS), "no time, zero_infinity", zero_infinity=True),
    takes(CTC, (SPOKEN, given(np.zeros((3, 0), np.int64)), TIMES, given([0, 0, 0])), "no labels", READY_MADE),
    takes(CTC, (SPEECH, given([1, 2, 2]), given(9), given(3)), "unbatched", READY_MADE, reduction="none"),
    takes(CTC, (SPEECH, given([[1, 2, 2, 4]]), (9,), (3,)), "unbatched, padded", READY_MADE),
    takes(CTC, LONG, "long", READY_MADE),
    takes(CTC, (normal(11, 3, 5), PADDED, TIMES, COUNTS), "not normalized", READY_MADE, reduction="none"),
    refuses(CTC, (SPOKEN, PADDED, given([12, 7, 10]), COUNTS), "more time than there is"),
    refuses(CTC, (SPOKEN, PADDED, given([-1, 7, 10]), COUNTS), "negative time"),
    refuses(CTC, (SPOKEN, PADDED, TIMES, given([5, 3, 0])), "more labels than there are"),
    refuses(CTC, (SPOKEN, PADDED, TIMES, given([4, 3])), "two lengths for three sequences"),
    refuses(CTC, (SPOKEN, PADDED, given([11.0, 7.0, 10.0]), COUNTS), "floating lengths"),
    refuses(CTC, (SPOKEN, given([1, 2, 3]), TIMES, COUNTS), "too few concatenated labels"),
    refuses(CTC, (SPOKEN, given([[1, 2, 3, 1]] * 2), TIMES, COUNTS), "targets of another batch size"),
    refuses(CTC, (SPOKEN, PADDED, TIMES, COUNTS), "a blank that is no class", blank=5),
    refuses(CTC, (SPOKEN, PADDED, TIMES, COUNTS), "a negative blank", blank=-1),
    refuses(CTC, (normal(5), given([1]), given(5), given(1)), "one dimension"),
]

RARE, SIZES = "nn.AdaptiveLogSoftmaxWithLoss", (17, 23, [5, 11])
HEAD_BIAS = {"head_bias": True, "div_value": 2.0}

ADAPTIVE: list[Row] = [
    Layer(RARE, SIZES, (normal(7, 17), given([0, 4, 5, 10, 11, 22, 3]))),
    Layer(RARE, SIZES, (normal(7, 17), given([0, 4, 5, 10, 11, 22, 3])), "head_bias", HEAD_BIAS),
    Layer(RARE, (17, 23, (7,)), (normal(7, 17), labels(7, classes=7)), "shortlist only", smooth=False),
    Layer(RARE, SIZES, (normal(7, 17), integers(7, low=11, high=23)), "one cluster only", smooth=False),
    Layer(RARE, SIZES, (normal(17), given(13)), "unbatched", smooth=False),
    Layer(RARE, SIZES, (normal(1, 17), given([2])), "one row", smooth=False),
    Refusal(RARE, SIZES, (normal(3, 17), given([0, 23, 1])), "a label too large"),
    Refusal(RARE, SIZES, (normal(3, 17), given([0, -1, 1])), "a negative label"),
    Refusal(RARE, SIZES, (normal(3, 17), given([0, 1])), "another batch size"),
    Refusal(RARE, SIZES, (normal(17), given([0])), "a batch of labels for one row"),
    Refusal(RARE, SIZES, (normal(3, 2, 17), given([[0, 1]] * 3)), "a table of labels"),
    Refusal(RARE, SIZES, (normal(3, 13), given([0, 1, 2])), "another width"),
    Refusal(RARE, (17, 23, []), (), "no cutoffs"),
    Refusal(RARE, (17, 23, [11, 5]), (), "cutoffs in no order"),
    Refusal(RARE, (17, 23, [5, 5]), (), "a cutoff twice"),
    Refusal(RARE, (17, 23, [5, 23]), (), "a cutoff at the end"),
    Refusal(RARE, (17, 23, [0, 5]), (), "a cutoff at 0"),
    Refusal(RARE, (17, 23, [5, 11.5]), (), "half a cutoff"),
]

ROWS: list[Row] = [*CLASSES, *LINEAR, *MARGIN, *SEQUENCES, *ADAPTIVE]
