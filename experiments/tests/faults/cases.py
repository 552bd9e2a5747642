"""The commands that write, each in the smallest form that still computes and writes all of it.

`PATCHES` make an input smaller or leave out a computation that writes nothing. They run in the forked process.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[3]
EXAMPLE = "parity_tests.comparer.example"


@dataclass(frozen=True)
class Case:
    """A command in a folder that holds `files` and what the command `before` made there.

    `code` is its exit code without a fault. An older result makes it refuse, if `refuses`, or is first removed, if
    `replaces`, as by --overwrite. `resume`, if one can, is how to continue; the files `same` are then those of a run
    without a fault, to the bit.
    """

    command: tuple[str, ...]
    files: dict[str, bytes] = field(default_factory=dict)
    patches: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    code: int = 0
    replaces: bool = False
    refuses: bool = False
    resume: tuple[str, ...] = ()
    same: tuple[str, ...] = ()


PATCHES = {
    "no rows": "import parity_tests.checks.parallel as p; p.check_rows = lambda *ignored: []",
    "no figures": "import experiments.site.component as c; c.figures.draw = c.stopwatch.speed = lambda component: []",
    "few digits": """
import experiments.training.data as d
def few(folder=None, whole=d.SOURCES["digits"][0]):
    data = whole(folder)
    return data._replace(train=d.Part(*(x[:128] for x in data.train)), test=d.Part(*(x[:40] for x in data.test)))
d.SOURCES["digits"] = (few, 16.0)
""",
    "noise for MNIST": """
import numpy as np, experiments.training.data as d
def noise(*ignored):
    rng = np.random.default_rng(0)
    parts = (d.Part(rng.integers(0, 256, (n, 28, 28)).astype(np.uint8), np.arange(n) % 10) for n in (600, 100))
    return d.ImageData(*parts)
d.mnist = noise
import dataclasses, experiments.fast.command as c
c.RECIPES["mlp"] = dataclasses.replace(c.RECIPES["mlp"], epochs=1, goal=0.0)
""",
    "a short article": """
import types, experiments.articles.replay as a, experiments.articles.tree_age as t
t.stopping.SHORT = 40
a.article = lambda name: types.SimpleNamespace(run=lambda *given: t.run(*given, iterations=60))
""",
    "a short demo": """
import experiments.demo as d
from parity_tests.checks import check
from parity_tests.table import select
d.EPOCHS, d.check_rows = 1, lambda: [(row, check(row)) for row in select("nn.Identity")]
""",
    "one rule": """
import experiments.bench.cases.optimizers as o
o.RULES = {"SGD": {}}
import experiments.bench.engine_process as e
from experiments.tests.faults.forked import Forked
e.subprocess = type("", (), {"Popen": Forked, "PIPE": -1})
""",
}


def picture() -> bytes:
    """A digit, black on white."""
    from PIL import Image

    stream, image = io.BytesIO(), Image.new("L", (20, 20), 255)
    image.paste(0, (9, 3, 12, 17))
    image.save(stream, "PNG")
    return stream.getvalue()


def patched(*names: str) -> tuple[str, ...]:
    return tuple(PATCHES[name] for name in names)


COMPONENTS = (ROOT / "parity_tests/table/COMPONENTS.md").read_bytes()
SPEED = (ROOT / "experiments/results/SPEED.md").read_bytes()
SMALL = ("--data", "digits", "--hidden", "4", "--epochs", "1", "--save-every", "1")
SIDES = b"""
import torch
def left(): return torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
def right(): return torch.nn.ModuleDict({"a": torch.nn.Linear(3, 3), "b": torch.nn.Linear(3, 3)})
"""
NET = b"import torch\ndef net(): return torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU())\n"
TRAINED = tuple(f"run/{engine}/{name}.csv" for engine in ("scratch", "torch") for name in ("steps", "predictions"))
CASES = {
    "check": Case(("check", "nn.Identity", "--json", "check.json")),
    "compare": Case(
        ("compare", f"{EXAMPLE}:left", f"{EXAMPLE}:right", "--input", "2,8,16", "--html", "r.html", "--json", "r.json"),
        code=1,
    ),
    "table": Case(("table", "--write", "COMPONENTS.md"), {"COMPONENTS.md": COMPONENTS}, patched("no rows")),
    "vectors": Case(("vectors", "export", "vectors", "nn.Identity")),
    "record": Case(("record", "model.py:net", "recorded", "--input", "2,3"), {"model.py": NET}),
    "train": Case(
        ("train", *SMALL, "--output", "run", "--overwrite"),
        patches=patched("few digits"),
        replaces=True,
        resume=("train", "--resume", "run"),
        same=TRAINED,
    ),
    "predict": Case(
        ("predict", "digit.png", "--checkpoint", "run/torch/checkpoints/last.ckpt", "--seen", "seen.png"),
        {"digit.png": picture()},
        patched("few digits"),
        before=("train", *SMALL, "--engine", "torch", "--output", "run"),
    ),
    "twins": Case(
        ("twins", "--data", "digits", "--model", "mlp", "--seeds", "1", "--output", "twins"),
        patches=patched("few digits"),
        replaces=True,
    ),
    "fast": Case(
        ("fast", "mlp", "--engine", "scratch", "--seeds", "1", "--json", "fast.json"),
        patches=patched("noise for MNIST"),
    ),
    "demo": Case(("demo", "--output", "demo"), patches=patched("few digits", "a short demo"), replaces=True),
    "replay": Case(("replay", "tree-age", "--output", "replay"), patches=patched("a short article")),
    "bench": Case(("bench", "--write", "SPEED.md"), {"SPEED.md": SPEED}),
    "bench, measuring": Case(
        ("bench", "optimizers/", "--quick", "--json", "results", "--write", "SPEED.md"),
        {"SPEED.md": SPEED},
        patched("one rule"),
    ),
    "report": Case(("report", "nn.Identity", "--output", "site"), patches=patched("no figures")),
    "conventions": Case(("conventions", "NumPy", "--json", "conventions.json")),
    "exercise": Case(("exercise", "nn.ReLU", "--output", "exercise.py"), refuses=True),
}
