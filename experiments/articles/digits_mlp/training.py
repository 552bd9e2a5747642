"""The digits as the article prepares them, and loops that record both losses after every epoch."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from experiments.articles.twin import Twin

PIXELS, CLASSES = 64, 10


class Part(NamedTuple):
    """Images (N, 64), labels (N,), and the labels one-hot (N, 10)."""

    x: np.ndarray
    labels: np.ndarray
    onehot: np.ndarray


def digits(dtype: str = "float32") -> tuple[Part, Part]:
    """scikit-learn's digits, each pixel scaled to [0, 1] over all images; a fifth is the test set."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import MinMaxScaler

    bunch = load_digits()
    x = MinMaxScaler().fit_transform(bunch.data).astype(dtype)
    labels = bunch.target.astype(np.int64)
    x, other_x, labels, other_labels = train_test_split(x, labels, test_size=0.2, random_state=42)
    eye = np.eye(CLASSES, dtype=dtype)
    return Part(x, labels, eye[labels]), Part(other_x, other_labels, eye[other_labels])


@dataclass
class Training:
    """Both losses after every epoch, and the accuracy on images held back at the end."""

    train: list[float] = field(default_factory=list)
    held_back: list[float] = field(default_factory=list)
    accuracy: float = 0.0
    test_accuracy: float = 0.0  # on a third set, if there is one
    epochs: int = 0  # how many counted: with early stopping those up to the best


def fit(
    twin: Twin,
    net: Any,
    criterion: Any,
    optimizer: Any,
    train: Part,
    held_back: Part,
    epochs: int,
    batch_size: int | None = None,
    target: str = "labels",
    patience: int | None = None,
    test: Part | None = None,
) -> Training:
    """Train for epochs of batches in random order, or, without a batch size, of one step on all images.

    With patience, stop after that many epochs without a lower loss on the images held back, and return to the best one.
    """
    x, y = twin.tensor(train.x), twin.tensor(getattr(train, target))
    other_x, other_y = twin.tensor(held_back.x), twin.tensor(getattr(held_back, target))
    found = Training()
    best: dict[str, Any] = {}
    for epoch in range(1, epochs + 1):
        if batch_size is None:
            found.train.append(twin.step(net, criterion, optimizer, x, y))
        else:
            batches = [*twin.batches(len(x), batch_size)]
            losses = [twin.step(net, criterion, optimizer, x[some], y[some]) for some in batches]
            found.train.append(float(np.average(losses, weights=[len(some) for some in batches])))
        found.held_back.append(twin.loss(net, criterion, other_x, other_y))
        if patience is None:
            found.epochs = epoch
        elif found.held_back[-1] == min(found.held_back):
            found.epochs, best = epoch, copy.deepcopy(net.state_dict())
        elif epoch - found.epochs >= patience:
            break
    if best:
        net.load_state_dict(best)
    found.accuracy = accuracy(twin, net, held_back)
    if test is not None:
        found.test_accuracy = accuracy(twin, net, test)
    return found


def accuracy(twin: Twin, net: Any, part: Part) -> float:
    return float((twin.predict(net, twin.tensor(part.x)).argmax(-1) == part.labels).mean())
