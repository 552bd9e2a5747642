"""Mistakes of The Math Behind Neural Networks."""

from __future__ import annotations

import builtins

import numpy as np

from experiments.articles.article import Figure
from experiments.articles.digits_mlp import listing, worked_example
from experiments.articles.digits_mlp.training import Part, digits
from experiments.articles.foundations.evaluate import numbers, on_both_evaluated, slopes
from experiments.articles.mistakes.row import bounded, counted, functions, met, mistake
from experiments.articles.twin import TWINS, Twin, on_both

HERE, CHAIN, EXAMPLE, OVERFITTING = (
    listing.LISTING,
    "3.3: Backpropagation, the core of learning",
    "3.4: A step-by-step example",
    "5.1: Overcoming overfitting",
)
SCALED = 1  # pixels
IMPORTED, USED = ("np",), ("np", "load_digits", "MinMaxScaler", "OneHotEncoder", "train_test_split")


def figures() -> list[Figure]:
    return [*_listing(), *_data(), *_words()]


def _listing() -> list[Figure]:
    train, test = digits()
    few = Part(*(a[:300] for a in train))
    loss = listing.LOSSES["log loss"]
    ended = {twin.name: str(loss.train_as_printed(twin, few, test, 5).epochs) for twin in TWINS}

    def unclipped(twin: Twin) -> str:
        with np.errstate(all="ignore"):
            y, log = twin.tensor(np.ones(1)), functions(twin).log
            return str(float((-(y * log(y) + (1 - y) * log(1 - y)))[0]))

    steep = numbers(slopes(on_both_evaluated(lambda twin: twin.lib.nn.Sigmoid(), [0.0, 2.0])), 0)
    categorical = listing.LOSSES["categorical cross-entropy"]
    one_step = {twin.name: categorical.train_as_printed(twin, few, few, 1) for twin in TWINS}
    before, after = _fresh(categorical, few), one_step["torch"].held_back[0]
    missing = [name for name in USED if name not in IMPORTED and not hasattr(builtins, name)]
    encoder = listing.encoder_figures(train.labels)[0]
    return [
        met(
            "the log loss as printed: epoch in which the training loss is no number",
            "-(y/self.a2 - (1-y)/(1-self.a2))",
            HERE,
            "2",
            ended,
            "The derivative of the output sigmoid is missing; what is left is divided by almost 0.",
        ),
        met(
            "the log loss as printed, for a certain and right answer",
            "np.log(1-y_pred)",
            HERE,
            "nan",
            on_both(unclipped),
            "0 times log 0 is no number. The criteria of both engines clip the logarithm, and say 0.",
        ),
        encoder,
        counted(
            "names that the listing uses and does not import",
            "import numpy as np",
            HERE,
            0,
            4,
            len(missing),
            ", ".join(missing) + ".",
        ),
        mistake(
            "derivative of the sigmoid at 0",
            "x * (1 - x)",
            HERE,
            0.0 * (1 - 0.0),
            0.25,
            steep,
            "The function calls x the input; its formula is right if x is the sigmoid's output.",
        ),
        bounded(
            "training loss that epoch 1 records",
            "self.train_loss.append(train_loss)",
            HERE,
            f"{before:.4g}, that before the step; after it {after:.4g}",
            {engine: one.train[0] for engine, one in one_step.items()},
            before * (1 - 1e-5),
            before * (1 + 1e-5),
            "The test loss beside it is that after the step: the two curves are one step apart.",
        ),
    ]


def _fresh(loss: listing.Loss, part: Part) -> float:
    """The printed loss of the network before any step."""
    twin = TWINS[0]
    twin.manual_seed(listing.SEED)
    return loss.printed_loss(twin.predict(loss.network(twin)[:3], part.x), part.onehot)


def _data() -> list[Figure]:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x = load_digits().data
    train, test = train_test_split(x, test_size=0.2, random_state=42)
    widest = [(part.min(0), part.max(0)) for part in (train, x)]
    moved = ((widest[0][0] != widest[1][0]) | (widest[0][1] != widest[1][1])).sum()
    return [
        counted(
            "pixels whose scale depends on the test images",
            "scaler.fit_transform(digits.data)",
            HERE,
            0,
            SCALED,
            float(moved),
            "The scaler is fitted before the split, so it has seen the test set. Real, and harmless here.",
        ),
        counted(
            "images left for a fair test",
            "validation_data=(X_test, y_test)",
            "4.2: The same with a library",
            None,
            0,
            len(x) - len(train) - len(test),
            f"Section {OVERFITTING} asks for three sets; the listing has two, and watches the test set.",
        ),
        bounded(
            "mse of a sigmoid output on y = 3 x1 - 2 x2 + 5, trained",
            "用于回归任务",
            HERE,
            f"over {_variance():.3g}, the variance of y",
            on_both(_regression),
            _variance(),
            None,
            "No answer of a sigmoid is above 1: a constant does better.",
        ),
    ]


def _regression_data() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).normal(size=(200, 2))
    return x, 3 * x[:, :1] - 2 * x[:, 1:] + 5


def _variance() -> float:
    return float(_regression_data()[1].var())


def _regression(twin: Twin) -> float:
    """The class is said to do regression; its output passes a sigmoid, so no answer is above 1."""
    x, y = map(twin.tensor, _regression_data())
    twin.manual_seed(0)
    nn, double = twin.lib.nn, twin.factory("float64")
    net = nn.Sequential(nn.Linear(2, 8, **double), nn.Sigmoid(), nn.Linear(8, 1, **double), nn.Sigmoid())
    optimizer, criterion = twin.lib.optim.Adam(net.parameters(), lr=0.1), nn.MSELoss()
    for _ in range(60):
        twin.step(net, criterion, optimizer, x, y)
    return twin.loss(net, criterion, x, y)


def _words() -> list[Figure]:
    example = worked_example.EXAMPLE
    by, at = example.derivatives(), example.values()
    engines = on_both(example.engine)
    by_output = {e: float(one["derivatives"]["y"].flat[0]) for e, one in engines.items()}
    outputs = {e: float(one["values"]["y"].flat[0]) for e, one in engines.items()}
    slope, z = float(by["y"].flat[0]), float(at["s"].flat[0])

    def climbed(twin: Twin) -> float:
        """The loss after a step along the gradient instead of against it."""
        net, criterion = example.network(twin), twin.lib.nn.BCELoss()
        x, t = twin.tensor(example.x), twin.tensor(np.array([[example.t]]))
        twin.backward(net, criterion, x, t)
        twin.lib.optim.SGD(net.parameters(), lr=example.lr, maximize=True).step()
        return twin.loss(net, criterion, x, t)

    start = float(at["L"].flat[0])
    return [
        mistake(
            "derivative of the loss by the activation, in the worked example",
            "∂a/∂L",
            CHAIN,
            1 / slope,
            slope,
            by_output,
            "Upside down, as ∂z/∂a, ∂w/∂z and ∂w/∂L are: the reciprocal is another number.",
        ),
        mistake(
            "the sigmoid of z3, in the worked example",
            "σ（z）=1+e−z1",
            EXAMPLE,
            1 + float(np.exp(-z)),
            float(at["y"].flat[0]),
            outputs,
            "A fraction whose line was lost.",
        ),
        bounded(
            "loss after a step towards the steepest loss, in the worked example",
            "向损失最陡峭的方向",
            CHAIN,
            f"over {start:.4f}, where it was",
            on_both(climbed),
            start,
            None,
            "The word descent is missing: against the gradient the loss falls, along it the loss rises.",
        ),
    ]
