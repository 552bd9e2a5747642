"""Mistakes of The Nuts and Bolts of Neural Networks, and what is right there although one may suspect it."""

from __future__ import annotations

import math

import numpy as np

from experiments.articles.article import Figure
from experiments.articles.foundations import boxcars
from experiments.articles.foundations.evaluate import layer, numbers, on_both_evaluated, outputs, slopes
from experiments.articles.foundations.printed import (
    VARIABLE,
    P,
    X,
    adam_moment,
    red_jack,
    second_heart,
    surprise,
    twice,
)
from experiments.articles.mistakes.adventure import LOSSES, STOP
from experiments.articles.mistakes.row import bounded, functions, mistake, right
from experiments.articles.twin import SCRATCH, Twin, on_both

DISTRIBUTIONS, INFORMATION, CALCULUS, ACTIVATIONS = (
    VARIABLE,
    "Information theory",
    "Differential calculus",
    "Activation functions",
)
APPROXIMATION, COSTS, WEIGHTS = "Universal approximation theorem", "Cost functions", "Weight initialization"
BAYES, IMPROVED = "Conditional probability and Bayes' rule", "SGD improvements"
DRAWS = 100_000


def figures() -> list[Figure]:
    mean = float(P @ X)
    printed = float(((X - mean) ** 2) @ X)

    def variance(twin: Twin) -> float:
        x, p = twin.tensor(X), twin.tensor(P)
        return float((((x - (x * p).sum()) ** 2) * p).sum())

    by_values = on_both(lambda twin: float((((twin.tensor(X) - mean) ** 2) * twin.tensor(X)).sum()))
    return [
        mistake(
            "variance as it is written, (0 - 2.3)² 0 + (1 - 2.3)² 1 + ... + (5 - 2.3)² 5",
            "2.01",
            DISTRIBUTIONS,
            variance(SCRATCH),
            printed,
            by_values,
            "The squares are weighted by the values. Weighted by the probabilities they are 2.01, as the text says.",
        ),
        bounded(
            "share of inputs below 0, drawn from the standard normal",
            "0.5%",
            ACTIVATIONS,
            "50 ± 0.6 %",
            on_both(_below_zero),
            0.5 - 4 * 0.5 / math.sqrt(DRAWS),
            0.5 + 4 * 0.5 / math.sqrt(DRAWS),
            "The next sentence has it right: about half of the outputs are 0.",
            ".1%",
        ),
        mistake(
            "ratio of exp(1) and exp(2)",
            "0.36",
            ACTIVATIONS,
            0.36,
            math.exp(-1),
            on_both(_ratio),
            "Cut off instead of rounded: 0.37.",
            ".3f",
        ),
        bounded(
            "MSE: growth of the cost when the outlier is twice as far",
            "指数增长",
            COSTS,
            "4 in the end: quadratic",
            on_both(lambda twin: _cost(twin, 2000.0) / _cost(twin, 1000.0)),
            3.99,
            4.01,
            "Exponential growth would square the cost.",
        ),
        mistake(
            "curvature of x³ - 3x at its minimum, 1",
            "鞍点",
            CALCULUS,
            0,
            6.0,
            on_both(lambda twin: _curvature(twin, 1.0)),
            "A saddle point is level, but no minimum or maximum. At -1 the curvature is -6, a maximum.",
            ".4g",
        ),
        mistake("derivative of x² at 3", "x ² = 2x", CALCULUS, 9, 6.0, on_both(_square_slope), "A lost prime."),
        mistake(
            "trained parameters of SELU",
            "附加的训练参数λ",
            ACTIVATIONS,
            1,
            0.0,
            on_both(lambda twin: float(len([*twin.lib.nn.SELU().parameters()]))),
            "λ and α are constants, at which mean 0 and variance 1 are kept.",
            "g",
        ),
        bounded(
            "largest error on |x| of the best sum of 200 square units",
            "任意非线性激活函数",
            APPROXIMATION,
            "over 0.1, however many units",
            on_both(lambda twin: _fit(twin, None)),
            0.1,
            None,
            "Polynomial units make polynomials of one degree: three numbers. Any other continuous activation will do.",
        ),
        bounded(
            "the same with 200 tanh units",
            "任意非线性激活函数",
            APPROXIMATION,
            "under 0.05",
            on_both(lambda twin: _fit(twin, "Tanh")),
            0,
            0.05,
            "With the same random weights.",
        ),
        bounded(
            "variance of He's weights for 128 inputs, times 128",
            "均值为 0、方差为 0",
            WEIGHTS,
            "2 ± 0.05",
            on_both(_he),
            1.95,
            2.05,
            "The sentence gives variance 0 and refers to a picture; it is 2 / n.",
        ),
        mistake(
            "the chance of being ill after a positive test, by Bayes' rule",
            "P(B|A)",
            BAYES,
            0.98,
            0.98 * 0.02 / 0.039,
            on_both(lambda twin: float(twin.tensor(np.float64(0.98)) * 0.02 / 0.039)),
            "The text says that P(B|A) follows from P(B|A); what follows is P(A|B), the posterior.",
            ".1%",
        ),
        mistake(
            "box of two sigmoids, outside of (-5, 5)",
            "(-5，5)",
            APPROXIMATION,
            1,
            0.0,
            numbers(outputs(on_both_evaluated(boxcars.the_texts_box, [[10.0]])), (0, 0)),
            "The sentence says it the other way round: the output is 0, except in (-5, 5).",
        ),
    ]


