"""`compare` with any arguments, and `vectors check` on answers and manifests with accidents: a verdict, or one line.

A fixed sample runs always, more with -m deep.
"""

import json
import random
import shutil

import numpy as np
import pytest
import safetensors.numpy
import typer
from typer.testing import CliRunner

from parity_tests.cli import Commands
from parity_tests.comparer.cli import compare_command
from parity_tests.table import TABLE
from parity_tests.tests.mutations import changed, damaged
from parity_tests.vectors.answer import answer
from parity_tests.vectors.cli import app as vectors
from parity_tests.vectors.export import export

EXAMPLE = "parity_tests.comparer.example"
compare = typer.Typer(cls=Commands)
compare.command("compare")(compare_command)
compare.command("nothing")(lambda: None)  # with one command alone, typer makes no group

STRANGE = [
    *(
        "",
        " ",
        "x",
        "-1",
        "0",
        "1e9",
        "nan",
        "None",
        "\x1b[2J",
        "é\u202e",
        "../x",
        "/",
        ".",
        "/dev/null",
        "/dev/zero",
        "[1]",
    ),
    *("x.npy", "x.npz", "x.safetensors", "x.pt", "x.json", "x.onnx", "x.py", "x.py:f", "os:getcwd", ":", "::", "a.b:c"),
    *(f"{EXAMPLE}:left", f"{EXAMPLE}:right", f"{EXAMPLE}:nothing", EXAMPLE, "json:dumps", "sys:exit", "x" * 5000),
]
INPUTS = ["2,8,16", "2,8", "0,8,16", "2,-8", "2,8:50", "2,8,16:bool", "a=2,8,16", "2,8,16;3", "9" * 30, "1" + ",1" * 70]
INPUTS += ["2,8,16:float16", "2,8,16:-3", "2,8,16:", ",", ";", "2,8,16:bfloat16", "1000000,1000000,1000000"]
OPTIONS = {
    "--input": INPUTS,
    "--steps": ["0", "1", "2"],
    "--parameters": ["copy", "seed"],
    "--map": ["map.json"],
    "--mode": ["train", "eval", "both"],
    "--seed": ["0", "-1", str(2**63), str(2**64), str(10**30)],
    "--html": ["out.html", "nowhere/out.html"],
    "--json": ["out.json"],
    "--write-map": ["out.map"],
}
DEPTHS = [pytest.param(60, id="fixed"), pytest.param(600, id="deep", marks=pytest.mark.deep)]


def line(rng):
    """A command line: mostly as it should be, with one or two accidents."""
    sides = [f"{EXAMPLE}:{rng.choice(['left', 'repaired'])}", f"{EXAMPLE}:right"]
    options = {"--input": "2,8,16"}
    for _ in range(rng.choice((1, 1, 2))):
        if rng.random() < 0.2:
            sides[rng.randrange(2)] = rng.choice(STRANGE)
        else:
            name = rng.choice(list(OPTIONS))
            options[name] = rng.choice(OPTIONS[name] if rng.random() < 0.6 else STRANGE)
    words = [word for pair in options.items() for word in pair]
    return [*sides, *words, *rng.choice([[], [], [], ["--traceback"], ["--no-such"], ["more"]])]


def ended_well(done, codes=(0, 1, 2)):
    """A verdict, or one clear line; the command line's own usage errors have more."""
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    assert done.exit_code in codes, done.output
    if done.exit_code == 2 and "Usage: " not in done.stderr and "COULD NOT COMPARE" not in done.stdout:
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert done.stderr.strip().isprintable()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("count", DEPTHS)
def test_any_arguments_of_compare(count, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "x.json").write_text('{"a": "b"}')
    (tmp_path / "map.json").write_text('{"nothing": ["x", "transpose"]}')
    (tmp_path / "x.py").write_text("def f():\n    raise RuntimeError('two\\nlines')\n")
    rng = random.Random(0)
    for _ in range(count):
        words = [word for word in line(rng) if word != "--traceback"]
        done = CliRunner().invoke(compare, ["compare", *words])
        try:
            ended_well(done)
        except AssertionError as error:
            raise AssertionError(f"{[word[:60] for word in words]}: {error}") from None


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "vectors"
    export(folder, [row for row in TABLE if row.label in ("nn.Linear", "optim.SGD")], {})
    for name in ("nn.Linear", "optim.SGD"):
        answer(folder, name)
    return folder


@pytest.mark.parametrize("count", DEPTHS)
@pytest.mark.parametrize("name", ["nn.Linear", "optim.SGD"])
def test_any_answers(name, count, made, tmp_path):
    folder = shutil.copytree(made, tmp_path / "vectors")
    path = folder / "answers" / f"{name}.safetensors"
    content, rng = path.read_bytes(), random.Random(name)
    numbers = safetensors.numpy.load(content)
    for _ in range(count // 2):
        if rng.random() < 0.5:
            path.write_bytes(damaged(rng, content))
        else:
            wrong = changed(rng, numbers)
            wrong = wrong if isinstance(wrong, dict) else {}
            arrays = {str(name): np.array(x, order="C") for name, x in wrong.items() if isinstance(x, np.ndarray)}
            plain = {name: x.astype(x.dtype.newbyteorder("=")) for name, x in arrays.items() if x.dtype.kind in "fiub"}
            path.write_bytes(safetensors.numpy.save(plain))
        ended_well(CliRunner().invoke(vectors, ["check", str(folder)]))


@pytest.mark.parametrize("count", DEPTHS)
@pytest.mark.parametrize("name", ["vectors.json", "nn.Linear.json", "optim.SGD.json", "nn.Linear.safetensors"])
def test_any_manifest(name, count, made, tmp_path):
    folder = shutil.copytree(made, tmp_path / "vectors")
    content, rng = (folder / name).read_bytes(), random.Random(name)
    for _ in range(count // 2):
        if name.endswith(".json") and rng.random() < 0.7:
            try:
                (folder / name).write_text(json.dumps(changed(rng, json.loads(content))))
            except (TypeError, ValueError):
                continue  # not a value of JSON
        else:
            (folder / name).write_bytes(damaged(rng, content))
        done = CliRunner().invoke(vectors, ["check", str(folder)])
        ended_well(done)
