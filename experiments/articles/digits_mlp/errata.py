"""The article's gradients by the output layer's input z, each beside the derivative of its loss, in NumPy.

y (N, C) is one-hot; a = sigmoid(z), or softmax(z) for the categorical loss. The article's three losses are means over
samples and outputs; its gradients are divided by N where the weights' gradients are formed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.articles.article import LIMIT, GradientCheck, gradient_check

Formula = Callable[[np.ndarray, np.ndarray], Any]


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


# --- mean squared error -----------------------------------------------------------------------------------------------


def mse(z: np.ndarray, y: np.ndarray) -> float:
    return float(np.mean((sigmoid(z) - y) ** 2))


def mse_gradient(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """By the chain rule 2 (a - y) / (N C), times the sigmoid's derivative a (1 - a)."""
    a = sigmoid(z)
    return 2 * (a - y) * a * (1 - a) / y.size


def mse_gradient_as_printed(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (sigmoid(z) - y) / len(y)


# --- log loss ---------------------------------------------------------------------------------------------------------


def log_loss(z: np.ndarray, y: np.ndarray) -> float:
    a = sigmoid(z)
    return float(-np.mean(y * np.log(a) + (1 - y) * np.log(1 - a)))


def log_loss_gradient(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """By the chain rule (a - y) / (a (1 - a)) / (N C), times the sigmoid's derivative a (1 - a)."""
    return (sigmoid(z) - y) / y.size


def log_loss_gradient_as_printed(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    a = sigmoid(z)
    return ((1 - y) / (1 - a) - y / a) / len(y)


# --- categorical cross-entropy ----------------------------------------------------------------------------------------


def categorical(z: np.ndarray, y: np.ndarray) -> float:
    """The mean over samples of -Σ_c y_c log a_c, which is what torch.nn.CrossEntropyLoss computes."""
    return float(-np.mean((y * np.log(softmax(z))).sum(-1)))


def categorical_as_printed(z: np.ndarray, y: np.ndarray) -> float:
    return float(-np.mean(y * np.log(softmax(z))))


def categorical_gradient(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Each row is pulled from what it predicts to its label, and counts 1/N. The article's gradient is the same."""
    return (softmax(z) - y) / len(y)


# --- the verdicts -----------------------------------------------------------------------------------------------------


def checks(z: np.ndarray, labels: np.ndarray) -> list[GradientCheck]:
    """Every formula against differences of its loss at z (N, C), labels (N,)."""
    y = np.eye(z.shape[1])[labels]

    def check(what: str, loss: Formula, gradient: Formula, note: str = "") -> GradientCheck:
        error = gradient_check(lambda z: loss(z, y), z, gradient(z, y))
        return GradientCheck(what, error, LIMIT, not note, note)

    return [
        check("mse", mse, mse_gradient),
        check(
            "mse as printed",
            mse,
            mse_gradient_as_printed,
            "The derivative of the output sigmoid, a (1 - a), is missing, and the factor 2 / C for C outputs.",
        ),
        check("log loss", log_loss, log_loss_gradient),
        check(
            "log loss as printed",
            log_loss,
            log_loss_gradient_as_printed,
            "The derivative of the output sigmoid, a (1 - a), is missing, and the factor 1 / C for C outputs.",
        ),
        check("categorical cross-entropy, mean over samples", categorical, categorical_gradient),
        check(
            "categorical cross-entropy as printed",
            categorical_as_printed,
            categorical_gradient,
            "The loss is a mean over samples and classes, the gradient that of the mean over samples: C times as much.",
        ),
    ]
