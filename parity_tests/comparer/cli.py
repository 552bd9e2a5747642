"""`nn-parity compare LEFT RIGHT`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from parity_tests.choices import choice
from parity_tests.exits import CannotError, StoppedError, refuse, refuse_unwritable


def compare_command(
    left: Annotated[
        str,
        typer.Argument(
            help="FILE.py:FUNCTION, PACKAGE.MODULE:FUNCTION or FILE.onnx; the function makes the model. Or a folder of "
            "answers (vectors export, record)"
        ),
    ],
    right: Annotated[str, typer.Argument(help="the reference, given in the same way")],
    input_: Annotated[
        str | None,
        typer.Option(
            "--input", help=".npy, .npz or .safetensors file, or shapes: 2,8,16 or 2,8:50 for integers below 50"
        ),
    ] = None,
    steps: Annotated[
        int,
        typer.Option(help="optimizer steps to compare; the functions return {'model': ..., 'optimizer': ...}", min=0),
    ] = 0,
    parameters: Annotated[
        str, typer.Option(help="copy, seed, or a checkpoint (.safetensors, .pt) for both sides")
    ] = "copy",
    map_file: Annotated[
        Path | None,
        typer.Option(
            "--map",
            help='JSON: {"left name": "right name"} or ["right name", MOVE ...]; moves are transpose, permute 3 2 0 1, '
            'reshape, rows 0:16, gates zrn, concat, sum; "zero" and "ignore" for what the right does not have',
        ),
    ] = None,
    write_map: Annotated[
        Path | None, typer.Option(help="if names do not pair, write the proposed map to this file")
    ] = None,
    mode: Annotated[
        str, choice("exported models are always compared in eval mode", ("train", "eval", "both"))
    ] = "both",
    seed: Annotated[int, typer.Option(help="seed of everything that is drawn", min=0, max=2**32 - 1)] = 0,
    precision: Annotated[
        str | None,
        choice("how the left is judged against a folder; its own by default", ("float16", "bfloat16", "int8")),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="write the report as one HTML file")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the report as JSON")] = None,
    traceback: Annotated[bool, typer.Option(help="print all of an error, not its first line and place")] = False,
) -> None:
    """Whether two implementations agree, where they diverge first, and the likely cause.

    LEFT and RIGHT are code: loading them runs it. The right one is the reference. The functions return a model, or a
    dict with model, and loss, optimizer, inputs, target as needed; a function that takes the inputs is a model itself.

    A plain object needs forward(x) or __call__(x). Its gradients are compared if it has backward(dy), which returns the
    gradient of the input (a tuple for several) and leaves those of its arrays in dNAME, grad_NAME, NAME_grad, or in a
    dict grads or gradients. Arrays called running_* or moving_* are buffers; train(mode) or an attribute training
    switches the mode; `frozen = True` says that its parameters are its own. Optimizers: the tool sets p.grad and calls
    step(). ONNX files are given by name, in Python by parity_tests.comparer.load.load_side("model.onnx").

    Exit 0: parity. 1: divergence. 2: could not compare (with the reason).

    \b
    nn-parity compare mine.py:net torchs.py:net --input 2,8,16
    nn-parity compare exported.onnx model.py:build --input images.npy --html report.html
    nn-parity compare recorded model.py:net
    """
    from parity_tests.comparer.errors import told
    from parity_tests.comparer.proposal import as_json
    from torch_impl.files import write_text

    for option, path in (("--html", html), ("--json", json_file), ("--write-map", write_map)):
        refuse_unwritable("compare", option, path)
    beside_a_folder = Path(left).is_dir() or Path(right).is_dir()
    if precision is not None and not beside_a_folder:
        refuse("compare: --precision has a meaning only beside a folder: two live sides are judged in their own.")
    try:
        if beside_a_folder:
            report = _with_files(left, right, input_, steps, parameters, map_file, mode, precision, seed)
        else:
            report = run(left, right, input_, steps, parameters, map_file, seed, mode)
    except StoppedError:
        raise
    except SystemExit as error:  # its own exit code would read as a verdict
        refuse(f"compare: the code of a side ends the process, by sys.exit({error.code!r}) or an argument parser.")
    except Exception as error:
        if traceback:
            raise
        refuse(" ".join((str(error) if isinstance(error, CannotError) else f"compare: {told(error)}").split()))
    typer.echo(str(report))
    if write_map is not None and report.proposal is not None:
        write_text(write_map, as_json(report.proposal.entries))
    if html is not None:
        write_text(html, report.to_html())
    if json_file is not None:
        write_text(json_file, report.to_json() + "\n")
    raise typer.Exit(0 if report.ok else 1 if report.comparable else 2)


def _with_files(
    left: str,
    right: str,
    inputs: str | None,
    steps: int,
    parameters: str,
    map_file: Path | None,
    mode: str,
    precision: str | None,
    seed: int,
) -> Any:
    """A folder says itself with what the model was called."""
    from parity_tests.comparer.findings import CompareError
    from parity_tests.recordings.cli import compare_with_files

    set_ = {"--input": inputs is not None, "--parameters": parameters != "copy", "--steps": steps, "--seed": seed}
    for option, given in set_.items():
        if given:
            raise CompareError(f"compare: {option} has no meaning beside a folder, which holds what was given.")
    if mode not in ("eval", "train", "both"):
        raise CompareError(f"compare: --mode must be train, eval or both, got {mode!r}.")
    return compare_with_files(left, right, map_file, mode, precision)


def run(
    left: str,
    right: str,
    inputs: str | None,
    steps: int,
    parameters: str,
    map_file: Path | None,
    seed: int,
    mode: str = "both",
) -> Any:
    """Load both sides, compare them, return the report."""
    from parity_tests.comparer.comparison import compare
    from parity_tests.comparer.findings import CompareError
    from parity_tests.comparer.load import load_arrays, load_inputs, load_map, load_side
    from parity_tests.comparer.sides import build
    from torch_impl.bridge import load_arrays as fill

    made = []
    for text in (left, right):
        side = load_side(text)
        side = build(side, seed, False)
        made.append(side if isinstance(side, dict) else {"model": side})
    for text, parts in zip((left, right), made, strict=True):
        if "model" not in parts:
            raise CompareError(f"compare: {text} returned a dict without 'model'.")
    own = made[1] if "inputs" in made[1] else made[0]
    given = load_inputs(inputs, seed) if inputs is not None else own.get("inputs")
    if given is None:
        raise CompareError("compare: give --input, or let the right function return {'model': ..., 'inputs': ...}.")
    names: Any = "copy" if parameters in ("copy", "seed") else parameters
    if names != "copy":
        fill(made[1]["model"], load_arrays(Path(parameters)))
        names = "copy"
    if map_file is not None:
        names = load_map(map_file)
    pair: dict[str, Any] = {}
    for part in ("loss", "optimizer"):
        found = [parts.get(part) for parts in made]
        pair[part] = (
            None if found == [None, None] else tuple(f if f is not None else found[1 - i] for i, f in enumerate(found))
        )
    if parameters == "seed":
        names = "seed"
        models: list[Any] = [lambda m=parts["model"]: m for parts in made]  # made from the seed, above
    else:
        models = [parts["model"] for parts in made]
    target = made[1].get("target", made[0].get("target"))
    return compare(models[0], models[1], given, target, pair["loss"], pair["optimizer"], steps, names, seed, mode)
