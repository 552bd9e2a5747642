"""A report names the left's own parameters and layers first, and the right's beside them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from parity_tests.comparer.comparison import compare
from parity_tests.comparer.findings import Measurement
from parity_tests.comparer.moves import Link
from parity_tests.comparer.names import Names
from parity_tests.comparer.report import Report

LINKS = [
    Link("Dense_0.kernel", ("fc1.weight",)), Link("Dense_0.bias", ("fc1.bias",)),
    Link("BN.scale", ("bn.weight",)), Link("BN.bias", ("bn.bias",)), Link("BN.var", ("bn.running_var",)),
    Link("attn.query.kernel", ("attn.in_proj_weight",)), Link("attn.key.kernel", ("attn.in_proj_weight",)),
    Link("loop.cell.bias", ("rnn.bias_hh_l0",)),
]  # fmt: skip
NAMES = Names(LINKS, {"Dense_0": "fc1", "BN": "bn", "loop": "rnn"}, {"eps": "epsilon"})
TEXTS = [
    ("fc1", "without the bias", "without the bias"),
    ("fc1", "x W: the weight is transposed", "x W: kernel of Dense_0 (weight of fc1 on the right) is transposed"),
    ("bn", "the biased variance in running_var", "the biased variance in var of BN (running_var of bn on the right)"),
    ("bn", "weight + 1 for the weight", "scale of BN (weight of bn on the right) + 1 for scale"),
    ("bn", "with eps=1e-06", "with epsilon=1e-06"),
    ("rnn", "without bias_hh", "without cell.bias of loop (bias_hh_l0 of rnn on the right)"),
    ("attn", "in_proj_weight is zero", "query.kernel and key.kernel (in_proj_weight on the right) is zero"),
    ("", "with the output of fc1 added", "with the output of Dense_0 (fc1 on the right) added"),
    ("", "fc1: without the bias", "Dense_0 (fc1 on the right): without the bias"),
    (
        "",
        "the code between fc1 and the input of bn diverges",
        "the code between Dense_0 (fc1 on the right) and the input of BN (bn on the right) diverges",
    ),
    ("other", "without the weight of its bias", "without the weight of its bias"),
]


@pytest.mark.parametrize(("layer", "text", "said"), TEXTS, ids=[text for _, text, _ in TEXTS])
def test_a_text_in_the_lefts_words(layer, text, said):
    assert NAMES.said(text, layer) == said


def test_notes_and_places_too():
    """A note that pairs names already says both."""
    report = Report("a", "b", 0)
    report.notes = ["compared within those around them: fc1, bn", "paired by order: Dense_0 → fc1"]
    report.uncompared = ["gradients of 2 parameters (fc1.weight, fc1.bias), the left has none"]
    report.measurements = [
        Measurement("", "Net", "between", "output", 9.0, 1.0, inside="bn", inside_kind="BatchNorm1d")
    ]
    NAMES.tell(report, report.notes[1:])
    both = ["Dense_0 (fc1 on the right)", "BN (bn on the right)"]
    assert report.notes == [f"compared within those around them: {', '.join(both)}", "paired by order: Dense_0 → fc1"]
    names = "Dense_0.kernel (fc1.weight on the right), Dense_0.bias (fc1.bias on the right)"
    assert report.uncompared == [f"gradients of 2 parameters ({names}), the left has none"]
    assert report.measurements[0].place == ("BN (bn on the right, BatchNorm1d), within Net, between its layers: output")


class Right(torch.nn.Module):
    def __init__(self, eps: float = 1e-5) -> None:
        super().__init__()
        self.fc1, self.bn = torch.nn.Linear(6, 6), torch.nn.BatchNorm1d(6, eps=eps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.bn(self.fc1(x))


class Linear:
    """A layer in NumPy whose parameters have names of its own; `turned` is the mistake."""

    def __init__(self, turned: bool = False) -> None:
        self.kernel, self.shift, self.turned = np.zeros((6, 6), np.float32), np.zeros(6, np.float32), turned

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._x = x
        return x @ (self.kernel.T if self.turned else self.kernel) + self.shift

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.dkernel, self.dshift = self._x.T @ dy / 3, dy.sum(0)
        return dy @ (self.kernel if self.turned else self.kernel.T)


X = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
MAP = {"kernel": ("weight", "transpose"), "shift": "bias"}


def test_a_cause_names_the_lefts_parameter_first():
    report = compare(Linear(turned=True), torch.nn.Linear(6, 6), X, parameters=MAP)
    assert report.cause.name == "transposed-weight", str(report)
    assert report.cause.text == "with x W in place of x W^T: the weight is transposed"  # which the catalog knows
    assert "kernel (weight on the right) is transposed: the difference falls" in str(report)


def test_a_place_does_too():
    report = compare(Linear(), torch.nn.Linear(6, 6), X, parameters=MAP)
    first = report.first_divergence
    assert first.what == "grad weight"
    assert first.place == "Linear, train mode: grad kernel (weight on the right)", str(report)
    assert "grad kernel (weight on the right) on the left is 0.333333 times the right's" in str(report)
    assert "grad kernel (weight on the right)" in report.to_html()


def test_layers_of_other_names():
    class Left(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.Dense_0, self.BN = torch.nn.Linear(6, 6), torch.nn.BatchNorm1d(6, eps=1e-3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.BN(self.Dense_0(x))

    names = {f"{a}.{p}": f"{b}.{p}" for a, b in (("Dense_0", "fc1"), ("BN", "bn")) for p in ("weight", "bias")}
    names |= {f"BN.running_{p}": f"bn.running_{p}" for p in ("mean", "var")}
    report = compare(Left(), Right(), X, parameters=names)
    assert report.first_divergence.where == "bn"
    assert report.first_divergence.place.startswith("BN (bn on the right, BatchNorm1d), train mode: ")
    assert "Dense_0 ↔ fc1 (Linear)" in str(report)


def test_equal_names_are_said_once():
    report = compare(Right(1e-3), Right(), X)
    assert "on the right" not in str(report)
    assert "↔" not in str(report)
