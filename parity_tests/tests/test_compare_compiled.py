"""A compiled side: what its compilation alone changes is said to be that."""

import numpy as np
import pytest
import torch
from torch import nn

from parity_tests import compare
from parity_tests.comparer import compiled as compiling
from parity_tests.comparer.torch_side import TorchSide
from parity_tests.tests.plants import seeded

X = np.full((2, 2**18), 0.1, np.float32)


class Total(nn.Module):
    """A sum over long rows, times a weight."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.weight, self.factor = nn.Parameter(torch.tensor([0.3, -0.7])), factor

    def forward(self, x):
        return x.sum(1) * self.weight * self.factor


class FewAccumulators(torch.fx.Interpreter):
    """Adds as compiled code does, in eight float32 numbers side by side."""

    def call_method(self, target, args, kwargs):
        exact = super().call_method(target, args, kwargs)
        if target != "sum":
            return exact
        found = np.cumsum(args[0].detach().numpy().reshape(len(args[0]), -1, 8), 1, np.float32)[:, -1].sum(1)
        return exact + (torch.from_numpy(found) - exact).detach()


def in_few(graph, inputs):
    return FewAccumulators(graph).run


def compiled(model, place, backend=in_few):
    torch.compiler.reset()
    if place == "around":
        return torch.compile(model, backend=backend)
    model.compile(backend=backend)
    return model


@pytest.fixture(autouse=True)
def forget_what_was_compiled():
    yield
    torch.compiler.reset()


@pytest.mark.parametrize("place", ["around", "inside"])
def test_a_compiled_left_that_is_apart_for_that_alone(place):
    report = compare(compiled(seeded(Total), place), seeded(Total), X)
    assert not report.ok, str(report)
    assert report.cause is not None, str(report)
    assert report.cause.name == "compiled", str(report)
    assert all(m.cause is not None for m in report.divergences if m.what == "output"), str(report)


@pytest.mark.parametrize("place", ["around", "inside"])
def test_a_compiled_left_that_is_wrong_by_itself(place):
    report = compare(compiled(Total(1.01), place), Total(), X)
    assert not report.ok
    assert report.cause is None or report.cause.name != "compiled", str(report)


@pytest.mark.parametrize("place", ["around", "inside"])
def test_a_compiled_right_is_said_to_widen_the_limits(place):
    report = compare(seeded(Total), compiled(seeded(Total), place), X)
    assert report.ok, str(report)
    assert any("the right is compiled: its output is" in note for note in report.notes), report.notes


@pytest.mark.parametrize("place", ["around", "inside"])
def test_nothing_is_said_where_compiling_changes_nothing(place):
    for sides in (
        (seeded(Total), compiled(seeded(Total), place, "eager")),
        (compiled(seeded(Total), place, "eager"), seeded(Total)),
    ):
        report = compare(*sides, X)
        assert report.ok, str(report)
        assert "compiled" not in str(report)


def test_what_is_wrapped_is_run_as_before_afterwards():
    left = compiled(seeded(Total), "inside")
    before = left(torch.from_numpy(X)).detach().numpy()
    compare(left, seeded(Total), X)
    assert np.array_equal(left(torch.from_numpy(X)).detach().numpy(), before)


@pytest.mark.parametrize("place", ["around", "inside"])
def test_only_the_run_that_asks_for_it_is_without_compilation(place):
    side = TorchSide(compiled(seeded(Total), place))
    with compiling._eagerly(side):
        assert side.eager
    assert not side.eager