def suspected() -> list[Figure]:
    """What is right."""
    joint, second = on_both(red_jack), on_both(second_heart)
    selu = {engine: _kept(value) for engine, value in on_both(_selu).items()}
    fall = on_both(lambda twin: -float(np.diff(twin.array(twin.tensor(np.array(LOSSES))))[0]))
    return [
        right("fall of the loss from iteration 8909 to 8910", "0.0244", STOP, LOSSES[0] - LOSSES[1], fall),
        right(
            "information of P = 0.8 by the natural logarithm", "0.22", INFORMATION, -math.log(0.8), on_both(surprise)
        ),
        right("σ(σ(2))", "0.707", ACTIVATIONS, _logistic(_logistic(2)), on_both(twice), ".3f"),
        right("P(red, jack)", "1/26", "Probability and sets", 1 / 26, joint),
        right("a second heart after the first", "0.235", BAYES, 12 / 51, second, ".3f"),
        right("Adam: first moment of a gradient of 10", "1", IMPROVED, 1.0, on_both(adam_moment), "g"),
        right(
            "Adam: the same, corrected",
            "β [1] 和β [2]",
            IMPROVED,
            10.0,
            {engine: m / (1 - 0.9) for engine, m in on_both(adam_moment).items()},
            "g",
            "Divided by 1 - β1, the first moment is the gradient.",
        ),
        bounded_right("SELU: variance of its output for the standard normal", selu),
        right(
            "Huber at δ: slopes of the two forms, at 1",
            "δ",
            COSTS,
            1.0,
            numbers(slopes(on_both_evaluated(lambda t: t.lib.nn.HuberLoss("none", 1.0), [1.0], target=[0.0])), 0),
        ),
        right(
            "ELU at -1, α = 0.2",
            "α=0.2",
            ACTIVATIONS,
            0.2 * (math.exp(-1) - 1),
            numbers(outputs(on_both_evaluated(lambda twin: twin.lib.nn.ELU(0.2), [-1.0])), 0),
        ),
    ]


def bounded_right(what: str, values: dict[str, float]) -> Figure:
    return Figure.of(what, "1", values, 1 - 1e-3, 1 + 1e-3, text="λ", place=ACTIVATIONS)


def _below_zero(twin: Twin) -> float:
    twin.manual_seed(0)
    return float((twin.array(twin.random.randn(DRAWS)) < 0).mean())


def _ratio(twin: Twin) -> float:
    e = functions(twin).exp(twin.tensor(np.array([1.0, 2.0])))
    return float(e[0] / e[1])


def _cost(twin: Twin, outlier: float) -> float:
    y = twin.tensor(np.array([1.0, 2.0, outlier]))
    return float(twin.lib.nn.MSELoss()(y, twin.tensor(np.array([1.0, 1.0, 0.0]))))


def _cubic(x: object) -> object:
    return x * x * x - 3 * x  # type: ignore[operator]


def _curvature(twin: Twin, at: float, h: float = 0.5) -> float:
    """The second difference, which is exact for a cubic."""
    left, here, beyond = (float(_cubic(twin.tensor(np.array(at + d)))) for d in (-h, 0.0, h))  # type: ignore[arg-type]
    return (left - 2 * here + beyond) / h**2


def _square_slope(twin: Twin, h: float = 0.5) -> float:
    """The symmetric difference, which is exact for a square."""
    a, b = (float(twin.tensor(np.array(3.0 + d)) ** 2) for d in (h, -h))
    return (a - b) / (2 * h)


def _fit(twin: Twin, activation: str | None, units: int = 200) -> float:
    """The largest error on |x| of the least squares fit by random units."""
    twin.manual_seed(0)
    x = np.linspace(-1, 1, 401)[:, None]
    hidden = layer(twin, "Linear", 1, units)
    twin.lib.nn.init.uniform_(hidden.weight, -4.0, 4.0)
    twin.lib.nn.init.uniform_(hidden.bias, -4.0, 4.0)
    z = twin.tensor(twin.predict(hidden, twin.tensor(x)))
    units_out = twin.array(z * z if activation is None else getattr(twin.lib.nn, activation)()(z))
    design = np.hstack([units_out, np.ones((len(x), 1))])
    best = np.linalg.lstsq(design, np.abs(x), rcond=1e-10)[0]
    return float(np.abs(design @ best - np.abs(x)).max())


def _he(twin: Twin) -> float:
    twin.manual_seed(0)
    hidden = layer(twin, "Linear", 128, 512)
    twin.lib.nn.init.kaiming_normal_(hidden.weight)
    return float(twin.array(hidden.weight).var() * 128)


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _selu(twin: Twin) -> tuple[np.ndarray, np.ndarray]:
    z = np.linspace(-9, 9, 18001)
    return z, twin.array(twin.lib.nn.SELU()(twin.tensor(z)))


def _kept(pair: tuple[np.ndarray, np.ndarray]) -> float:
    """E[SELU²] under the standard normal, by the rectangle rule."""
    z, y = pair
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return float((y * y * density).sum() * (z[1] - z[0]))
