"""toy-16: sixteen points whose label is their third digit, one linear layer, and a gradient that is not the loss's.

Twenty starts train at once: a convolution with a group for each start, and a kernel as long as a point, is twenty
linear layers side by side. Its sum of losses has for each layer the gradient of that layer's own loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import scratch
from experiments.articles.article import LIMIT, Article, Figure, GradientCheck, Replay, gradient_check, quiet
from experiments.articles.curves import TWIN_STYLES, Panel, draw
from experiments.articles.twin import TWINS, Twin, network_check
from torch_impl.bridge import TorchModule

SEED = 0
STARTS, STEPS, BATCH, LR = 20, 4000, 4, 1e-2
LOOK, VALIDATE = 100, 500  # steps between two looks at the training and at the validation accuracy
DIGITS = "1101 0101 0101 1010 0110 1011 0000 1110 0011 1101 0010 1000 1111 0111 1001 1001"
POINTS = np.array([[int(digit) for digit in point] for point in DIGITS.split()], np.float32)
LABELS = POINTS[:, 2].astype(np.int64)
TRAIN, VALIDATION, TEST = slice(0, 8), slice(8, 12), slice(12, 16)


# --- the gradient, right and as printed -------------------------------------------------------------------------------


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def loss(z: np.ndarray, labels: np.ndarray) -> float:
    """Cross-entropy, summed over the rows n of a batch: -Σ_n log p[n, y_n]."""
    return float(-np.log(softmax(z)[np.arange(len(labels)), labels]).sum())


def loss_as_printed(z: np.ndarray, labels: np.ndarray) -> float:
    """What the article's code computes: the row numbers are counted along the classes, 0 and 1.

    Labels are in a column, so the index pairs each of these two rows with every label of the batch.
    """
    rows = np.arange(z.shape[1])
    return float(-np.log(softmax(z)[rows, labels[:, np.newaxis]]).sum() / z.shape[1])


def gradient(z: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Each row is pulled from what it predicts to its own label: p - onehot(y). z (..., N, C); labels (..., N)."""
    return softmax(z) - (labels[..., np.newaxis] == np.arange(z.shape[-1]))


