"""mnist-mlp: activations, initialisers, and the first network that everybody trains, on the real MNIST."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from experiments.articles import keras_calls
from experiments.articles.article import Article, Figure, GradientCheck, Replay, gradient_check, quiet, under
from experiments.articles.curves import TWIN_STYLES, Panel, broken, draw
from experiments.articles.keras_calls import keras_adam
from experiments.articles.twin import TWINS, Twin, network_check, on_both
from experiments.picture import COLORS, save
from experiments.training import data

SEED = 0
PIXELS, HIDDEN, CLASSES, DROPOUT = 784, 128, 10, 0.2
EPOCHS, BATCH = 5, 32
FIRST_STEPS = 300  # the steps in which the initialisers are compared


# --- activations ------------------------------------------------------------------------------------------------------

GRID = np.linspace(-10, 10, 400)  # 0, where ReLU has its kink, is not among them
BELOW = np.full_like(GRID, -2.0)  # below every value: the distance from here, Σ |y + 2|, has derivative 1 by each y
LOGITS, TARGET = np.linspace(-5, 5, 10)[None], np.arange(1.0, 11.0)[None] / 55  # the listing's ten


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


FORMULAS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Tanh": np.tanh,
    "ReLU": lambda x: np.maximum(x, 0),
}


def activation(twin: Twin, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Values and derivatives of the engine's layer on the grid."""
    nn = twin.lib.nn
    net = nn.Sequential(getattr(nn, name)())
    values, gradients, _ = twin.trace(net, nn.L1Loss(reduction="sum"), twin.tensor(GRID), twin.tensor(BELOW))
    return twin.array(values[1]), gradients[0]


def softmax_layer(twin: Twin) -> tuple[np.ndarray, np.ndarray]:
    """Softmax of the logits by the engine's layer, and the gradient of its mean squared distance from the target."""
    nn = twin.lib.nn
    net = nn.Sequential(nn.Softmax(dim=-1))
    values, gradients, _ = twin.trace(net, nn.MSELoss(), twin.tensor(LOGITS), twin.tensor(TARGET))
    return twin.array(values[1]), gradients[0]


def activation_checks(twin: Twin) -> list[GradientCheck]:
    """The engine's backward against differences of the formula."""
    checks = []
    for name, formula in FORMULAS.items():

        def total(x: np.ndarray, formula: Callable[[np.ndarray], np.ndarray] = formula) -> float:
            return float(formula(x).sum())

        error = gradient_check(total, GRID, activation(twin, name)[1])
        checks.append(GradientCheck(f"backward of {name}, {twin.name}", error))
    distance = lambda z: float(np.mean((softmax(z) - TARGET) ** 2))  # noqa: E731
    error = gradient_check(distance, LOGITS, softmax_layer(twin)[1])
    return [*checks, GradientCheck(f"backward of Softmax, {twin.name}", error)]


# --- the network ------------------------------------------------------------------------------------------------------


def small(init: Any, weight: Any) -> None:
    init.normal_(weight, 0.0, 0.01)


def uniform(init: Any, weight: Any) -> None:
    init.uniform_(weight, -0.01, 0.01)


def xavier(init: Any, weight: Any) -> None:
    init.xavier_uniform_(weight)


def he(init: Any, weight: Any) -> None:
    init.kaiming_normal_(weight, nonlinearity="relu")


INITIALISERS: dict[str, Callable[[Any, Any], None]] = {
    "small normal": small,
    "small uniform": uniform,
    "Xavier": xavier,
    "He": he,
}


def network(twin: Twin, start: Callable[[Any, Any], None] = xavier, dtype: str = "float32") -> Any:
    """784 pixels, 128 ReLU, dropout, 10 logits; the softmax is in the loss. Biases start at 0."""
    nn, factory = twin.lib.nn, twin.factory(dtype)
    twin.manual_seed(SEED)
    first, second = nn.Linear(PIXELS, HIDDEN, **factory), nn.Linear(HIDDEN, CLASSES, **factory)
    for layer in (first, second):
        start(nn.init, layer.weight)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(first, nn.ReLU(), nn.Dropout(DROPOUT), second)


def pixels(part: data.Part) -> data.Part:
    """Rows of 784 pixels in [0, 1]."""
    return data.Part(part.images.reshape(len(part.images), -1).astype(np.float32) / 255, part.labels)


