"""Probability: Bayes' rule, expectation and variance, the binomial and the normal distribution.

    P(ill | +) = P(+ | ill) P(ill) / P(+)
    E[X] = Σ p_i x_i        Var[X] = Σ p_i (x_i - E[X])² = E[X²] - E[X]²
    binomial: P(k) = C(n, k) p^k (1 - p)^(n - k), mean n p, variance n p (1 - p)
    normal:   density exp(-(x - μ)² / 2σ²) / (σ √(2π))

A mean of N draws has the standard error σ / √N, by which the draws of both engines are judged.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from experiments.articles.article import Replay
from experiments.articles.curves import TWIN_STYLES
from experiments.articles.foundations import printed
from experiments.articles.judge import drawn_around, equal_to, same_bits
from experiments.articles.twin import TWINS, Twin, on_both
from experiments.picture import COLORS, ENGINE_STYLES, save

SEED = 0
PEOPLE = 1_000_000
RELIABLE, ILL, POSITIVE = 0.98, 0.02, 0.039
DRAWS = 100_000
COINS, HEADS = 20, 0.3


def posterior(likelihood: Any, prior: Any, evidence: Any) -> Any:
    """Bayes' rule."""
    return likelihood * prior / evidence


def replay(found: Replay, output: Path) -> None:
    _bayes(found)
    _die(found)
    _coins(found, output / "distributions.png")
    _normals(found)
    _draw_chance(found, output / "chance.png")


def _bayes(found: Replay) -> None:
    rule = on_both(lambda twin: float(posterior(twin.tensor(np.float64(RELIABLE)), ILL, POSITIVE)))
    found.figures.append(
        equal_to(
            "Bayes: the chance of illness after a positive test, 3.9 % being positive",
            0.98 * 0.02 / 0.039,
            rule,
            ".1%",
        )
    )
    evidence = RELIABLE * ILL + (1 - RELIABLE) * (1 - ILL)
    rule = on_both(lambda twin: float(posterior(twin.tensor(np.float64(RELIABLE)), ILL, evidence)))
    found.figures.append(equal_to("Bayes: the same, as reliable for the healthy, 3.92 % positive", 0.5, rule, ".1%"))
    found.notes.append(
        "Bayes: the text assumes 3.9 % positive tests, and gives 98 % for the ill alone. If the test were as reliable "
        "for the healthy, 0.98 x 0.02 + 0.02 x 0.98 = 3.92 % would be positive and the answer one half; 3.9 % exactly "
        "needs a test that is right for 98.02 % of the healthy. The text's answer stands in a picture."
    )

    def count(twin: Twin) -> float:
        """The share of the ill among those whose test is positive, in a crowd."""
        twin.manual_seed(SEED)
        ill = twin.array(twin.random.rand(PEOPLE)) < ILL
        right = twin.array(twin.random.rand(PEOPLE)) < RELIABLE
        return float(ill[ill == right].mean())  # a right test on the ill, a wrong one on the healthy

    error = math.sqrt(0.25 / (PEOPLE * evidence))
    found.figures.append(drawn_around("Bayes: counted among a million people", 0.5, on_both(count), error, ".2%"))


def _die(found: Replay) -> None:
    faces = np.arange(1, 7)
    mean, variance = float(faces.mean()), float(((faces - faces.mean()) ** 2).mean())
    fourth = float(((faces - mean) ** 4).mean())

    def throw(twin: Twin) -> np.ndarray:
        twin.manual_seed(SEED)
        return twin.array(twin.random.randint(1, 7, (DRAWS,)))

    throws = on_both(throw)
    found.figures += [
        drawn_around("die: mean", mean, on_both(lambda t: throws[t.name].mean()), math.sqrt(variance / DRAWS)),
        drawn_around(
            "die: variance",
            variance,
            on_both(lambda t: throws[t.name].var()),
            math.sqrt((fourth - variance**2) / DRAWS),
        ),
        same_bits("die: 100 000 throws", throws),
    ]


def _coins(found: Replay, path: Path) -> None:
    def toss(twin: Twin) -> np.ndarray:
        twin.manual_seed(SEED)
        return (twin.array(twin.random.rand(DRAWS, COINS)) < HEADS).sum(axis=1)

    def bell(twin: Twin) -> np.ndarray:
        twin.manual_seed(SEED)
        return twin.array(twin.random.randn(DRAWS))

    heads, normal = on_both(toss), on_both(bell)
    mean, variance = COINS * HEADS, COINS * HEADS * (1 - HEADS)
    fourth = 3 * variance**2 + variance * (1 - 6 * HEADS * (1 - HEADS))
    found.figures += [
        drawn_around(
            "binomial(20, 0.3): mean", mean, on_both(lambda t: heads[t.name].mean()), (variance / DRAWS) ** 0.5
        ),
        drawn_around(
            "binomial(20, 0.3): variance",
            variance,
            on_both(lambda t: heads[t.name].var()),
            math.sqrt((fourth - variance**2) / DRAWS),
        ),
        drawn_around("normal: mean", 0.0, on_both(lambda t: float(normal[t.name].mean())), DRAWS**-0.5),
        drawn_around("normal: variance", 1.0, on_both(lambda t: float(normal[t.name].var())), (2 / DRAWS) ** 0.5),
        drawn_around(
            "normal: share within one σ",
            math.erf(0.5**0.5),
            on_both(lambda t: float((np.abs(normal[t.name]) < 1).mean())),
            math.sqrt(0.6827 * 0.3173 / DRAWS),
        ),
        same_bits("binomial: 2 000 000 coins", heads),
        same_bits("normal: 100 000 draws", normal),
    ]
    _draw(heads, normal, path)
    found.plots.append((path, "Draws of both engines and the formulas: 20 bent coins, and the standard normal."))


