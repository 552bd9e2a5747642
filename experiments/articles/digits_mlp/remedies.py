"""Remedies for overfitting that the article leaves to the reader: SGD, dropout, early stopping, a validation set, a
smaller net.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from experiments.articles.article import Figure
from experiments.articles.digits_mlp.training import CLASSES, PIXELS, Part, Training, fit
from experiments.articles.twin import TWINS, Twin

SEED = 0
FEW, VALIDATION = 300, 400  # images to learn from, so few that they can be learned by heart, and to validate on
EPOCHS, BATCH = 60, 32


@dataclass(frozen=True)
class Remedy:
    """A network of hidden ReLU layers and how it is trained."""

    width: int = 256
    layers: int = 1  # hidden ones
    optimizer: str = "Adam"
    lr: float = 3e-3
    dropout: float = 0.0
    patience: int | None = None

    def train(self, twin: Twin, train: Part, validation: Part, epochs: int, test: Part | None = None) -> Training:
        twin.manual_seed(SEED)
        net = self.network(twin)
        optimizer = getattr(twin.lib.optim, self.optimizer)(net.parameters(), lr=self.lr)
        criterion = twin.lib.nn.CrossEntropyLoss()
        return fit(twin, net, criterion, optimizer, train, validation, epochs, BATCH, patience=self.patience, test=test)

    def network(self, twin: Twin) -> Any:
        nn = twin.lib.nn
        layers, width = [], PIXELS
        for _ in range(self.layers):
            layers += [nn.Linear(width, self.width), nn.ReLU(), *([nn.Dropout(self.dropout)] if self.dropout else [])]
            width = self.width
        return nn.Sequential(*layers, nn.Linear(width, CLASSES))


REMEDIES = {
    "Adam, 256 units": Remedy(),
    "SGD": Remedy(optimizer="SGD", lr=0.1),
    "dropout 0.5": Remedy(dropout=0.5),
    "early stopping": Remedy(patience=5),
    "smaller: 16 units": Remedy(width=16),
    "fewer layers: none hidden": Remedy(layers=0),
    "more layers: two hidden": Remedy(layers=2),
}


def parts(train: Part) -> tuple[Part, Part]:
    """A few of the training images to learn from, others to validate on."""
    return Part(*(a[:FEW] for a in train)), Part(*(a[FEW : FEW + VALIDATION] for a in train))


def chosen(found: dict[str, dict[str, Training]]) -> list[Figure]:
    """The remedy of the highest validation accuracy, and its fair figure: the accuracy on the test set."""
    best = {e: max(found, key=lambda name, e=e: found[name][e].accuracy) for e in ("scratch", "torch")}  # type: ignore[misc]
    name = Figure("chosen by validation accuracy", scratch=best["scratch"], torch=best["torch"])
    validation = {e: found[which][e].accuracy for e, which in best.items()}
    fair = {e: found[which][e].test_accuracy for e, which in best.items()}
    error = 4 * (0.1 / 360) ** 0.5  # of an accuracy of 90 % counted on 360 images, four standard errors
    low = min(validation.values()) - error
    return [
        name,
        Figure.of("its validation accuracy, which chose it", "", validation, form=".2%"),
        Figure.of("its accuracy on the untouched test set", f"at least {low:.0%}", fair, low, 1, ".2%"),
    ]


def grid_search(train: Part, test: Part) -> list[Figure]:
    """Width and rate by three folds in scikit-learn's GridSearchCV, around the estimator of scratch."""
    from sklearn.model_selection import GridSearchCV

    from experiments.estimators import ScratchMLPClassifier

    few, _ = parts(train)
    grid = {"hidden_layer_sizes": [(16,), (64,)], "learning_rate_init": [1e-3, 1e-2]}
    net = ScratchMLPClassifier(max_iter=12, batch_size=BATCH, random_state=SEED, tol=0.0, n_iter_no_change=99)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 12 epochs are short, and are said to be
        search = GridSearchCV(net, grid, cv=3).fit(few.x, few.labels)
    width, lr = (search.best_params_[name] for name in grid)
    remedy = Remedy(width=width[0], lr=lr)
    refitted = {twin.name: remedy.train(twin, few, few, 12, test).test_accuracy for twin in TWINS}
    return [
        Figure("grid search: the best of four settings", scratch=f"{width[0]} units, lr {lr:g}"),
        Figure("grid search: its accuracy over three folds", scratch=f"{search.best_score_:.2%}"),
        Figure.of("grid search: trained anew, accuracy on the test set", "over 80 %", refitted, 0.8, 1, ".2%"),
    ]


def findings(
    train: Part, progress: Callable[[str], None], epochs: int = EPOCHS, test: Part | None = None
) -> dict[str, dict[str, Training]]:
    """Every remedy on both engines. The test set judges what is kept; nothing is decided by it."""
    few, validation = parts(train)
    found: dict[str, dict[str, Training]] = {}
    for name, remedy in REMEDIES.items():
        progress(name)
        found[name] = {twin.name: remedy.train(twin, few, validation, epochs, test) for twin in TWINS}
    return found
