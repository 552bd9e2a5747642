"""replay(names): run articles on both engines, print their claims beside the results, and write everything as data."""

from __future__ import annotations

import difflib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import torch
from rich.markup import escape

from experiments.articles import ARTICLES, article
from experiments.articles.article import Replay
from experiments.articles.texts import TEXTS
from experiments.progress import Progress
from experiments.training.config import ConfigError
from experiments.training.data import DataError
from experiments.training.summary import console, mark, table
from torch_impl.files import write_text


def replay(
    names: Sequence[str], output: str | Path = "runs/replay", data_dir: str | Path | None = None
) -> list[Replay]:
    """Replay these articles, each into its folder under `output`, with its findings in replay.json.

    Raises    ConfigError for an unknown name; DataError, after all others are done, if an article lacks its data.
    """
    check_names(names)
    done: list[Replay] = []
    missing: DataError | None = None
    with one_thread(), Progress("replay, article", len(names)) as shown:
        for number, name in enumerate(names, 1):

            def progress(what: str, name: str = name, number: int = number) -> None:
                shown.tick(f"{name}: {what}", 0)
                shown.line(f"{name}, {what}", number)

            try:
                done.append(replay_one(name, Path(output) / name, data_dir, progress))
            except DataError as error:
                missing = error
                continue
            shown.tick()
            shown.bar.clear()
            show(done[-1])
    if missing is not None:
        raise missing
    return done


def check_names(names: Sequence[str]) -> None:
    for name in names:
        if name not in ARTICLES:
            near = difflib.get_close_matches(name, ARTICLES, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise ConfigError(f"replay: there is no article {name!r}.{hint} The articles are {', '.join(ARTICLES)}.")


def replay_one(name: str, output: Path, data_dir: str | Path | None, progress: Callable[[str], None]) -> Replay:
    """Run one article and write replay.json beside its plots."""
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"output: {output} cannot be written: {error}. Choose another folder with --output."
        ) from error
    start = time.perf_counter()
    found = article(name).run(output, data_dir, progress)
    found.seconds = time.perf_counter() - start
    write_text(output / "replay.json", json.dumps(found.as_dict(), indent=1) + "\n")
    return found


@contextmanager
def one_thread() -> Iterator[None]:
    """NumPy and torch on one thread: these nets are so small that a second one only costs time. Afterwards the number
    is restored.
    """
    from threadpoolctl import threadpool_limits

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)


def show_all() -> None:
    """The texts with the replays of each, and what each replay shows."""
    out = console()
    texts = table("texts, and what replays them", "text", "what it is", "replays")
    for text in TEXTS:
        texts.add_row(escape(f"{text.english}\n{text.title}"), text.kind, "\n".join(text.replays))
    out.print(texts)
    names = table("what can be replayed", "name", "what")
    for name in ARTICLES:
        names.add_row(name, escape(article(name).title))
    out.print(names)


def show(found: Replay) -> None:
    """The claim, figures of both engines beside the text's, the gradient checks, notes, and the folder of the plots."""
    out = console()
    out.print(f"{found.name}: {found.title}", markup=False, style="bold")
    out.print(f"{found.source}: {found.claim}", markup=False)
    for part, rows in groupby(found.figures, lambda figure: figure.part):
        figures = table(escape(part), "what", "in the text", "expected", "scratch", "torch", "verdict")
        for column in figures.columns:
            column.overflow = "fold"  # a quotation is shown whole
        for row in rows:
            text = f"{row.text}, {row.place}" if row.text else ""
            cells = (row.what, text, row.expected, row.scratch, row.torch)
            figures.add_row(*(escape(cell) for cell in cells), VERDICTS[row.verdict])
            if row.note:
                figures.add_row(f"  [dim]{escape(row.note)}[/]")
        out.print(figures)
    for part, group in groupby(found.checks, lambda check: check.part):
        checks = table(f"gradient checks{f': {escape(part)}' if part else ''}", "formula", "error", "limit", "verdict")
        notes = []
        for check in group:
            checks.add_row(escape(check.what), f"{check.error:.1e}", f"{check.limit:.0e}", VERDICTS[check.verdict])
            notes += [f"{check.what}: {check.note}"] if check.note else []
        out.print(checks)
        for note in notes:
            out.print(note, markup=False)
    for note in found.notes:
        out.print(note, markup=False)
    folder = found.plots[0][0].parent if found.plots else None
    files = ", ".join(path.name for path, _ in found.plots)
    out.print(f"{found.seconds:.1f} s. {f'Plots in {folder}: {files}.' if files else 'No plots.'}\n", markup=False)


VERDICTS = {"": "", "ok": mark(True), "FAILED": mark(False), "caught": "[green]caught[/]"}
