"""Layers of another framework beside torch's: which goes with which, and the moves of their parameters."""

import numpy as np
import pytest
from torch import nn

from parity_tests.comparer.foreign.matching import Piece, matched
from parity_tests.comparer.foreign.pieces import attention, linear, recurrent
from parity_tests.comparer.moves import Link


def dense(name: str) -> Piece:
    return linear(name, f"{name}.kernel", f"{name}.bias")


MOVES = [
    (("gates zrn", "concat", "reshape"), [(9,), (9,)], (2, 9)),
    (("gates zrn", "transpose"), [(9, 4)], (4, 9)),
    (("rows 3:6", "transpose", "reshape"), [(9, 4)], (4, 1, 3)),
    (("transpose", "concat"), [(4, 3), (4, 5)], (8, 4)),
    (("gates zrn", "sum"), [(9,), (9,)], (9,)),
    (("flip 2 3", "permute 2 3 0 1"), [(2, 3, 4, 5)], (4, 5, 2, 3)),
]


@pytest.mark.parametrize(("moves", "theirs", "own"), MOVES, ids=lambda value: str(value))
def test_moves_and_their_adjoints(moves, theirs, own):
    """<to_left(x), y> is <x, to_right(y)> for any x and y."""
    rng = np.random.default_rng(0)
    link = Link("ours", tuple(map(str, range(len(theirs)))), moves, theirs, own)
    link.check()
    assert link.result_shape() == own
    xs, y = [rng.normal(size=shape) for shape in theirs], rng.normal(size=own)
    back = link.to_right(y)
    assert [part.shape for part, _ in back] == theirs
    assert np.vdot(link.to_left(xs), y) == pytest.approx(sum(np.vdot(x, g) for x, (g, _) in zip(xs, back, strict=True)))


def test_gates_before_a_join_are_those_of_each():
    b, c = np.arange(9), 10 + np.arange(9)
    link = Link("bias", ("b", "c"), ("gates zrn", "concat", "reshape"), [(9,), (9,)], (2, 9))
    assert link.to_left([b, c])[1].tolist() == [13, 14, 15, 10, 11, 12, 16, 17, 18]