@dataclass
class Training:
    """Loss in an epoch, with dropout; after it, without, on the training and on the test set; and accuracy on that."""

    train: list[float] = field(default_factory=list)
    clean: list[float] = field(default_factory=list)
    test: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)


def steps(twin: Twin, net: Any, train: data.Part) -> Callable[[], list[float]]:
    """A function that trains one epoch with Adam and returns the loss of every step."""
    x, labels = map(twin.tensor, train)
    criterion, optimizer = twin.lib.nn.CrossEntropyLoss(), keras_adam(twin, net.parameters())
    return lambda: [twin.step(net, criterion, optimizer, x[rows], labels[rows]) for rows in twin.batches(len(x), BATCH)]


def fit(twin: Twin, train: data.Part, test: data.Part, epochs: int, progress: Callable[[str], None]) -> Training:
    net, found = network(twin), Training()
    epoch, criterion = steps(twin, net, train), twin.lib.nn.CrossEntropyLoss()
    for number in range(1, epochs + 1):
        progress(f"{twin.name}, epoch {number} of {epochs}")
        found.train.append(float(np.mean(epoch())))
        found.clean.append(twin.loss(net, criterion, *map(twin.tensor, train)))
        logits = twin.predict(net, twin.tensor(test.images))
        found.test.append(float(criterion(twin.tensor(logits), twin.tensor(test.labels))))
        found.accuracy.append(float((logits.argmax(-1) == test.labels).mean()))
    return found


def first_losses(twin: Twin, train: data.Part, start: Callable[[Any, Any], None]) -> tuple[list[float], float]:
    """The losses of the first steps, and the standard deviation of the hidden sums before them."""
    few = data.Part(*(array[: FIRST_STEPS * BATCH] for array in train))
    net = network(twin, start)
    spread = float(twin.predict(net[0], twin.tensor(few.images[:1000])).std())
    return steps(twin, net, few)(), spread


# --- the replay -------------------------------------------------------------------------------------------------------


def run(
    output: Path,
    data_dir: str | Path | None = None,
    progress: Callable[[str], None] = quiet,
    epochs: int = EPOCHS,
) -> Replay:
    replay = ARTICLE.start()
    progress("read MNIST")
    train, test = (pixels(part) for part in data.mnist(data_dir)[:2])
    for twin in TWINS:
        replay.checks += activation_checks(twin)
        net = network(twin, dtype="float64").eval()
        x, labels = twin.tensor(test.images[:7].astype(np.float64)), twin.tensor(test.labels[:7])
        criterion = twin.lib.nn.CrossEntropyLoss()
        replay.checks.append(network_check(twin, net, criterion, x, labels, "backward of the network"))
    progress("initialisers")
    starts = {
        name: {twin.name: first_losses(twin, train, start) for twin in TWINS} for name, start in INITIALISERS.items()
    }
    trained = {twin.name: fit(twin, train, test, epochs, progress) for twin in TWINS}
    last = {engine: one.accuracy[-1] for engine, one in trained.items()}
    text = f"test accuracy after {epochs} epochs"
    replay.figures = [Figure.of(text, "97.5 to 98 %, measured", last, 0.9745, 0.9805, ".2%")]
    replay.figures += [
        Figure.of(f"test loss after {epochs} epochs", "", {engine: one.test[-1] for engine, one in trained.items()}),
        Figure.of(
            f"training loss without dropout after {epochs} epochs",
            "",
            {engine: one.clean[-1] for engine, one in trained.items()},
        ),
        Figure.apart("training loss of the epochs apart, float32", {e: one.train for e, one in trained.items()}),
    ]
    for name, both in starts.items():
        spread = {engine: found[1] for engine, found in both.items()}
        late = {engine: float(np.mean(found[0][-100:])) for engine, found in both.items()}
        replay.figures.append(Figure.of(f"{name}: standard deviation of the hidden sums", "", spread))
        replay.figures.append(Figure.of(f"{name}: loss of the last 100 of {FIRST_STEPS} steps", "", late))
    replay.figures = under("The listing on MNIST, and its initial weights", replay.figures)
    replay.figures += keras_calls.rows(keras_calls.MNIST, "An example")
    replay.plots = [
        plot_activations(output / "activations.png"),
        plot_softmax(output / "softmax.png"),
        plot_starts(output / "initialisers.png", starts),
        plot_training(output / "training.png", trained),
    ]
    replay.notes = NOTES
    return replay


