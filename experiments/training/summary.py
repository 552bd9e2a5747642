"""The end of a run, as a table in the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from experiments.progress import divergence
from experiments.training.outcome import FIRST, VISIBLE, RunResult

if TYPE_CHECKING:
    from experiments.training.predict import Prediction  # imports Lightning, which a replay does not need

Row = tuple[str, str, bool | None]  # what, result, verdict if there is one


def console() -> Console:
    """Standard output; a file or pipe gets lines of 120 columns, since it has no terminal width."""
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)


def table(title: str, *columns: str) -> Table:
    return Table(*columns, title=title, title_justify="left", box=box.SIMPLE_HEAD)


def mark(ok: bool | None) -> str:
    return {True: "[green]ok[/]", False: "[red]FAILED[/]", None: ""}[ok]


def show(result: RunResult) -> None:
    """The results of each engine, their difference, and the folder of the files."""
    c = result.config
    figures = table(
        f"{c.model} on {c.data}, {c.dtype}, seed {c.seed}", "engine", "steps", "seconds", "loss", "accuracy"
    )
    for name, run in result.runs.items():
        loss, accuracy = f"{run.test_loss:.4f}", f"{run.test_accuracy:.2%}"
        figures.add_row(name, str(len(run.losses)), f"{run.seconds:.1f}", loss, accuracy)
    out = console()
    out.print(figures)
    out.print("Loss and accuracy are those of the test set.")
    if result.comparison:
        comparison = table("scratch against torch, nothing copied", "what", "result", "verdict")
        for what, value, ok in comparison_rows(result):
            comparison.add_row(what, value, mark(ok))
        out.print(comparison)
    for name, run in result.runs.items():
        if text := divergence(name, run.losses[0], run.epochs[-1]["train_loss"]):
            out.print(f"{text} Lower --lr.")
    for run in result.runs.values():
        if run.compiled:
            out.print(compiled_line(run.compiled, bool(c.dropout)), markup=False)
    pictures = "curves.png, epochs.png, confusion.png, classes.png"
    files = "metrics.json, config.yaml; for each engine mistakes.png, steps, logs, predictions, checkpoints"
    out.print(f"Written to {result.output}: {pictures}, {files}.")


def compiled_line(record: dict[str, Any], dropout: bool) -> str:
    """What torch.compile compiled and what not."""
    what = ", ".join(record["compiled"]) or "nothing"
    line = f"torch.compile compiled {what}, in {record['graphs']} graphs; the images were judged by eager torch."
    if record["eager"]:
        line += f" It cannot compile {', '.join(record['eager'])}."
    if dropout and not record["eager"]:
        line += " Compiled dropout draws other masks than eager torch, from the same seed."
    return line


def show_prediction(answer: Prediction) -> None:
    """The digit, the probability of each, and what makes the answer doubtful."""
    out = console()
    article = "an" if answer.digit == 8 else "a"
    out.print(f"It is {article} {answer.digit}, says the network trained by {answer.engine}.")
    for doubt in answer.doubts:
        out.print(f"Doubtful: {doubt}")
    likely = table("", "digit", "probability", "")
    for digit in np.argsort(-answer.probabilities):
        p = float(answer.probabilities[digit])
        likely.add_row(str(digit), f"{p:.2%}", "█" * round(40 * p))
    out.print(likely)


def comparison_rows(result: RunResult) -> list[Row]:
    """The comparison, its result, and its verdict; None where rounding decides."""
    c, dtype = result.comparison, result.config.dtype
    assert c is not None
    return [
        ("initial weights", _same_bits(c.same_initial_weights), c.same_initial_weights),
        ("training batches", _same_bits(c.same_batches), c.same_batches),
        (f"largest relative difference of the loss, {dtype}", f"{c.largest_difference:.1e}", None),
        (f"the same, first {FIRST} steps", f"{c.largest_difference_first_100:.1e}", None),
        (f"first step with more than {VISIBLE:.0e}", str(c.first_visible_step or "none"), None),
    ]


def _same_bits(same: bool) -> str:
    return "every bit equal" if same else "bits differ"