def numbers(model: nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def test_equal_names_come_before_order():
    right = nn.Module()
    right.first, right.second, right.third = (nn.Linear(4, 4) for _ in range(3))
    names = ("second", "other")
    ours = {f"{n}.{p}": np.zeros((4, 4) if p == "kernel" else 4, np.float32) for n in names for p in ("kernel", "bias")}
    pieces = [dense(name) for name in ("other", "second")]
    found = matched(pieces, ours, numbers(right), dict(right.named_modules()))
    assert found.entries["second.kernel"] == ("second.weight", "transpose")
    assert found.entries["other.bias"] == ("first.bias",)
    assert found.layers == {"other": "first"}
    assert found.notes == ["layers were paired by kind, shape and order: other → first"]


def test_a_layer_of_torchs_own_kind_is_not_another():
    """A LayerNorm has the names and shapes of a BatchNorm's weight and bias."""
    right = nn.Sequential(nn.BatchNorm1d(4), nn.LayerNorm(4))
    ours = {"norm.gamma": np.zeros(4, np.float32), "norm.beta": np.zeros(4, np.float32)}
    piece = Piece("norm", ("LayerNorm",), {"norm.gamma": [(("weight",), ())], "norm.beta": [(("bias",), ())]})
    assert matched([piece], ours, numbers(right), dict(right.named_modules())).layers == {"norm": "1"}


def test_shapes_that_fit_nowhere_are_a_finding():
    """The pair is made, so that the report says both shapes; nothing is guessed for a layer of another kind."""
    ours = {"dense.kernel": np.zeros((3, 5), np.float32), "dense.bias": np.zeros(5, np.float32)}
    right = nn.Sequential(nn.Conv2d(3, 5, 1), nn.Linear(4, 5))
    found = matched([dense("dense")], ours, numbers(right), dict(right.named_modules()))
    assert found.entries == {"dense.kernel": ("1.weight", "transpose"), "dense.bias": ("1.bias",)}
    assert found.layers == {"dense": "1"}
    other = matched([dense("dense")], ours, numbers(right[0]), dict(right[0].named_modules()))
    assert not other.entries


def test_another_normalization_is_a_finding_too():
    right = nn.Sequential(nn.BatchNorm1d(4))
    ours = {"norm.gamma": np.zeros(4, np.float32)}
    piece = Piece("norm", ("LayerNorm",), {"norm.gamma": [(("weight",), ())]})
    assert matched([piece], ours, numbers(right), dict(right.named_modules())).entries == {"norm.gamma": ("0.weight",)}


def test_layers_and_directions_of_a_recurrent_module_are_taken_one_by_one():
    right = nn.Sequential(nn.LSTM(3, 4, 2, bidirectional=True))
    sizes = {"a": 3, "b": 3, "c": 8, "d": 8}
    ours = {f"{n}.{w}": np.zeros((m, 16), np.float32) for n, size in sizes.items() for w, m in (("i", size), ("h", 4))}
    pieces = [recurrent(n, "lstm", {f"{n}.i": "weight_ih", f"{n}.h": "weight_hh"}, 4, True, f"loop_{n}") for n in sizes]
    found = matched(pieces, ours, numbers(right), dict(right.named_modules()))
    suffixes = {own.partition(".")[0]: names[0].partition("_l")[2] for own, names in found.entries.items()}
    assert suffixes == {"a": "0", "b": "0_reverse", "c": "1", "d": "1_reverse"}
    assert not found.layers  # no loop is all of the right's layer
    assert found.hidden == set(sizes)


def test_the_parts_of_a_layer_that_the_right_has_apart():
    class Apart(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4, bias=False), nn.Linear(4, 6, bias=False)

    right = Apart()
    parts = tuple(linear(f"attn.{n}", f"attn.{n}.kernel", "") for n in "xy")
    piece = Piece("attn", ("MultiheadAttention",), {"attn.x.kernel": [(("in_proj_weight",), ())]}, parts)
    ours = {"attn.x.kernel": np.zeros((4, 4), np.float32), "attn.y.kernel": np.zeros((4, 6), np.float32)}
    found = matched([piece], ours, numbers(right), dict(right.named_modules()))
    assert found.layers == {"attn.x": "a", "attn.y": "b"}


def test_a_part_of_a_layer_that_is_paired_is_no_layer_of_its_own():
    """Nor is the projection within torch's attention, which is no Linear of the user's."""
    right = nn.Module()
    right.attn, right.fc = nn.MultiheadAttention(4, 2, bias=False), nn.Linear(4, 4, bias=False)
    own = {"attn.q.kernel": ("q", "weight"), "attn.out.kernel": ("out", "weight")}
    parts = {"q": "attn.q", "out": "attn.out"}
    pieces = [attention("attn", own, 4, True, parts), linear("attn.q", "attn.q.kernel", ""),
              linear("last", "last.kernel", "")]  # fmt: skip
    ours = {name: np.zeros((4, 4), np.float32) for name in (*own, "last.kernel")}
    found = matched(pieces, ours, numbers(right), dict(right.named_modules()))
    assert found.entries["attn.q.kernel"] == ("attn.in_proj_weight", "rows 0:4", "transpose")
    assert found.entries["last.kernel"] == ("fc.weight", "transpose")
    assert found.layers == {"last": "fc"}


def test_a_map_backwards():
    right = nn.Sequential(nn.Linear(4, 5))
    ours = {"d.kernel": np.zeros((4, 5), np.float32), "d.bias": np.zeros(5, np.float32)}
    found = matched([dense("d")], ours, numbers(right), dict(right.named_modules())).inverted()
    assert found.entries == {"0.weight": ("d.kernel", "transpose"), "0.bias": ("d.bias",)}
    assert found.layers == {"0": "d"}


def test_parts_and_sums_have_no_map_backwards():
    right = nn.Sequential(nn.LSTM(4, 3))
    own = {"cell.i": "weight_ih", "cell.b": "bias"}
    ours = {"cell.i": np.zeros((4, 12), np.float32), "cell.b": np.zeros(12, np.float32)}
    piece = recurrent("cell", "lstm", own, 3, True, "")
    found = matched([piece], ours, numbers(right), dict(right.named_modules()))
    assert found.entries["cell.b"] == ("0.bias_ih_l0", "0.bias_hh_l0", "sum")
    assert found.inverted().entries == {"0.weight_ih_l0": ("cell.i", "transpose")}
    assert found.inverted().one_way == ["cell.b"]
