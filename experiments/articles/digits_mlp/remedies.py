"""Remedies for overfitting that the article leaves to the reader: SGD, dropout, early stopping, a validation set, a
smaller net.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from experiments.articles.digits_mlp.training import CLASSES, PIXELS, Part, Training, fit
from experiments.articles.twin import TWINS, Twin

SEED = 0
FEW, VALIDATION = 300, 400  # images to learn from, so few that they can be learned by heart, and to validate on
EPOCHS, BATCH = 60, 32


@dataclass(frozen=True)
class Remedy:
    """A network of one hidden ReLU layer and how it is trained."""

    width: int = 256
    optimizer: str = "Adam"
    lr: float = 3e-3
    dropout: float = 0.0
    patience: int | None = None

    def train(self, twin: Twin, train: Part, validation: Part, epochs: int) -> Training:
        twin.manual_seed(SEED)
        net = self.network(twin)
        optimizer = getattr(twin.lib.optim, self.optimizer)(net.parameters(), lr=self.lr)
        criterion = twin.lib.nn.CrossEntropyLoss()
        return fit(twin, net, criterion, optimizer, train, validation, epochs, BATCH, patience=self.patience)

    def network(self, twin: Twin) -> Any:
        nn = twin.lib.nn
        dropout = [nn.Dropout(self.dropout)] if self.dropout else []
        return nn.Sequential(nn.Linear(PIXELS, self.width), nn.ReLU(), *dropout, nn.Linear(self.width, CLASSES))


REMEDIES = {
    "Adam, 256 units": Remedy(),
    "SGD": Remedy(optimizer="SGD", lr=0.1),
    "dropout 0.5": Remedy(dropout=0.5),
    "early stopping": Remedy(patience=5),
    "smaller: 16 units": Remedy(width=16),
}


def parts(train: Part) -> tuple[Part, Part]:
    """A few of the training images to learn from, others to validate on. The test set is not touched."""
    return Part(*(a[:FEW] for a in train)), Part(*(a[FEW : FEW + VALIDATION] for a in train))


def findings(train: Part, progress: Callable[[str], None], epochs: int = EPOCHS) -> dict[str, dict[str, Training]]:
    """Every remedy on both engines."""
    few, validation = parts(train)
    found: dict[str, dict[str, Training]] = {}
    for name, remedy in REMEDIES.items():
        progress(name)
        found[name] = {twin.name: remedy.train(twin, few, validation, epochs) for twin in TWINS}
    return found
