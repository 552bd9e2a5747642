"""Progress: a bar in a terminal, a line for each piece of work elsewhere, in every command that takes long."""

from __future__ import annotations

import io
import math
import os
import pty
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.articles import replay as articles
from experiments.articles.article import Article, Replay
from experiments.fast import measure
from experiments.fast.recipe import RECIPES
from experiments.progress import Progress, divergence
from experiments.site.build import build
from experiments.tests import without_pictures
from experiments.training import twins
from experiments.training.config import Config
from experiments.training.data import ImageData, Part
from experiments.training.run import train
from parity_tests.tests import patience

ROOT = Path(__file__).parents[2]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@contextmanager
def terminal() -> Iterator[Terminal]:
    screen = Terminal()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", screen)
        patch.setenv("COLUMNS", "200")
        yield screen


def digits(seed: int, count: int = 100) -> Part:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 10, count)
    images = generator.integers(0, 100, (count, 28, 28))
    images[np.arange(28) // 3 == labels[:, None]] += 150  # a bar whose height is the class
    return Part(images.astype(np.uint8), labels)


DATA = ImageData(digits(0), digits(1))


def test_without_a_terminal_there_is_a_line_for_each_piece(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("scratch, epoch", 3) as progress:
        progress.line("begun", at=1)
        progress.piece("loss 2.0")
        progress.piece("loss 1.0")
    told = capsys.readouterr()
    assert told.err == ""
    first, second, third = told.out.splitlines()
    assert first == "scratch, epoch 1 of 3: begun"
    assert second.startswith("scratch, epoch 1 of 3: loss 2.0, ")
    assert third.startswith("scratch, epoch 2 of 3: loss 1.0, ")
    assert third.endswith(" s left")


def test_pieces_of_an_earlier_start_do_not_count_as_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 10.0, 20.0])
    monkeypatch.setattr("experiments.progress.time.perf_counter", lambda: next(clock))
    progress = Progress("torch, epoch", 10, bar=False)
    progress.skip(5)
    assert progress.seconds_left() is None
    progress.tick()
    assert progress.seconds_left() == 20.0 * 4  # one epoch in 20 s, four are left


def test_in_a_terminal_there_is_a_bar_with_the_figures_and_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal() as screen, Progress("scratch, epoch", 2) as progress:
        progress.bar.mininterval = 0
        progress.piece("loss 2.0")
        progress.warn("scratch diverged")
    assert "scratch, epoch  50%" in screen.getvalue()
    assert "loss 2.0" in screen.getvalue()
    assert capsys.readouterr().out == "scratch diverged\n"


@pytest.mark.parametrize(
    ("first", "last", "says"),
    [
        (2.3, 0.1, ""),
        (2.3, 5.0, "began at 2.3, and is 5"),
        (2.3, math.nan, "not finite"),
        (2.3, math.inf, "not finite"),
    ],
)
def test_divergence_is_said(first: float, last: float, says: str) -> None:
    text = divergence("scratch", first, last)
    assert says in text
    assert bool(text) == bool(says)


@pytest.mark.parametrize("engine", ["torch", "scratch"])
def test_fast_prints_a_line_a_seed_and_says_that_it_diverged(engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = replace(RECIPES["mlp"], epochs=2, batch_size=20)
    measure.measure(recipe, DATA, seeds=2, engine=engine)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": loss ")[0] for line in lines] == [f"mlp, {engine}, plain, seed {i} of 2" for i in (1, 2)]
    assert all("accuracy" in line for line in lines)
    measure.measure(replace(recipe, lr=100.0), DATA, seeds=1, engine=engine)
    assert f"mlp, {engine}, plain diverged" in capsys.readouterr().out


def test_fast_shows_epoch_step_loss_and_accuracy_in_a_terminal() -> None:
    recipe = replace(RECIPES["mlp"], epochs=2, batch_size=20)
    run, driver, _ = measure.make_run(recipe, DATA.train, "plain", "cpu", "32", "scratch")
    with terminal() as screen:
        shown = measure.Shown(run, 2, "mlp")
        shown.progress.bar.mininterval = 0
        for seed in range(2):
            measure.train(run, driver, seed)
            shown.seed_done(0.125)
    for part in ("epoch 2 of 2", "step 10", "loss ", "accuracy 12.50%", "100%"):
        assert part in screen.getvalue(), part


@pytest.mark.usefixtures("no_pictures_here")
def test_twins_prints_a_line_for_each_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    twins.twins(["mlp"], "digits", 1, output=tmp_path, limit_train=64, hidden=(8,))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("twins, training")]
    assert [line.partition(": scratch loss")[0] for line in lines] == [
        "twins, training 1 of 2: mlp, float64, seed 0",
        "twins, training 2 of 2: mlp, float32, seed 0",
    ]
    assert all("torch loss" in line and "s left" in line for line in lines)


def test_replay_prints_a_line_for_each_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(output: Path, data_dir: Any, progress: Any) -> Replay:
        progress("first part")
        return Replay("toy-16", "a title", "a source", "a claim")

    monkeypatch.setattr(articles, "article", lambda name: Article(name, "a title", "a claim", run))
    articles.replay(["toy-16", "gan"], tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "replay, article 1 of 2: toy-16, first part"
    assert any(line.startswith("replay, article 2 of 2: gan, first part, ") for line in lines)


def test_report_prints_a_line_for_every_tenth_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(tmp_path, "nn.Identity")
    assert "report, page 1 of 1: nn.Identity" in capsys.readouterr().out


@pytest.mark.usefixtures("no_pictures_here")
def test_train_prints_a_line_an_epoch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = Config(engine="scratch", hidden=(8,), epochs=2, limit_train=64, output=str(tmp_path / "run"))
    train(config, progress=False, lines=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": training loss")[0] for line in lines] == [
        "scratch, epoch 1 of 2",
        "scratch, epoch 2 of 2",
    ]


def test_a_pseudo_terminal_sees_the_bar_while_train_runs(tmp_path: Path) -> None:
    parent, child = pty.openpty()
    options = ("--engine", "scratch", "--epochs", "30", "--output", "run")
    command = [sys.executable, "-m", without_pictures.__name__, "train", *options]
    code = (
        f"import os, subprocess, sys; sys.exit(subprocess.run({command!r}, stdout={child}, stderr={child}).returncode)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "120"}
    done = patience.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, pass_fds=(child,))
    os.close(child)
    seen = b""
    os.set_blocking(parent, False)
    try:
        while piece := os.read(parent, 65536):
            seen += piece
    except OSError:  # all is read
        pass
    os.close(parent)
    assert done.returncode == 0, seen
    bar = seen.decode(errors="replace").partition("mlp on digits")[0]
    moves = re.findall(r"left, epoch \d+ of 30, step \d+ of 23, loss \d\.\d+, accuracy \d+\.\d+%", bar)
    assert len(moves) >= 2, bar
