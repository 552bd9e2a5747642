"""Mistakes of A Soft Introduction to Neural Networks."""

from __future__ import annotations

import ast

import numpy as np

from experiments.articles import toy_16
from experiments.articles.article import Figure
from experiments.articles.foundations import graph
from experiments.articles.foundations.evaluate import layer, on_both_evaluated
from experiments.articles.mistakes.row import bounded, counted, functions, met, mistake
from experiments.articles.twin import TWINS, Twin, on_both

DATA, LOSS, BACK, RULE = "Give me data", "Loss function", "Backpropagation", "Update rule"
X = 2.0


def figures() -> list[Figure]:
    parameters = on_both(lambda twin: float(sum(twin.array(p).size for p in twin.lib.nn.Linear(4, 2).parameters())))
    line = on_both_evaluated(lambda twin: layer(twin, "Linear", 1, 1, weight=[[3.0]], bias=[2.0]), [X])
    square = graph.parabola(X)
    seen = [p.tobytes() for p in toy_16.POINTS]
    held_back, tested = seen[toy_16.VALIDATION], seen[toy_16.TEST]
    return [
        mistake(
            "numbers that the network learns",
            "一个隐藏层",
            RULE,
            None,
            10.0,
            parameters,
            "W (4, 2) and b (2): one linear layer, nothing hidden.",
            "g",
        ),
        bounded(
            "points of four that it learns of XOR of two digits",
            "一个隐藏层",
            RULE,
            "at most 3",
            on_both(_xor),
            0,
            3,
            "A hidden layer learns all four.",
            "g",
        ),
        mistake(
            f"slope of L at x = {X:g}",
            "L(x) = 3x + 2",
            BACK,
            6 * X,
            3.0,
            {engine: float(value.dx[0]) for engine, value in line.items()},
            f"The derivative 6x, {6 * X:g}, is that of 3x² + 2, as its graph says: {square['x'].grad:g}. A "
            "superscript was lost.",
            "g",
        ),
        met(
            "the printed loss on a batch of one point",
            "batch_size = input.shape[1]",
            LOSS,
            "IndexError",
            {twin.name: toy_16.error_of_one(twin) for twin in TWINS},
            "The samples are counted along the axis of the classes, two whatever the batch. With batches of 8 many "
            "starts fail, as toy-16 shows.",
        ),
        met(
            "softmax of (1000, 0) as printed",
            "exp = np.exp(input)",
            LOSS,
            "nan",
            on_both(_unshifted),
            "e to the 1000 is too large for the machine. Both engines take the largest logit off first: 1 and 0.",
        ),
        met(
            "two statements on one line",
            "]])y = ",
            DATA,
            "SyntaxError",
            _compiled("X = f([[1]])y = f([[0]])"),
            "A line break was lost.",
        ),
        counted(
            "validation points that are training points as well",
            "X_val = X[8:12, :]",
            DATA,
            0,
            1,
            sum(point in seen[toy_16.TRAIN] for point in held_back),
            "1101 is the first point of both.",
        ),
        counted(
            "different points among the four of the test set",
            "X_test = X[12:16, :]",
            DATA,
            4,
            3,
            len({*tested}),
            "1001 stands there twice.",
        ),
    ]


def _xor(twin: Twin) -> float:
    """The same layer on the two digits whose XOR is the label."""
    twin.manual_seed(0)
    net, nn = twin.lib.nn.Linear(2, 2), twin.lib.nn
    points = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    labels = np.array([0, 1, 1, 0])
    optimizer, criterion = twin.lib.optim.SGD(net.parameters(), lr=0.5), nn.CrossEntropyLoss()
    for _ in range(100):
        twin.step(net, criterion, optimizer, twin.tensor(points), twin.tensor(labels))
    return float((twin.predict(net, twin.tensor(points)).argmax(-1) == labels).sum())


def _unshifted(twin: Twin) -> str:
    with np.errstate(all="ignore"):
        e = functions(twin).exp(twin.tensor(np.array([1000.0, 0.0])))
        return str(float((e / e.sum())[0]))


def _compiled(line: str) -> str:
    try:
        ast.parse(line)
    except SyntaxError as error:
        return type(error).__name__
    return "no error"
