"""MLPClassifier, ScratchMLPClassifier and a torch network side by side, on digits."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import mean, median, pstdev
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from experiments.estimators.classifier import ScratchMLPClassifier
from experiments.training.data import Part, digits

# The defaults of MLPClassifier
HIDDEN, LR, ALPHA, BATCH = (100,), 1e-3, 1e-4, 200
BETA_2, EPSILON = 0.999, 1e-8


@dataclass(frozen=True)
class Fit:
    """One training: its seconds, the loss of each epoch, and the accuracy on the test set."""

    seconds: float
    losses: list[float]
    accuracy: float


@dataclass(frozen=True)
class Trainings:
    """All trainings of one engine, one for each seed."""

    name: str
    fits: list[Fit]
    ratios: list[float]  # seconds as a multiple of MLPClassifier's, training by training

    @property
    def accuracies(self) -> list[float]:
        return [fit.accuracy for fit in self.fits]

    @property
    def seconds(self) -> float:
        return median(fit.seconds for fit in self.fits)


@dataclass(frozen=True)
class SideBySide:
    """What `side_by_side` measured; `largest_difference` is between the losses of scratch and torch, relative."""

    epochs: int
    dtype: str
    engines: list[Trainings]
    largest_difference: float

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON."""
        return asdict(self)


def side_by_side(seeds: Sequence[int] = range(5), epochs: int = 50, dtype: str = "float32") -> SideBySide:
    """Train the three on digits with MLPClassifier's defaults, in turn for each seed, print the table and return it.

    Each trains for exactly `epochs` epochs, so all do the same work. The estimators get the same data and parameters.
    The torch network has the same initial distribution, penalty, and epsilon in Adam. Nothing is copied, yet it shares
    the weights and batches of its seed with scratch to the bit; scikit-learn's come from another stream. All use as
    many threads as the environment allows (OMP_NUM_THREADS, OPENBLAS_NUM_THREADS).
    """
    data = digits()
    train, test = (
        Part((part.images.reshape(len(part.images), -1) / 16).astype(dtype), part.labels)
        for part in (data.train, data.test)
    )
    trainers: dict[str, Callable[[Part, Part, int, int], Fit]] = {
        "MLPClassifier": lambda *task: _fit_estimator(MLPClassifier, *task),
        "ScratchMLPClassifier": lambda *task: _fit_estimator(ScratchMLPClassifier, *task),
        "torch": _fit_torch,
    }
    for trainer in trainers.values():  # one-time work is not timed
        trainer(train, test, 1, 0)
    rounds = [{name: trainer(train, test, epochs, seed) for name, trainer in trainers.items()} for seed in seeds]
    engines = []
    for name in trainers:
        ratios = [fits[name].seconds / fits["MLPClassifier"].seconds for fits in rounds]
        engines.append(Trainings(name, [fits[name] for fits in rounds], ratios))
    _, ours, theirs = (np.array([fit.losses for fit in engine.fits]) for engine in engines)
    result = SideBySide(epochs, dtype, engines, float((np.abs(ours - theirs) / theirs).max()))
    show(result)
    return result


def show(result: SideBySide) -> None:
    """The table in the terminal."""
    from experiments.training.summary import console, table

    count = len(result.engines[0].fits)
    title = f"digits, 64-{HIDDEN[0]}-10, adam, {result.epochs} epochs, {result.dtype}, {count} seeds"
    report = table(title, "engine", "accuracy", "spread", "seconds", "ratio", "spread")
    for engine in result.engines:
        report.add_row(
            engine.name,
            f"{mean(engine.accuracies):.2%}",
            f"± {pstdev(engine.accuracies):.2%}",
            f"{engine.seconds:.3f}",
            f"{median(engine.ratios):.2f}",
            f"{min(engine.ratios):.2f} to {max(engine.ratios):.2f}",
        )
    out = console()
    out.print(report)
    out.print("Accuracy: mean and standard deviation. Seconds: median of a training; ratio to MLPClassifier's.")
    out.print(f"Losses of scratch and torch, nothing copied: they differ by at most {result.largest_difference:.1e}.")


def _fit_estimator(estimator: Any, train: Part, test: Part, epochs: int, seed: int) -> Fit:
    model = estimator(
        HIDDEN,
        alpha=ALPHA,
        batch_size=BATCH,
        learning_rate_init=LR,
        max_iter=epochs,
        n_iter_no_change=np.inf,
        random_state=seed,
    )
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(*train)
    seconds = time.perf_counter() - start
    return Fit(seconds, model.loss_curve_, model.score(*test))


def _fit_torch(train: Part, test: Part, epochs: int, seed: int) -> Fit:
    import torch  # the estimators do not need it

    start = time.perf_counter()
    x, labels = map(torch.from_numpy, train)
    torch.manual_seed(seed)
    linears = [
        torch.nn.Linear(fan_in, fan_out, dtype=x.dtype) for fan_in, fan_out in pairwise([x.shape[1], *HIDDEN, 10])
    ]
    for layer in linears:
        bound = math.sqrt(6 / (layer.in_features + layer.out_features))
        torch.nn.init.xavier_uniform_(layer.weight)
        torch.nn.init.uniform_(layer.bias, -bound, bound)
    network = torch.nn.Sequential(*[part for layer in linears for part in (layer, torch.nn.ReLU())][:-1])
    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(network.parameters(), lr=LR)
    order = torch.utils.data.RandomSampler(x, generator=torch.default_generator)
    batches = torch.utils.data.BatchSampler(order, BATCH, drop_last=False)
    losses: list[float] = []
    step = 0
    for _ in range(epochs):
        torch.empty((), dtype=torch.int64).random_()  # the seed that a DataLoader draws for its workers
        total = 0.0
        for rows in batches:
            loss = criterion(network(x[rows]), labels[rows])
            loss = loss + ALPHA / (2 * len(rows)) * sum(layer.weight.square().sum() for layer in linears)
            optimizer.zero_grad()
            loss.backward()
            step += 1
            optimizer.param_groups[0]["eps"] = EPSILON / math.sqrt(1 - BETA_2**step)  # scikit-learn's place for epsilon
            optimizer.step()
            total += len(rows) * loss.item()
        losses.append(total / len(x))
    seconds = time.perf_counter() - start
    with torch.no_grad():
        right = network(torch.from_numpy(test.images)).argmax(1).numpy() == test.labels
    return Fit(seconds, losses, float(right.mean()))
