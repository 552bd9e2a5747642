"""The class of listing 4.1, run as it is printed and repaired, by the layers of both engines.

    z1 = x W1 + b1        a1 = σ(z1)        z2 = a1 W2 + b2        a2 = σ(z2), or softmax(z2)

What is printed departs from the derivative in one place alone, the gradient by z2; everything below it is right. So the
layers of the engine go backwards from the printed gradient, or from the derivative of the loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.articles.article import Figure
from experiments.articles.digits_mlp import errata
from experiments.articles.digits_mlp.training import CLASSES, PIXELS, Part, Training, accuracy, fit
from experiments.articles.twin import TWINS, Twin, on_both

SEED = 0
HIDDEN, LR, EPOCHS = 64, 0.1, 1000
LISTING = "4.1: Building a simple network in Python"

Printed = Callable[[Any, Any], Any]  # the output a2 and the one-hot target to the gradient by z2, before the mean


@dataclass(frozen=True)
class Loss:
    """One of the text's losses: the output layer, the criterion, its target, and the printed gradient."""

    output: str
    criterion: str
    target: str
    printed: Printed
    printed_loss: Callable[[np.ndarray, np.ndarray], float]  # of z2 and the target

    def network(self, twin: Twin, **factory: Any) -> Any:
        """64 sigmoids between pixels and classes; weights N(0, 1), biases 0."""
        nn = twin.lib.nn
        first, second = nn.Linear(PIXELS, HIDDEN, **factory), nn.Linear(HIDDEN, CLASSES, **factory)
        for layer in (first, second):
            nn.init.normal_(layer.weight)
            nn.init.zeros_(layer.bias)
        return nn.Sequential(first, nn.Sigmoid(), second, getattr(nn, self.output)())

    def train(self, twin: Twin, train: Part, test: Part, epochs: int, lr: float = LR) -> Training:
        """Full-batch descent by the derivative of the loss."""
        twin.manual_seed(SEED)
        net, criterion = self.network(twin), getattr(twin.lib.nn, self.criterion)()
        optimizer = twin.lib.optim.SGD(net.parameters(), lr=lr)
        return fit(twin, net, criterion, optimizer, train, test, epochs, target=self.target)

    def train_as_printed(self, twin: Twin, train: Part, test: Part, epochs: int, lr: float = LR) -> Training:
        """The same with the gradient and the losses that are printed, until the training loss is no number."""
        twin.manual_seed(SEED)
        net = self.network(twin)
        last = twin.lib.nn.Softmax(-1) if self.output == "Identity" else net[3]
        optimizer = twin.lib.optim.SGD(net.parameters(), lr=lr)
        x, other_x, y = twin.tensor(train.x), twin.tensor(test.x), twin.tensor(train.onehot)
        found = Training()

        def printed(z2: Any) -> Any:
            return self.printed(last(z2), y) / len(y)

        with np.errstate(all="ignore"):  # the printed log loss divides by zero and takes log 0
            for _ in range(epochs):
                optimizer.zero_grad()
                z2 = twin.push(net[:3], x, printed)
                found.train.append(self.printed_loss(twin.array(z2), train.onehot))
                optimizer.step()
                found.held_back.append(self.printed_loss(twin.predict(net[:3], other_x), test.onehot))
                if not np.isfinite(found.train[-1]):
                    break
            found.accuracy = accuracy(twin, net, test)
        found.epochs = len(found.train)
        return found


LOSSES = {  # CrossEntropyLoss holds the softmax
    "categorical cross-entropy": Loss(
        "Identity", "CrossEntropyLoss", "labels", lambda a, y: a - y, errata.categorical_as_printed
    ),
    "mse": Loss("Sigmoid", "MSELoss", "onehot", lambda a, y: a - y, errata.mse),
    "log loss": Loss("Sigmoid", "BCELoss", "onehot", lambda a, y: (1 - y) / (1 - a) - y / a, errata.log_loss),
}
PRINTED = ", gradient as printed"
REPAIRED = (("mse", 10.0), ("log loss", 30.0))  # rates at which these small gradients learn in time


def repaired(name: str, lr: float) -> str:
    return f"{name}, gradient repaired, lr {lr:g}"


def trainings(train: Part, test: Part, progress: Callable[[str], None], epochs: int) -> dict[str, dict[str, Training]]:
    """Every loss by the printed gradient; mse and log loss, whose printed gradient is wrong, repaired as well."""
    found: dict[str, dict[str, Training]] = {}
    for name, loss in LOSSES.items():
        progress(name + PRINTED)
        found[name + PRINTED] = {twin.name: loss.train_as_printed(twin, train, test, epochs) for twin in TWINS}
    for name, lr in REPAIRED:
        progress(repaired(name, lr))
        found[repaired(name, lr)] = {twin.name: LOSSES[name].train(twin, train, test, epochs, lr) for twin in TWINS}
    return found


def figures(found: dict[str, dict[str, Training]]) -> list[Figure]:
    """Accuracies and losses of every training, and where the printed log loss ends."""
    rows = []
    for name, both in found.items():
        expected, low, high = RANGES[name]
        accuracies = {engine: one.accuracy for engine, one in both.items()}
        rows.append(Figure.of(f"{name}: test accuracy", expected, accuracies, low, high, ".2%"))
        if both["torch"].epochs > 2:
            losses = {engine: one.train for engine, one in both.items()}
            rows.append(Figure.apart(f"{name}: loss curves apart, {both['torch'].epochs} epochs", losses))
    ended = {engine: one.epochs for engine, one in found["log loss" + PRINTED].items()}
    rows.append(Figure.of("log loss as printed: epoch in which the training loss is no number", "2", ended, 2, 2, "d"))
    return rows


RANGES: dict[str, tuple[str, float | None, float | None]] = {  # of five to eight seeds, to half of the last digit
    "categorical cross-entropy" + PRINTED: ("91 to 94 %, measured", 0.905, 0.945),
    "mse" + PRINTED: ("91.9 to 94.5 %, measured", 0.91, 0.95),
    repaired("mse", 10): ("76 to 97 %, measured", 0.7, 0.98),
    "log loss" + PRINTED: ("33 of 360: digit 0 for everything", 33 / 360, 33 / 360),
    repaired("log loss", 30): ("35 to 98.1 %, measured", None, None),  # so long a step that the seed decides
}


def encoder_figures(labels: np.ndarray) -> list[Figure]:
    """`OneHotEncoder(sparse=False)`, which both listings call, and its successor."""
    from sklearn.preprocessing import OneHotEncoder

    try:
        OneHotEncoder(sparse=False)
        came = "no error"
    except TypeError as error:
        came = type(error).__name__
    encoded = OneHotEncoder(sparse_output=False).fit_transform(labels[:, None])
    here = on_both(lambda twin: float(np.abs(np.eye(CLASSES)[labels] - twin.array(twin.tensor(encoded))).max()))
    return [
        Figure(
            "the encoder as printed",
            "OneHotEncoder(sparse=False)",
            LISTING,
            "TypeError",
            came,
            ok=came == "TypeError",
            text_ok=came == "no error",
            note="scikit-learn renamed the option to sparse_output in 1.2 and removed the old name in 1.4.",
        ),
        Figure.of("repaired, sparse_output=False: largest difference from the rows of I", "0", here, 0, 0),
    ]