def plot_activations(path: Path) -> tuple[Path, str]:
    """Each function and its derivative, both engines over each other."""
    panels = []
    for name in FORMULAS:
        found = {twin.name: activation(twin, name) for twin in TWINS}
        curves = {
            f"{what}, {engine}": (GRID, broken(pair[i], 0.5) if i else pair[i])
            for i, what in enumerate(("y", "dy/dx"))
            for engine, pair in found.items()
        }
        top = {"ylim": (-0.5, 10.5)} if name == "ReLU" else {}
        panels.append(Panel(name, curves, "x", "y and dy/dx", top, TWIN_STYLES))
    return draw(path, panels), "The activations and their derivatives over [-10, 10], both engines over each other."


def plot_softmax(path: Path) -> tuple[Path, str]:
    from matplotlib.figure import Figure as Drawing

    found = {engine: probabilities[0] for engine, (probabilities, _) in on_both(softmax_layer).items()}
    drawing = Drawing(figsize=(9, 3.8), layout="constrained")
    axes = drawing.subplots()
    places = np.arange(LOGITS.size)
    for (name, probabilities), shift in zip(found.items(), (-0.2, 0.2), strict=True):
        bars = axes.bar(places + shift, probabilities, 0.4, color=COLORS[name], edgecolor="black", label=name)
        axes.bar_label(bars, fmt="%.3f", fontsize=6)
    axes.set(title="Softmax: logits become probabilities", xlabel="logit", ylabel="probability", ylim=(0, 0.75))
    axes.set_xticks(places, [f"{logit:.2f}" for logit in LOGITS[0]])
    axes.legend()
    save(drawing, path)
    return path, "Softmax of the listing's ten numbers from -5 to 5 by both engines; the bars of each add up to 1."


def plot_starts(path: Path, starts: dict[str, dict[str, Any]]) -> tuple[Path, str]:
    curves = {
        f"{name}, {engine}": (np.arange(10, FIRST_STEPS + 1, 10), np.reshape(losses, (-1, 10)).mean(1))
        for name, both in starts.items()
        for engine, (losses, _) in both.items()
    }
    options = {"yscale": "log"}
    panel = Panel("The first steps from four starts", curves, "step", "loss, nats, mean of 10", options, TWIN_STYLES)
    return draw(path, [panel]), "Training loss of the first steps from small normal and uniform, Xavier and He weights."


def plot_training(path: Path, trained: dict[str, Training]) -> tuple[Path, str]:
    names = {"in the epoch, dropout": "train", "after it, training set": "clean", "after it, test set": "test"}
    losses = {f"{n}, {e}": getattr(one, which) for n, which in names.items() for e, one in trained.items()}
    accuracies = {engine: 100 * np.array(one.accuracy) for engine, one in trained.items()}
    whole = {"xticks": range(1, len(trained["torch"].train) + 1)}
    panels = [
        Panel("Loss", losses, "epoch", "cross-entropy, nats", whole, TWIN_STYLES),
        Panel("Test set", accuracies, "epoch", "accuracy, %", whole, TWIN_STYLES),
    ]
    return draw(
        path, panels
    ), "Loss in every epoch, with a fifth of the units dropped, and after it, with all; accuracy on the test set."


NOTES = [
    "The test set is looked at after every epoch, as in the text, but decides nothing.",
    "The loss in an epoch is a mean over the steps in which the network improves, so it starts above the test loss; "
    "it would without dropout too. After the epoch the training set lies below the test set, more so every time: "
    "overfitting begins, which the loss in the epoch hides.",
]

ARTICLE = Article(
    "mnist-mlp",
    "Activations, initialisers, and a network of 128 ReLU on MNIST",
    "Sigmoid, tanh, ReLU and softmax; weights small and random, Xavier or He. A network of 784 pixels, 128 ReLU, "
    "dropout 0.2 and 10 softmax, Adam and sparse categorical cross-entropy is trained on MNIST for 5 epochs and "
    "evaluated on its test set.",
    run,
)
