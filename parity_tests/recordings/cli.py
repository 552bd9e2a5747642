"""`nn-parity record`, and what `vectors export` and `compare` do with a user's own model."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from parity_tests.choices import choice
from parity_tests.exits import CannotError, StoppedError, refuse

MODEL = re.compile(r".+\.py:\w+|[A-Za-z_][\w.]*:\w+")
INPUT_HELP = ".npy, .npz or .safetensors file, or shapes: 2,8,16 or 2,8:50 for integers below 50"


def names_a_model(text: str) -> bool:
    """FILE.py:FUNCTION or PACKAGE.MODULE:FUNCTION, and not the name of a folder or a row."""
    return MODEL.fullmatch(text) is not None


def record_command(
    model: Annotated[str, typer.Argument(help="FILE.py:FUNCTION or PACKAGE.MODULE:FUNCTION, as for compare")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a new or empty folder, or an older recording")],
    input_: Annotated[str | None, typer.Option("--input", help=INPUT_HELP)] = None,
    on: Annotated[
        Path | None,
        typer.Option(help="take inputs, parameters and calls of this recording, to be compared with it"),
    ] = None,
    mode: Annotated[str, choice("the modes to record", ("train", "eval", "both"))] = "both",
    seed: Annotated[int, typer.Option(help="seed of everything that is drawn", min=0, max=2**32 - 1)] = 0,
    steps: Annotated[int, typer.Option(help="optimizer steps; the function returns the optimizer too", min=0)] = 0,
    precision: Annotated[
        list[str] | None,
        typer.Option(help="another precision in which it may be answered: float16, bfloat16, int8; several times"),
    ] = None,
) -> None:
    """Write what a model does here: every layer's inputs, parameters, outputs, gradients and states, with limits.

    The folder is compared with the same model elsewhere, or later: another torch, machine or device, after an upgrade
    or a quantization. It holds numbers, no code; vectors.json says with which versions, device and seed.

    \b
    nn-parity record model.py:net before --input 2,8,16
    nn-parity record model.py:net after --on before
    """
    guarded("record", lambda: write(model, folder, input_, mode, seed, precision or [], True, steps, on))


def write(
    text: str,
    folder: Path,
    inputs: str | None,
    mode: str,
    seed: int,
    smaller: Sequence[str],
    answered: bool,
    steps: int = 0,
    on: Path | None = None,
) -> None:
    """Load the model, run it, write the folder, say what is in it."""
    from parity_tests.comparer.findings import CompareError
    from parity_tests.recordings.parameters import take_parameters
    from parity_tests.recordings.read import Folder
    from parity_tests.recordings.write import write_model

    if mode not in ("train", "eval", "both"):
        raise CompareError(f"record: --mode must be train, eval or both, got {mode!r}.")
    if on is not None and (inputs is not None or seed):
        raise CompareError("record: --on takes the inputs and the seed of that recording: omit --input and --seed.")
    asking = Folder(on) if on is not None else None
    live, came = live_model(text, inputs, seed, asking)
    if asking is not None:
        take_parameters(asking, live)
    facts = {"code": Path(text).name if ".py:" in text else text, "inputs": came}
    index = write_model(folder, live, mode, facts, smaller, answered, _tracked, asking, steps)
    for label, reason in index["left_out"].items():
        typer.echo(f"{label} left out: {reason}")
    what = "with its own answers" if answered else f"to be answered in {folder / 'answers'}"
    typer.echo(f"{len(index['rows'])} calls of {live.label} in {folder}, {what}")


def live_model(text: str, inputs: str | None, seed: int, folder: Any = None) -> tuple[Any, str]:
    """The model that a text names, with its inputs, and where they are from; those of a folder if one is given."""
    from parity_tests.comparer.findings import CompareError
    from parity_tests.comparer.load import load_inputs, load_side
    from parity_tests.comparer.sides import build
    from parity_tests.recordings.live import Live

    side = build(load_side(text), seed, False)
    parts = dict(side) if isinstance(side, dict) else {"model": side}
    if folder is not None:
        parts["target"] = folder.target()
        return Live(parts, folder.given(), folder.seed()), f"{folder.path.name}, a recording"
    given = load_inputs(inputs, seed) if inputs is not None else parts.get("inputs")
    if given is None:
        raise CompareError("record: give --input, or let the function return {'model': ..., 'inputs': ...}.")
    came = "the function" if inputs is None else f"{Path(inputs).name if Path(inputs).is_file() else inputs}"
    return Live(parts, given, seed), came


def compare_with_files(left: str, right: str, map_file: Path | None, mode: str, precision: str | None) -> Any:
    """compare, where at least one of the two names is a folder."""
    from parity_tests.comparer.findings import CompareError
    from parity_tests.comparer.load import load_map
    from parity_tests.recordings.compare import compare_files
    from parity_tests.recordings.read import Folder

    folders = [Folder(Path(text)) if Path(text).is_dir() else None for text in (left, right)]
    asking = folders[1] or folders[0]
    sides = [
        folder or live_model(text, None, asking.seed() if asking else 0, asking)[0]
        for folder, text in zip(folders, (left, right), strict=True)
    ]
    if precision is not None and folders[0] is not None:
        raise CompareError("compare: --precision says how a live left is judged; files name theirs.")
    return compare_files(sides[0], sides[1], None if map_file is None else load_map(map_file), mode, precision)


def guarded(command: str, run: Any) -> None:
    """An error in the user's own code is one line, and its exit code is no verdict."""
    from parity_tests.comparer.errors import told

    try:
        run()
    except StoppedError:
        raise
    except SystemExit as error:
        refuse(f"{command}: the code of the model ends the process, by sys.exit({error.code!r}) or an argument parser.")
    except Exception as error:
        text = str(error) if isinstance(error, CannotError | OSError) else f"{command}: {told(error)}"
        if isinstance(error, OSError):
            raise
        refuse(" ".join(text.split()))


def _tracked(queries: Sequence[Any]) -> Iterable[Any]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(queries, "recording", console=console, transient=True, disable=not sys.stderr.isatty())