NORMALS = ((0.0, 1.0), (2.0, 0.5), (-1.0, 2.0))


def _normals(found: Replay) -> None:
    """Other means and deviations: x = μ + σ z; z, the standard score, is standard normal again."""
    for mu, sigma in NORMALS[1:]:

        def drawn(twin: Twin, mu: float = mu, sigma: float = sigma) -> np.ndarray:
            twin.manual_seed(SEED)
            return twin.array(mu + sigma * twin.random.randn(DRAWS))

        x = on_both(drawn)
        mean, share = on_both(lambda t, x=x: float(x[t.name].mean())), math.erf(0.5**0.5)  # type: ignore[misc]
        scores = on_both(lambda t, x=x, m=mu, s=sigma: float((np.abs((x[t.name] - m) / s) < 1).mean()))  # type: ignore[misc]
        found.figures += [
            drawn_around(f"normal, μ = {mu:g}, σ = {sigma:g}: mean", mu, mean, sigma * DRAWS**-0.5),
            drawn_around(
                f"normal, μ = {mu:g}, σ = {sigma:g}: share of standard scores within 1",
                share,
                scores,
                math.sqrt(share * (1 - share) / DRAWS),
            ),
        ]


def _draw_chance(found: Replay, path: Path) -> None:
    """The chapter's discrete variable, the mean of more and more draws, and normals of several μ and σ."""
    from matplotlib.figure import Figure as Picture

    figure = Picture(figsize=(13, 3.8), layout="constrained")
    pmf, law, bells = figure.subplots(1, 3)
    pmf.bar(printed.X, printed.P, 0.6, color="0.8", edgecolor="black")
    pmf.axvline(2.3, color="black", linestyle="--", label="mean, 2.3")
    pmf.set(title="A probability mass function", xlabel="value", ylabel="probability", xticks=range(6))
    n = np.arange(1, 10_001)
    for twin, style in zip(TWINS, TWIN_STYLES, strict=False):
        twin.manual_seed(SEED)
        tosses = twin.array(twin.random.rand(len(n))) < 0.5
        law.plot(n, np.cumsum(tosses) / n, label=twin.name, **style)
    law.plot(n, 0.5 + 1 / np.sqrt(n), "k:", linewidth=1, label="0.5 ± 1 / √n")
    law.plot(n, 0.5 - 1 / np.sqrt(n), "k:", linewidth=1)
    law.set(title="The law of large numbers", xlabel="tosses", ylabel="share of heads", xscale="log", ylim=(0, 1))
    x = np.linspace(-7, 5, 401)
    for (mu, sigma), line in zip(NORMALS, ("-", "--", ":"), strict=True):
        density = np.exp(-(((x - mu) / sigma) ** 2) / 2) / (sigma * math.sqrt(2 * math.pi))
        bells.plot(x, density, color="black", linestyle=line, label=f"μ = {mu:g}, σ = {sigma:g}")
    bells.set(title="Normal distributions", xlabel="x", ylabel="density")
    for axes in (pmf, law, bells):
        axes.legend(fontsize="small")
    save(figure, path)
    found.plots.append((path, "The chapter's variable; a coin's share of heads, drawn by both engines; three normals."))


def _draw(heads: dict[str, np.ndarray], normal: dict[str, np.ndarray], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    k = np.arange(COINS + 1)
    exact = [math.comb(COINS, i) * HEADS**i * (1 - HEADS) ** (COINS - i) for i in k]
    for name, shift in (("scratch", -0.2), ("torch", 0.2)):
        left.bar(k + shift, np.bincount(heads[name], minlength=COINS + 1) / DRAWS, 0.4, color=COLORS[name], label=name)
    left.plot(k, exact, "k_", markersize=11, markeredgewidth=1.5, label="formula")
    left.set(title=f"Heads among {COINS} coins, p = {HEADS}", xlabel="heads", ylabel="share", xticks=range(0, 21, 2))
    bins = np.linspace(-4, 4, 65)
    for name, style in ENGINE_STYLES.items():
        looks = {"color": style["color"], "linewidth": style["linewidth"]}
        right.stairs(np.histogram(normal[name], bins, density=True)[0], bins, label=name, **looks)
    x = np.linspace(-4, 4, 401)
    right.plot(x, np.exp(-x * x / 2) / math.sqrt(2 * math.pi), "k--", linewidth=1.2, label="formula")
    right.set(title="The standard normal", xlabel="x", ylabel="density")
    for axes in (left, right):
        axes.legend(fontsize="small")
    save(figure, path)
