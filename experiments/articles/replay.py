"""replay(names): run articles on both engines, print their claims beside the results, and write everything as data."""

from __future__ import annotations

import difflib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from rich.markup import escape

from experiments.articles import ARTICLES, article
from experiments.articles.article import Replay
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
    from tqdm import tqdm

    check_names(names)
    done: list[Replay] = []
    missing: DataError | None = None
    with one_thread(), tqdm(names, leave=False, disable=not sys.stderr.isatty()) as bar:
        for name in bar:

            def progress(what: str, name: str = name) -> None:
                bar.set_description(f"{name}: {what}")

            progress("start")
            try:
                done.append(replay_one(name, Path(output) / name, data_dir, progress))
            except DataError as error:
                missing = error
                continue
            bar.clear()
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
    """The names that can be replayed, with a description of each."""
    names = table("articles that can be replayed", "name", "what", "text")
    for name in ARTICLES:
        one = article(name)
        names.add_row(name, escape(one.title), escape(one.source))
    console().print(names)


def show(found: Replay) -> None:
    """Figures of both engines beside the text's, the gradient checks, the notes, and the folder of the plots."""
    out = console()
    figures = table(f"{found.name}: {escape(found.title)}", "what", "in the text", "scratch", "torch", "verdict")
    for figure in found.figures:
        cells = (figure.what, figure.article, figure.scratch, figure.torch)
        figures.add_row(*(escape(cell) for cell in cells), mark(figure.ok))
    out.print(figures)
    if found.checks:
        checks = table("gradient checks", "formula", "error", "limit", "verdict")
        for check in found.checks:
            verdict = mark(check.ok) if check.expected or not check.ok else "[green]caught[/]"
            checks.add_row(escape(check.what), f"{check.error:.1e}", f"{check.limit:.0e}", verdict)
        out.print(checks)
        for check in found.checks:
            if check.note:
                out.print(f"{check.what}: {check.note}", markup=False)
    for note in found.notes:
        out.print(note, markup=False)
    folder = found.plots[0][0].parent if found.plots else None
    files = ", ".join(path.name for path, _ in found.plots)
    out.print(f"{found.seconds:.1f} s. {f'Plots in {folder}: {files}.' if files else 'No plots.'}\n", markup=False)
