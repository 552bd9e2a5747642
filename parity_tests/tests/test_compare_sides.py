"""The page on sides of one's own: its example runs, and agrees."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import parity_tests.comparer
from parity_tests.comparer.comparison import compare
from parity_tests.comparer.foreign.pieces import linear

PAGE = Path(parity_tests.comparer.__file__).parent / "SIDES.md"
X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


def example() -> Any:
    names: dict[str, Any] = {"compare": compare, "torch": torch, "x": X}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.S)
    exec(blocks[0], names)
    names["report"] = eval(blocks[1], names)
    return names


def test_the_example_agrees():
    report = example()["report"]
    assert report.ok, str(report)
    assert report.verdict() == "PARITY  Affine (my framework) and Linear (torch) agree"


def test_with_pieces_it_needs_no_map():
    class Mapped(example()["Affine"]):
        def pieces(self):
            return [linear("", "W", "b")]

    report = compare(Mapped(), torch.nn.Linear(4, 3), X)
    assert report.ok, str(report)


@pytest.mark.parametrize("part", ["W", "b"])
def test_a_wrong_gradient_is_found(part):
    class Wrong(example()["Affine"]):
        def evaluate(self, *args):
            found = super().evaluate(*args)

            def pull(dys):
                dxs, gradients = found.pull(dys)
                return dxs, gradients | {part: gradients[part] / 5}

            return found._replace(pull=pull)

    names = {"W": ("weight", "transpose"), "b": "bias"}
    report = compare(Wrong(), torch.nn.Linear(4, 3), X, parameters=names)
    assert not report.ok
    assert report.first_divergence.what == f"grad {'weight' if part == 'W' else 'bias'}", str(report)


def test_the_page_names_files_that_exist():
    for target in re.findall(r"\]\(([^)]+)\)", PAGE.read_text()):
        assert (PAGE.parent / target).exists(), target
