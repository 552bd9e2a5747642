"""runs.html: every finished run below runs/, the newest first, with its options, figures and pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from experiments.site.pages import Site
from experiments.site.twins import RUNS, UNTOLD
from experiments.training.config import Config
from torch_impl.files import read_json

LONGEST = 2**24  # bytes of a metrics.json; a thousand epochs have 0.3 MB
NAMED = ("model", "data", "dtype", "seed", "epochs")  # options that have a column of their own
PICTURES = ("curves", "epochs", "confusion", "classes")
KINDS = {"test_loss": float, "test_accuracy": float, "seconds": float, "steps": int}


@dataclass(frozen=True)
class Listed:
    """One run: its folder and where that lies from the page, and what its metrics.json says."""

    folder: str
    link: str
    config: dict[str, Any]
    engines: dict[str, dict[str, Any]]
    pictures: list[str]

    @property
    def options(self) -> str:
        """The options that are not the usual ones and have no column."""
        usual = asdict(Config())
        shown = {name: value for name, value in self.config.items() if name not in (*NAMED, *UNTOLD)}
        return ", ".join(f"{name} {_text(value)}" for name, value in shown.items() if value != _plain(usual.get(name)))


def write(site: Site) -> None:
    listed = list(found(RUNS, site.output))
    site.render("runs.html", "runs.html", title="All runs", runs=listed, folder=RUNS.as_posix(), pictures=PICTURES)


def found(runs: Path, page: Path) -> Iterator[Listed]:
    """The runs below a folder at any depth; a metrics.json that is no run's, or damaged, is passed over."""
    files = sorted(runs.rglob("metrics.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files:
        try:
            metrics = read_json(path, LONGEST)
            engines = {str(name): {what: kind(run[what]) for what, kind in KINDS.items()}
                       for name, run in metrics["runs"].items()}  # fmt: skip
            config = {field.name: metrics["config"][field.name] for field in fields(Config)}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        folder = path.parent
        pictures = [name for name in PICTURES if (folder / f"{name}.png").is_file()]
        yield Listed(folder.relative_to(runs).as_posix(), os.path.relpath(folder, page), config, engines, pictures)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