def gradient_as_printed(z: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The article's: rows 0 and 1 are pulled to every label that occurs in the batch, the other rows to none.

    An index that occurs twice is decremented once.
    """
    dz, C = softmax(z), z.shape[-1]
    dz[..., :C, :] -= (labels[..., np.newaxis] == np.arange(C)).any(-2, keepdims=True)
    return dz


class AsPrinted(scratch.nn.CrossEntropyLoss):
    """The sum of cross-entropies of logits (N S, C, 1), and as its gradient what the article's code returns."""

    def __init__(self) -> None:
        super().__init__(reduction="sum")

    def forward(self, x: np.ndarray, target: np.ndarray) -> Any:
        self.batch = x, target
        return super().forward(x, target)

    def backward(self, dloss: Any = None) -> np.ndarray:
        self.take(dloss)
        x, target = self.batch
        z, labels = (np.swapaxes(a.reshape(BATCH, -1, *a.shape[1:-1]), 0, 1) for a in (x, target))
        return np.swapaxes(gradient_as_printed(z, labels), 0, 1).reshape(x.shape).astype(x.dtype)


def checks() -> list[GradientCheck]:
    """Both formulas at a batch of four points, against differences of the loss and of the loss as printed."""
    scratch.manual_seed(SEED)
    z = scratch.randn(BATCH, 2, dtype=np.float64)
    labels = LABELS[2:6]

    def check(what: str, f: Callable[..., float], formula: Callable[..., np.ndarray], **verdict: Any) -> GradientCheck:
        return GradientCheck(what, gradient_check(lambda z: f(z, labels), z, formula(z, labels)), LIMIT, **verdict)

    return [
        check("p - onehot(label)", loss, gradient),
        check(
            "the gradient as printed",
            loss,
            gradient_as_printed,
            expected=False,
            note="The samples are counted along the axis of the classes, so rows 0 and 1 are pulled to every label of "
            "the batch and the other rows to none.",
        ),
        check(
            "the gradient as printed, of the loss as printed",
            loss_as_printed,
            gradient_as_printed,
            expected=False,
            note="The loss pairs the same rows, but divides by the number of classes and counts a pair as often as it "
            "occurs: the gradient is not its derivative either.",
        ),
    ]


# --- training ---------------------------------------------------------------------------------------------------------


@dataclass
class Training:
    """For every start: its accuracy at intervals and at the end. For all: the mean loss of every step."""

    losses: list[float] = field(default_factory=list)
    train: list[np.ndarray] = field(default_factory=list)  # accuracy (STARTS,) of the batch, every LOOK steps
    validation: list[np.ndarray] = field(default_factory=list)  # of the validation set, every VALIDATE steps
    test: np.ndarray = field(default_factory=lambda: np.zeros(STARTS))

    @property
    def solved(self) -> int:
        """How many starts end with validation and test accuracy 100 %."""
        return int(((self.validation[-1] == 1) & (self.test == 1)).sum())


def layers(twin: Twin, dtype: str = "float32") -> Any:
    """For every start a linear layer 4→2: points (N, STARTS, 4), logits (N STARTS, 2, 1). Weights N(0, 1), biases 0."""
    nn = twin.lib.nn
    conv = nn.Conv1d(STARTS, 2 * STARTS, 4, groups=STARTS, **twin.factory(dtype))
    nn.init.normal_(conv.weight)
    nn.init.zeros_(conv.bias)
    return nn.Sequential(conv, nn.Unflatten(1, (STARTS, 2)), nn.Flatten(0, 1))


def drawn(twin: Twin, steps: int, replacement: bool) -> np.ndarray:
    """The numbers of the points in each batch, (steps, BATCH, STARTS)."""
    if replacement:
        return twin.array(twin.random.randint(0, 8, (steps, BATCH, STARTS)))
    order = twin.array(twin.random.rand(steps, 8, STARTS)).argsort(1, kind="stable")
    return order[:, :BATCH]


def train(twin: Twin, as_printed: bool, steps: int, replacement: bool = True) -> Training:
    twin.manual_seed(SEED)
    net = layers(twin)
    optimizer = twin.lib.optim.SGD(net.parameters(), lr=LR)
    criterion = twin.lib.nn.CrossEntropyLoss(reduction="sum")
    if as_printed:
        criterion = AsPrinted() if twin.lib is scratch else TorchModule(AsPrinted())
    found = Training()
    for step, numbers in enumerate(drawn(twin, steps, replacement), 1):
        x, labels = twin.tensor(POINTS[numbers]), twin.tensor(LABELS[numbers].reshape(-1, 1))
        if step % LOOK == 0:
            found.train.append(accuracy(twin, net, numbers))
        found.losses.append(twin.step(net, criterion, optimizer, x, labels) / (BATCH * STARTS))
        if step % VALIDATE == 0:
            found.validation.append(accuracy(twin, net, _every(VALIDATION)))
    found.test = accuracy(twin, net, _every(TEST))
    return found


def accuracy(twin: Twin, net: Any, numbers: np.ndarray) -> np.ndarray:
    """The share of the points (N, STARTS) that each start classifies correctly."""
    logits = twin.predict(net, twin.tensor(POINTS[numbers])).reshape(*numbers.shape, 2)
    return (logits.argmax(-1) == LABELS[numbers]).mean(0)


def _every(part: slice) -> np.ndarray:
    return np.tile(np.arange(16)[part, np.newaxis], STARTS)


# --- the replay -------------------------------------------------------------------------------------------------------

RIGHT, PRINTED, OTHER = "right gradient", "gradient as printed", "as printed, batches without replacement"


def run(
    output: Path,
    data_dir: str | Path | None = None,
    progress: Callable[[str], None] = quiet,
    steps: int = STEPS,
) -> Replay:
    replay = ARTICLE.start()
    replay.checks = checks()
    for twin in TWINS:
        twin.manual_seed(SEED)
        net = layers(twin, "float64")
        numbers = drawn(twin, 1, True)[0]
        x, labels = twin.tensor(POINTS[numbers].astype(np.float64)), twin.tensor(LABELS[numbers].reshape(-1, 1))
        criterion = twin.lib.nn.CrossEntropyLoss(reduction="sum")
        replay.checks.append(network_check(twin, net, criterion, x, labels, "backward of the layers"))
    found: dict[str, dict[str, Training]] = {}
    for name, as_printed, replacement in ((RIGHT, False, True), (PRINTED, True, True), (OTHER, True, False)):
        progress(name)
        found[name] = {twin.name: train(twin, as_printed, steps, replacement) for twin in TWINS}
    solved = {name: {engine: one.solved for engine, one in both.items()} for name, both in found.items()}
    what = f"of {STARTS} starts, at 100 % validation and test"
    replay.figures = [
        Figure.of(f"{what}: {RIGHT}", "20 of 20, measured", solved[RIGHT], STARTS, STARTS, "d", "100%", END),
        Figure.of(f"{what}: {PRINTED}", "18 of 20, measured", solved[PRINTED], LEAST, STARTS, "d"),
        Figure.of(f"{what}: {OTHER}", "", solved[OTHER], form="d"),
    ]
    for name, both in found.items():
        mean = {engine: float(one.test.mean()) for engine, one in both.items()}
        replay.figures.append(Figure.of(f"test accuracy, mean: {name}", "", mean, form=".1%"))
        losses = {engine: one.losses for engine, one in both.items()}
        replay.figures.append(Figure.apart(f"loss curves apart, float32: {name}", losses))
    replay.plots = [plot(output / "training.png", found)]
    replay.notes = NOTES
    return replay


END = "Update rule"  # the heading over the text's result
LEAST = 14  # 99 of 100 samples of 20 starts, each solved with probability 18/20, solve at least this many


def plot(path: Path, found: dict[str, dict[str, Training]]) -> tuple[Path, str]:
    shown = {f"{name}, {engine}": one for name in (RIGHT, PRINTED) for engine, one in found[name].items()}

    def panel(title: str, ylabel: str, curve: Callable[[Training], Any]) -> Panel:
        curves = {name: curve(one) for name, one in shown.items()}
        return Panel(title, curves, "step", ylabel, styles=TWIN_STYLES)

    def percent(values: list[np.ndarray], every: int) -> tuple[np.ndarray, np.ndarray]:
        return every * np.arange(1, len(values) + 1), 100 * np.mean(values, axis=1)

    def smooth(losses: list[float]) -> tuple[np.ndarray, np.ndarray]:
        parts = np.array(losses)[: len(losses) // LOOK * LOOK].reshape(-1, LOOK)
        return LOOK * np.arange(1, len(parts) + 1), parts.mean(1)

    panels = [
        panel("Loss, mean of 100 steps", "cross-entropy of a point, nats", lambda one: smooth(one.losses)),
        panel("Training batches", "accuracy, %", lambda one: percent(one.train, LOOK)),
        panel("Validation set", "accuracy, %", lambda one: percent(one.validation, VALIDATE)),
    ]
    return draw(path, panels), f"Means of {STARTS} starts, the right gradient and the article's, both engines."


NOTES = [
    "The wrong gradient trains most starts, which is why nobody notices; a gradient check finds it in one step. The "
    "plotted loss, the cross-entropy as it should be, tells as well: it stays above 0.6, near ln 2, the loss of a "
    "guess, while the accuracy rises to 100 %. The loss that the printed function returns is another number.",
    "The article draws its batches with replacement. Without, its gradient fails far more often; the right one does "
    "not mind.",
    "The right gradient here is that of the sum over the batch, which is what the article's formula p - onehot(y) is.",
]

ARTICLE = Article(
    "toy-16",
    "Sixteen points, one linear layer, and a gradient that is not the loss's",
    "Sixteen points of four binary features, the label the third of them; 8 train, 4 validate, 4 test. One linear "
    "layer with weights from N(0, 1), softmax cross-entropy, batches of 4, lr 0.01, 4000 steps: 100 % validation and "
    "test accuracy.",
    run,
)
