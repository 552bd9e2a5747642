"""A generative adversarial network that draws digits: a forger and a detective who learn from each other.

    D's loss    -mean log σ(D(x)) - mean log(1 - σ(D(G(z))))        x real, z noise
    G's loss    -mean log σ(D(G(z)))                                the form that does not saturate

The detective D learns to tell real pictures from G's; the forger G learns through D's derivative: dL/dG(z) is what D's
backward returns for its input. With a fixed G the best D has σ(D(x)) = p_real / (p_real + p_G). If G has learned the
distribution, D can but answer 1/2: its loss is then ln 4 and G's is ln 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.articles.article import Article, Figure, GradientCheck, Replay, quiet
from experiments.articles.curves import Panel, draw
from experiments.articles.judge import same_bits
from experiments.articles.twin import TWINS, Twin, network_check, on_both
from experiments.picture import save
from experiments.training.data import load

SEED = 0
NOISE, WIDTH, PIXELS = 16, 128, 64
BATCH, EPOCHS, LR, BETAS = 64, 70, 2e-3, (0.5, 0.999)
EXACT, APART = 20, 1e-12  # steps in float64 that are compared, and the largest relative difference of the losses
SHOWN, JUDGED = 40, 400  # samples in the picture, and for the figures


class Adversaries:
    """Forger, detective, and the two in a row, sharing their weights."""

    def __init__(self, twin: Twin, dtype: str) -> None:
        nn, make = twin.lib.nn, twin.factory(dtype)
        self.forger = nn.Sequential(
            nn.Linear(NOISE, WIDTH, **make),
            nn.ReLU(),
            nn.Linear(WIDTH, WIDTH, **make),
            nn.ReLU(),
            nn.Linear(WIDTH, PIXELS, **make),
            nn.Sigmoid(),
        )
        self.detective = nn.Sequential(nn.Linear(PIXELS, WIDTH, **make), nn.LeakyReLU(0.2), nn.Linear(WIDTH, 1, **make))
        self.both = nn.Sequential(self.forger, self.detective)


@dataclass
class Game:
    """One engine's run: the losses of both players at every step, and samples of the forger."""

    detective: list[float]
    forger: list[float]
    initial: np.ndarray
    samples: np.ndarray


def play(twin: Twin, pictures: np.ndarray, epochs: int, dtype: str = "float32", steps: int | None = None) -> Game:
    """The players move in turn, one Adam step each a batch; everything from SEED."""
    x = twin.tensor(pictures.reshape(-1, PIXELS).astype(dtype))
    make = twin.factory(dtype)
    twin.manual_seed(SEED)
    players = Adversaries(twin, dtype)
    initial = np.concatenate([twin.array(parameter).ravel() for parameter in players.both.parameters()])
    criterion = twin.lib.nn.BCEWithLogitsLoss()
    forger, detective = (
        twin.lib.optim.Adam(net.parameters(), lr=LR, betas=BETAS) for net in (players.forger, players.detective)
    )
    game = Game([], [], initial, np.empty(0))
    for _ in range(epochs):
        for rows in twin.batches(len(pictures), BATCH):
            if len(game.forger) == steps:
                break
            real, n = x[rows], len(rows)
            ones, zeros = (twin.tensor(np.full((n, 1), label, dtype)) for label in (1, 0))
            z = twin.random.randn(n, NOISE, **make)
            forged = twin.tensor(twin.predict(players.forger, z))
            detective.zero_grad()
            told = twin.backward(players.detective, criterion, real, ones)
            told += twin.backward(players.detective, criterion, forged, zeros)
            detective.step()
            game.detective.append(told)
            game.forger.append(twin.step(players.both, criterion, forger, z, ones))
    z = twin.random.randn(JUDGED, NOISE, **make)
    game.samples = twin.predict(players.forger, z).reshape(-1, 8, 8)
    return game


