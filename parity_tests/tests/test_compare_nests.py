"""Whatever goes into a model and comes out of it: dicts, lists, dataclasses, keywords, None, booleans."""

import collections
import dataclasses
import types

import numpy as np
import pytest
import torch
from torch import nn

from parity_tests import compare
from parity_tests.tests.ports import X, agree, seeded


class Attributes(collections.OrderedDict):
    """A dict whose keys are attributes, as of many libraries' outputs."""

    __getattr__ = collections.OrderedDict.__getitem__


@dataclasses.dataclass
class Result:
    logits: torch.Tensor
    size: torch.Tensor


class Space(types.SimpleNamespace):
    pass


class Gives(nn.Module):
    """One linear layer inside, its output packed by a function, and unpacked again outside."""

    def __init__(self, pack, unpack=lambda y: y):
        super().__init__()
        self.inner, self.unpack = Inner(pack), unpack

    def forward(self, x):
        return self.unpack(self.inner(x))


class Inner(nn.Linear):
    def __init__(self, pack):
        super().__init__(8, 4)
        self.pack = pack

    def forward(self, x):
        y = super().forward(x)
        return self.pack(y, y.sum())


PACKS = {
    "dict": lambda y, s: {"logits": y, "size": s},
    "other order": lambda y, s: {"size": s, "logits": y},
    "attributes": lambda y, s: Attributes(logits=y, size=s),
    "dataclass": Result,
    "namespace": lambda y, s: Space(logits=y, size=s),
}


@pytest.mark.parametrize("left", PACKS)
@pytest.mark.parametrize("right", ["dict", "dataclass", "attributes"])
def test_outputs_by_key(left, right):
    report = agree(Gives(PACKS[left]), Gives(PACKS[right]))
    assert {"output logits", "output size"} <= {m.what for m in report.measurements}
    wrong = compare(Gives(lambda y, s: {"logits": y * 2, "size": s}), Gives(PACKS[right]), X)
    assert not wrong.ok


def test_packed_inside_and_read_outside():
    for pack, unpack in ((PACKS["attributes"], lambda o: o.logits * o.size), (Result, lambda o: o.logits + o.size)):
        agree(Gives(pack, unpack), Gives(pack, unpack))


def test_tuples_against_dicts_go_by_order():
    agree(Gives(lambda y, s: (y, s)), Gives(PACKS["dict"]))
    agree(Gives(lambda y, s: [y, s]), Gives(lambda y, s: (y, s)))
    agree(Gives(lambda y, s: (y,)), Gives(lambda y, s: y))


def test_an_output_fewer_or_more_is_a_divergence():
    fewer = compare(Gives(lambda y, s: y), Gives(lambda y, s: (y, s)), X)
    assert not fewer.ok
    assert any("no output 1" in m.note for m in fewer.divergences)
    assert not compare(Gives(lambda y, s: (y, s)), Gives(lambda y, s: y), X).ok


def test_none_in_a_tuple():
    agree(Gives(lambda y, s: (y, None, s)), Gives(lambda y, s: (y, None, s)))


class Takes(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 4)

    def forward(self, x, keep=None, scale=1.0, extra=None):
        y = self.a(x["x"] if isinstance(x, dict) else x[0] if isinstance(x, list) else x) * scale
        y = y if keep is None else y * keep
        return y if extra is None else y + extra["shift"]


@pytest.mark.parametrize(
    "inputs",
    [
        {"x": X, "keep": np.ones((5, 1), bool)},
        {"x": torch.tensor(X), "scale": 2.0, "extra": {"shift": X[:, :4]}},
        ({"x": X},),
        [X, X],
        (X, np.zeros((5, 1), bool) | (X[:, :1] > 0)),
        (X, None, 0.5),
    ],
)
def test_inputs_by_keyword_dict_list_and_bool(inputs):
    agree(seeded(Takes), seeded(Takes), inputs)
