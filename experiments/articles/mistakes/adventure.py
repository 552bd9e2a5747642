"""Mistakes of Adventure of the Neurons, and of the post on the neural network algorithm."""

from __future__ import annotations

import numpy as np

from experiments.articles.article import Figure
from experiments.articles.foundations.evaluate import on_both_evaluated, outputs
from experiments.articles.mistakes.row import counted, mistake
from experiments.articles.tree_age import one_step
from experiments.articles.twin import Twin, on_both

STOP = "When should training stop?"
LOSSES = (0.3559, 0.3315, 0.35080)  # of iterations 8909, 8910 and the next
ACTIVATION, ITERATION, OUTPUT = "Activation functions", "Iterated training", "Gradient of the output layer"
BATCHES = 60_000 // 32  # of the MNIST listing, whose batches have Keras' usual size


def figures() -> list[Figure]:
    engines = on_both(one_step.EXAMPLE.engine)
    off = {e: float(one["values"]["y"].flat[0]) - one_step.EXAMPLE.t for e, one in engines.items()}
    changes = on_both(lambda twin: np.diff(twin.array(twin.tensor(np.array(LOSSES)))))
    place, inferred = one_step.CASE, "The rise cancels most of the fall: on average the loss falls by 0.00255."
    return [
        mistake("years between the prediction and the age", "1.5", place, 1.5, 1.25, off, "1.5625 is its square."),
        mistake(
            "change of the loss from iteration 8910 to the next",
            "0.35080",
            STOP,
            -0.0026,
            LOSSES[2] - LOSSES[1],
            {engine: float(change[1]) for engine, change in changes.items()},
            f"Called a decrease. {inferred} And they are the losses of three different trees.",
        ),
        counted("the iteration after 8910", "89111", STOP, 89111, 8911, 8910 + 1, "A digit too many."),
        counted(
            "letters in which SDG differs from SGD",
            "SDG",
            one_step.SGD,
            0,
            2,
            sum(a != b for a, b in zip("SDG", "SGD", strict=True)),
            "Stochastic gradient descent, two letters exchanged.",
        ),
    ]


def algorithm() -> list[Figure]:
    bars = outputs(on_both_evaluated(lambda twin: twin.lib.nn.Softmax(-1), np.linspace(-5, 5, 10)))
    wrong, straight = on_both(lambda twin: _error(twin, True)), on_both(lambda twin: _error(twin, False))
    return [
        mistake(
            "classes in the plot of softmax",
            "Softmax (3 classes)",
            ACTIVATION,
            3,
            10,
            {engine: float(len(bar)) for engine, bar in bars.items()},
            "A label left from another plot.",
            "g",
        ),
        counted(
            "forward and backward passes in the 5 epochs of the listing",
            "称为一个epoch",
            ITERATION,
            5,
            9375,
            5 * BATCHES,
            "An epoch is one pass over all data, here 1875 batches of 32.",
        ),
        mistake(
            "softmax with cross-entropy: error of ŷ - y times the activation's derivative",
            "将其与激活函数的导数相乘",
            OUTPUT,
            wrong["torch"],
            0.0,
            straight,
            "Inferred, since the formula is a picture: if the first gradient is ŷ - y, it is already that by z. Times "
            f"the derivative its relative error is {wrong['torch']:.2f}; without, that in the columns.",
            ".1g",
        ),
    ]


def _error(twin: Twin, times_derivative: bool) -> float:
    """The largest relative difference from the engine's gradient by the logits."""
    z, t = np.array([[1.0, -0.5, 2.0]]), np.array([[0.0, 1.0, 0.0]])
    nn = twin.lib.nn
    _, gradients, _ = twin.trace(nn.Sequential(nn.Identity()), nn.CrossEntropyLoss(), twin.tensor(z), twin.tensor(t))
    p = twin.array(nn.Softmax(-1)(twin.tensor(z)))
    formula = (p - t) * (p * (1 - p) if times_derivative else 1.0)
    return float(np.abs(formula - gradients[0]).max() / np.abs(gradients[0]).max())
