"""`nn-parity vectors export`: one safetensors file and one manifest per row, an index of the folder, and beside them
the page that explains them and a program that follows it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from parity_tests.table.row import (
    Averaging,
    Clipping,
    Inference,
    Initialiser,
    Layer,
    Optimizer,
    Pair,
    Program,
    Scheduler,
)
from parity_tests.vectors.files import FORMAT, INDEX, VERSION, as_safetensors, read_index, write_bytes, write_json
from parity_tests.vectors.layer import layer_vector
from parity_tests.vectors.trajectory import averaging_vector, clip_vector, optimizer_vector, schedule_vector
from parity_tests.vectors.vector import Json, NotPortable, Vector, VectorsError, file_name
from torch_impl.files import printable

PAGES = [Path(__file__).parent / name for name in ("FORMAT.md", "check.mjs")]

KINDS: dict[type[Any], Callable[[Any], Vector]] = {
    Layer: layer_vector,
    Optimizer: optimizer_vector,
    Scheduler: schedule_vector,
    Clipping: clip_vector,
    Averaging: averaging_vector,
}
NOT_PORTABLE: dict[type[Any], str] = {
    Initialiser: "an initialiser turns a seed into bits: there are no numbers to start from",
    Inference: "about a path that torch takes without gradients",
    Program: "a program of a few lines: there is no single call to answer",
}


def vector_of(row: Pair) -> Vector:
    """The vector of one row, whatever its kind."""
    if type(row) in NOT_PORTABLE:
        raise NotPortable(NOT_PORTABLE[type(row)])
    with warnings.catch_warnings(), _one_thread():
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", FutureWarning)
        return KINDS[type(row)](row)


@contextmanager
def _one_thread() -> Iterator[None]:
    """The order in which torch sums depends on the number of threads; the files must not."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def export(
    folder: Path,
    rows: Sequence[Pair],
    environment: dict[str, str],
    tracked: Callable[[Sequence[Pair]], Iterable[Pair]] = iter,
    only: bool = False,
) -> dict[str, Json]:
    """Write the vectors of these rows and return the index.

    The folder must be new, empty, or a vectors folder; its other rows are kept, or removed if the folder shall hold
    `only` these. `complete` is false in the index while the export is running. `tracked` iterates over the rows and
    shows the progress.
    """
    index = earlier_index(folder)
    begun = {row["name"] for row in index["begun"]}  # by an export that was interrupted
    before = {row["name"]: row["label"] for row in index["rows"] if row["name"] not in begun}
    names = {file_name(row.label): row.label for row in rows}
    if len(names) != len(rows):
        raise VectorsError("export: two rows would have the same file name: rename a case in parity_tests/table.")
    kept = {} if only else {name: label for name, label in before.items() if name not in names}
    if kept and index["environment"] != environment:
        raise VectorsError(
            f"export: {folder} holds rows made with {_said(index['environment'])}, this is {_said(environment)}. Name "
            "another folder, or replace them all with --only."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for part in folder.glob(".*.part*"):  # left by killed exports
        part.unlink(missing_ok=True)
    head = {"format": FORMAT, "version": VERSION, "environment": environment}
    left_out = {} if only else {label: why for label, why in index["left_out"].items() if label not in names.values()}
    removed = {name: name for name in begun | (before.keys() - kept.keys())}
    listed = {"rows": _listed(kept), "begun": _listed(removed | names)}
    write_json(folder / INDEX, {**head, "complete": False, **listed, "left_out": left_out})
    for page in PAGES:
        write_bytes(folder / page.name, page.read_bytes())
    for row in tracked(rows):
        name = file_name(row.label)
        try:
            vector = vector_of(row)
        except NotPortable as reason:
            left_out[row.label] = str(reason)
            continue
        write_bytes(folder / f"{name}.safetensors", as_safetensors(vector.tensors))
        write_json(folder / f"{name}.json", vector.manifest())
    written = kept | {name: label for name, label in names.items() if label not in left_out}
    for name in (removed.keys() | names.keys()) - written.keys():
        for ending in ("safetensors", "json"):
            (folder / f"{name}.{ending}").unlink(missing_ok=True)
    index = {**head, "complete": True, "rows": _listed(written), "left_out": left_out}
    write_json(folder / INDEX, index)
    return index


def _listed(names: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "label": label} for name, label in sorted(names.items())]


def _said(environment: Any) -> str:
    if not isinstance(environment, dict):
        return "unknown versions"
    return printable(", ".join(f"{name} {version}" for name, version in environment.items()))


def earlier_index(folder: Path) -> dict[str, Json]:
    """The index of an existing vectors folder. Any other folder that is not empty is refused."""
    nothing: dict[str, Json] = {"rows": [], "begun": [], "left_out": {}, "environment": None}
    if not folder.exists():
        return nothing
    if not folder.is_dir():
        raise VectorsError(f"export: {folder} is a file. Name a folder.")
    begun = set(folder.glob(".*.part*"))  # by an export that was killed
    if (folder / INDEX).exists():
        return nothing | read_index(folder)
    if any(path not in begun for path in folder.iterdir()):
        raise VectorsError(
            f"export: {folder} is not empty, and not a vectors folder (it has no {INDEX}). Name a new or empty folder."
        )
    return nothing
