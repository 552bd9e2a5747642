"""digits-mlp: a network of one hidden layer on 8 by 8 digits, by hand and by framework, and its overfitting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from experiments.articles.article import Article, Figure, GradientCheck, Replay, quiet, under
from experiments.articles.curves import TWIN_STYLES, Panel, draw
from experiments.articles.digits_mlp import errata, listing, remedies, worked_example
from experiments.articles.digits_mlp.listing import EPOCHS, HIDDEN, LOSSES
from experiments.articles.digits_mlp.training import CLASSES, PIXELS, Part, Training, digits, fit
from experiments.articles.twin import TWINS, Twin, network_check

SEED = 0
FRAMEWORK_EPOCHS, BATCH = 200, 32


def framework(twin: Twin, train: Part, test: Part, epochs: int) -> Training:
    """The framework's version: 64 ReLU, softmax, Adam, batches of 32."""
    twin.manual_seed(SEED)
    nn = twin.lib.nn
    net = nn.Sequential(nn.Linear(PIXELS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, CLASSES))
    return fit(twin, net, nn.CrossEntropyLoss(), twin.lib.optim.Adam(net.parameters()), train, test, epochs, BATCH)


# --- the replay -------------------------------------------------------------------------------------------------------


def run(
    output: Path,
    data_dir: str | Path | None = None,
    progress: Callable[[str], None] = quiet,
    epochs: int = EPOCHS,
    framework_epochs: int = FRAMEWORK_EPOCHS,
    remedy_epochs: int = remedies.EPOCHS,
) -> Replay:
    replay = ARTICLE.start()
    train, test = digits()
    replay.checks = under("the losses", gradient_checks())
    found = listing.trainings(train, test, progress, epochs)
    replay.figures = under(listing.LISTING, listing.encoder_figures(train.labels) + listing.figures(found))
    progress("framework")
    found[FRAMEWORK] = {twin.name: framework(twin, train, test, framework_epochs) for twin in TWINS}
    measured, low, high = "96.7 to 97.2 %, measured", 0.9665, 0.9725  # eight seeds, to half of the last digit
    accuracies = {engine: one.accuracy for engine, one in found[FRAMEWORK].items()}
    row = Figure.of(f"{FRAMEWORK}: test accuracy", measured, accuracies, low, high, ".2%")
    replay.figures += under("4.2: The same with a library", [row])
    remedied = remedies.findings(train, progress, remedy_epochs)
    replay.figures += under("Remedies for overfitting", remedy_figures(remedied))
    figures, checks = worked_example.EXAMPLE.findings(worked_example.TITLE)
    replay.figures += figures
    replay.checks += checks
    replay.plots = [plot_losses(output / "losses.png", found), plot_remedies(output / "remedies.png", remedied)]
    replay.notes = NOTES
    return replay


FRAMEWORK = "64 ReLU, Adam, batches of 32"


def gradient_checks() -> list[GradientCheck]:
    """Each loss by formula, right and as printed, at logits of the network; and the backward of both engines."""
    train, _ = digits("float64")
    few = Part(*(a[:7] for a in train))
    twin = TWINS[0]
    twin.manual_seed(SEED)
    net = LOSSES["categorical cross-entropy"].network(twin, **twin.factory("float64"))
    logits = twin.predict(net, few.x)
    checks = errata.checks(logits / np.abs(logits).max(), few.labels)  # at large ones every sigmoid is flat
    return checks + [_check(loss, twin, few, name) for name, loss in LOSSES.items() for twin in TWINS]


def _check(loss: listing.Loss, twin: Twin, few: Part, what: str) -> GradientCheck:
    twin.manual_seed(SEED)
    net, criterion = loss.network(twin, **twin.factory("float64")), getattr(twin.lib.nn, loss.criterion)()
    x, y = twin.tensor(few.x), twin.tensor(getattr(few, loss.target))
    return network_check(twin, net, criterion, x, y, f"backward of the network, {what}")


def remedy_figures(remedied: dict[str, dict[str, Training]]) -> list[Figure]:
    figures = []
    for name, both in remedied.items():
        kept = {engine: one.epochs for engine, one in both.items()}
        losses = {engine: one.held_back[one.epochs - 1] for engine, one in both.items()}
        accuracies = {engine: one.accuracy for engine, one in both.items()}
        figures.append(Figure.of(f"{name}: validation loss", "", losses))
        figures.append(Figure.of(f"{name}: validation accuracy", "", accuracies, form=".2%"))
        if remedies.REMEDIES[name].patience:
            figures.append(Figure.of(f"{name}: epochs kept", "", kept, form="d"))
    return figures


def pairs(both: dict[str, Training], held_back: str) -> dict[str, list[float]]:
    """Training curve and curve on images held back, each of scratch and torch."""
    named = {"train": "train", held_back: "held_back"}
    return {f"{name}, {engine}": getattr(one, which) for name, which in named.items() for engine, one in both.items()}


def plot_losses(path: Path, found: dict[str, dict[str, Training]]) -> tuple[Path, str]:
    panels = [
        Panel(name, pairs(both, "test"), "epoch", UNITS.get(name, "loss, nats"), {"yscale": "log"}, TWIN_STYLES)
        for name, both in found.items()
    ]
    return draw(path, panels, 2), "Training and test loss after every epoch, both engines over each other."


UNITS = {"mse": "mean squared error", "log loss": "loss, nats an output"}


def plot_remedies(path: Path, remedied: dict[str, dict[str, Training]]) -> tuple[Path, str]:
    longest = max(len(one.train) for both in remedied.values() for one in both.values())
    same = {"yscale": "log", "ylim": (3e-3, 3), "xlim": (0, longest + 1)}
    panels = [
        Panel(name, pairs(both, "validation"), "epoch", "cross-entropy, nats", same, TWIN_STYLES)
        for name, both in remedied.items()
    ]
    caption = (
        f"{remedies.FEW} images to learn from, {remedies.VALIDATION} to validate on: the gap between the curves is "
        "the overfitting, and the effect of each remedy."
    )
    return draw(path, panels, 3), caption


NOTES = [
    "With the right gradients mse and log loss learn slowly at lr 0.1. What the article prints for mse, (a - y) / N, "
    "is ten times the gradient of the log loss: its mse descends the log loss at lr 1.",
    "Its categorical rule is the gradient of the mean over samples; only the printed loss is ten times too small.",
    f"The framework's version runs {FRAMEWORK_EPOCHS} epochs here, long after its accuracy has settled.",
]

ARTICLE = Article(
    "digits-mlp",
    "A network of 64 hidden units on digits, three losses, and remedies for overfitting",
    "One hidden layer of 64 sigmoids, weights from N(0, 1), softmax and categorical cross-entropy, 1000 epochs of "
    "full-batch gradient descent at lr 0.1 on the digits; mse and log loss as alternatives. A framework's version has "
    "64 ReLU and Adam. SGD and Adam are named as improvements; dropout, early stopping, a validation set and smaller "
    "models as remedies for overfitting. A worked example goes through every derivative of a 2-2-1 network in symbols.",
    run,
)