def nearest(pictures: np.ndarray, real: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each picture the distance to the nearest real one, and the number of that."""
    a, b = (p.reshape(len(p), -1).astype(np.float64) for p in (pictures, real))
    squares = (a * a).sum(axis=1)[:, None] - 2 * a @ b.T + (b * b).sum(axis=1)
    return np.sqrt(np.maximum(squares.min(axis=1), 0)), squares.argmin(axis=1)


def independent_pixels(real: np.ndarray) -> np.ndarray:
    """Pictures whose every pixel comes from another real one: right pixel by pixel, and nothing more."""
    rng = np.random.default_rng(SEED)
    return rng.permuted(real.reshape(len(real), -1), axis=0)[:JUDGED].reshape(-1, 8, 8)


def run(
    output: Path,
    data_dir: str | Path | None = None,
    progress: Callable[[str], None] = quiet,
    epochs: int = EPOCHS,
) -> Replay:
    found = ARTICLE.start()
    data = load("digits")
    train, test = data.train, data.test
    games: dict[str, Game] = {}
    for twin in TWINS:
        progress(f"playing, {twin.name}")
        games[twin.name] = play(twin, train.images, epochs)
    progress("in float64")
    exact = on_both(lambda twin: play(twin, train.images, 1, "float64", EXACT))
    both = {name: game.detective + game.forger for name, game in exact.items()}
    mixed = float(nearest(independent_pixels(train.images), train.images)[0].mean())
    held_out = float(nearest(test.images, train.images)[0].mean())
    near = {name: nearest(game.samples, train.images) for name, game in games.items()}
    distance = {name: float(d.mean()) for name, (d, _) in near.items()}
    kinds = {name: float(len(np.unique(train.labels[which]))) for name, (_, which) in near.items()}
    last = len(games["torch"].forger) // 4
    told, fooled = (
        {name: float(np.mean(pick(game)[-last:])) for name, game in games.items()}
        for pick in (lambda game: game.detective, lambda game: game.forger)
    )
    found.figures += [
        same_bits("initial weights", {name: game.initial for name, game in games.items()}),
        Figure.apart(f"float64: first {EXACT} losses of both players apart by", both, APART),
        Figure.of("detective's loss, mean of the last quarter", f"{math.log(4):.3f} if the forger were perfect", told),
        Figure.of("forger's loss, mean of the last quarter", f"{math.log(2):.3f} if the forger were perfect", fooled),
        Figure.of("distance to the nearest real digit", f"under {mixed:.2f}", distance, 0, mixed, ".2f"),
        Figure.of("kinds of digits among the nearest", "10", kinds, form="g"),
    ]
    found.notes.append(
        f"{JUDGED} samples an engine. Pictures with the right shades pixel by pixel, and nothing more, are {mixed:.2f} "
        f"from the nearest real digit; real ones that were held back, {held_out:.2f}. In float32 the two games part "
        "after some hundred steps, as any two do whose roundings differ: the samples are alike in kind, not one by one."
    )
    found.checks += [_check(twin, train.images[:4]) for twin in TWINS]
    _draw_losses(found, games, output / "losses.png")
    _draw_samples(found, games, train.images, output / "samples.png")
    return found


def _check(twin: Twin, pictures: np.ndarray) -> GradientCheck:
    """The forger's gradient through the detective, and the detective's own."""
    twin.manual_seed(SEED)
    players = Adversaries(twin, "float64")
    z = twin.random.randn(len(pictures), NOISE, **twin.factory("float64"))
    ones = twin.tensor(np.ones((len(pictures), 1)))
    return network_check(twin, players.both, twin.lib.nn.BCEWithLogitsLoss(), z, ones, "forger through detective")


def _draw_losses(found: Replay, games: dict[str, Game], path: Path) -> None:
    from experiments.training.plots import running_mean

    window = max(1, len(games["torch"].forger) // 100)
    panels = []
    for title, end, pick in (
        ("Detective", math.log(4), lambda game: game.detective),
        ("Forger", math.log(2), lambda game: game.forger),
    ):
        curves: dict[str, Any] = {name: running_mean(pick(game), window) for name, game in games.items()}
        steps = len(games["torch"].forger)
        curves["if the forger were perfect"] = (np.array([1, steps]), np.array([end, end]))
        panels.append(Panel(title, curves, "step", f"loss, mean of {window} steps"))
    caption = "The losses of both players; the dashed line is where the detective can but guess."
    found.plots.append((draw(path, panels), caption))


def _draw_samples(found: Replay, games: dict[str, Game], real: np.ndarray, path: Path) -> None:
    from matplotlib.figure import Figure as Picture

    columns = 5
    figure = Picture(figsize=(11, 6.4), layout="constrained")
    sheets = {"real digits": real} | {f"drawn by {name}": game.samples for name, game in games.items()}
    for axes, (title, pictures) in zip(figure.subplots(1, 3), sheets.items(), strict=True):
        framed = np.pad(pictures[:SHOWN], ((0, 0), (1, 1), (1, 1)), constant_values=0.35)
        rows = framed.reshape(-1, columns, *framed.shape[1:])
        axes.imshow(rows.transpose(0, 2, 1, 3).reshape(len(rows) * framed.shape[1], -1), cmap="Greys", vmin=0, vmax=1)
        axes.set(title=title, xticks=[], yticks=[])
    save(figure, path)
    found.plots.append((path, "Real digits, and samples of the forger of each engine."))


ARTICLE = Article(
    name="gan",
    title="A generative adversarial network that draws digits",
    claim="A GAN is named as one network that makes false data and another that tries to tell them from real ones.",
    run=run,
)
