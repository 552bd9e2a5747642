"""scikit-learn's MLPClassifier beside ScratchMLPClassifier: a fit on digits with the defaults, a new seed every round.

`experiments.estimators.side_by_side` compares their losses and accuracies, torch's too, in one process; here each has
its own process.
"""

from __future__ import annotations

import warnings
from time import perf_counter
from typing import Any

import numpy as np

from experiments.bench.case import Case, Unavailable, Work


def cases(quick: bool) -> list[Case]:
    rounds, epochs = (2, 5) if quick else (5, 50)
    name = f"fit on digits, {epochs} epochs, 1 thread"
    setting = {"epochs": epochs}
    return [Case(name, "sklearn", ("scratch", "sklearn"), setting, rounds=rounds, seconds=0, judged=True)]


def prepare(engine: str, epochs: int) -> Work:
    return Fit(engine, epochs)


class Fit(Work):
    """One estimator; every measurement is a whole fit from the next seed."""

    def __init__(self, engine: str, epochs: int) -> None:
        try:
            from sklearn.neural_network import MLPClassifier

            from experiments.estimators import ScratchMLPClassifier
        except ImportError as error:
            raise Unavailable(f"{error}.") from None
        from experiments.training.data import digits

        self.kind: Any = ScratchMLPClassifier if engine == "scratch" else MLPClassifier
        self.epochs, self.seed = epochs, 0
        (x, self.y), (test, self.test_y) = digits()[:2]
        self.x, self.test = (images.reshape(len(images), -1).astype(np.float32) / 16 for images in (x, test))

    def warm_up(self) -> None:
        self.fit(1)

    def fit(self, epochs: int) -> None:
        self.model = self.kind(max_iter=epochs, n_iter_no_change=epochs + 1, random_state=self.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the number of epochs is given: they need not be enough
            self.model.fit(self.x, self.y)

    def measure(self, seconds: float) -> dict[str, float]:
        self.seed += 1
        start = perf_counter()
        self.fit(self.epochs)
        return {"fit": perf_counter() - start}

    def accuracy(self) -> float:
        return float(self.model.score(self.test, self.test_y))
