"""Ordinary ports: other names, layouts, containers, precisions and wrappers. No traceback, no dead end."""

import collections
import dataclasses
import json
import types

import numpy as np
import pytest
import torch
import torch.utils.checkpoint
from torch import nn

from parity_tests import compare
from parity_tests.comparer.findings import CompareError

RNG = np.random.default_rng(3)
X = RNG.normal(size=(5, 8)).astype(np.float32)


def seeded(make, *arguments, **options):
    torch.manual_seed(0)
    return make(*arguments, **options)


def agree(left, right, inputs=X, **options):
    """Compare, with the right's layers seen too: the machinery must not have failed inside."""
    report = compare(left, right, inputs, **options)
    assert report.ok, str(report)
    assert not any("could not be observed" in note for note in report.notes), report.notes
    return report


class Named(nn.Module):
    def __init__(self, name="linear"):
        super().__init__()
        setattr(self, name, nn.Linear(8, 4))
        self.name = name

    def forward(self, x):
        return getattr(self, self.name)(x)


class Wrapped(nn.Module):
    """A model inside another, under a name."""

    def __init__(self, name, inner):
        super().__init__()
        self.add_module(name, inner)
        self.name = name

    def forward(self, *args, **kwargs):
        return getattr(self, self.name)(*args, **kwargs)


# --- names ------------------------------------------------------------------------------------------------------------


def test_names_that_do_not_pair_are_listed_with_a_map():
    report = compare(Named("fc"), Named("linear"), X)
    assert not report.ok
    assert not report.comparable
    text = str(report)
    assert "fc.weight" in text
    assert "linear.bias" in text
    assert report.proposal.entries == {"fc.weight": "linear.weight", "fc.bias": "linear.bias"}
    agree(Named("fc"), Named("linear"), parameters=report.proposal.entries)


@pytest.mark.parametrize("name", ["module", "_orig_mod", "model", "m"])
@pytest.mark.parametrize("outer", ["left", "right"])
def test_a_prefix_is_stripped(name, outer):
    wrapped, plain = Wrapped(name, Named()), Named()
    report = agree(wrapped, plain) if outer == "left" else agree(plain, wrapped)
    assert name == "_orig_mod" or any("prefix" in note for note in report.notes)


def test_wrappers_in_the_middle_are_stripped():
    left = nn.Sequential(Wrapped("module", nn.Linear(8, 8)), nn.Tanh(), nn.Linear(8, 4))
    agree(left, nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 4)))


class Plain:
    """A NumPy layer with (in, out) weights of its own names."""

    def __init__(self):
        self.W, self.b = np.zeros((8, 4), np.float32), np.zeros((1, 4), np.float32)

    def forward(self, x):
        self._x = x
        return x @ self.W + self.b

    def backward(self, dy):
        self.dW, self.db = self._x.T @ dy, dy.sum(0, keepdims=True)
        return dy @ self.W.T


def test_other_layouts_are_proposed():
    report = compare(Plain(), nn.Linear(8, 4), X)
    assert report.proposal.entries == {"W": ["weight", "transpose"], "b": ["bias", "reshape"]}
    found = agree(Plain(), nn.Linear(8, 4), parameters=report.proposal.entries)
    assert {"grad weight", "grad bias"} <= {m.what for m in found.measurements}


class ChannelsLast:
    """A kernel (height, width, in, out)."""

    def __init__(self):
        self.weight, self.bias = np.zeros((3, 3, 3, 8), np.float32), np.zeros(8, np.float32)

    def forward(self, x):
        w = torch.tensor(self.weight.transpose(3, 2, 0, 1).copy())
        return nn.functional.conv2d(torch.tensor(x), w, torch.tensor(self.bias), padding=1).numpy()


def test_the_order_of_axes_is_said_and_right():
    images, conv = RNG.normal(size=(2, 3, 8, 8)).astype(np.float32), nn.Conv2d(3, 8, 3, padding=1)
    report = compare(ChannelsLast(), conv, images)
    assert "permute 3 2 0 1" in report.cause.text
    agree(ChannelsLast(), conv, images, parameters={"weight": ("weight", "permute 3 2 0 1")})


class SplitAttention(nn.Module):
    """Three projections where torch has one."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(8, 8) for _ in range(4))

    def forward(self, x):
        heads = (part(x).unflatten(-1, (2, 4)).transpose(1, 2) for part in (self.q, self.k, self.v))
        y = nn.functional.scaled_dot_product_attention(*heads)
        return self.out(y.transpose(1, 2).flatten(2))


class Fused(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.out = nn.Linear(8, 24), nn.Linear(8, 8)

    def forward(self, x):
        heads = (part.unflatten(-1, (2, 4)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        return self.out(nn.functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))


TOKENS = RNG.normal(size=(2, 5, 8)).astype(np.float32)


def test_rows_and_concat():
    apart = {
        f"{n}.{p}": [f"qkv.{p}", f"rows {8 * i}:{8 * i + 8}"] for i, n in enumerate("qkv") for p in ("weight", "bias")
    }
    report = agree(SplitAttention(), Fused(), TOKENS, parameters=apart)
    assert any(m.what == "grad qkv.weight" for m in report.measurements)
    joined = {f"qkv.{p}": [f"{n}.{p}" for n in "qkv"] + ["concat"] for p in ("weight", "bias")}
    report = agree(Fused(), SplitAttention(), TOKENS, parameters=joined)
    assert any(m.what == "grad v.weight" for m in report.measurements)

    class Scaled(Fused):
        def forward(self, x):
            return super().forward(x) * 1.001

    assert not compare(Scaled(), SplitAttention(), TOKENS, parameters=joined).ok


class OneBias:
    """An LSTM that has one bias, and one whose gates are in another order."""

    def __init__(self, order=(0, 1, 2, 3)):
        self.weight_ih_l0, self.weight_hh_l0 = np.zeros((24, 5), np.float32), np.zeros((24, 6), np.float32)
        self.bias_ih_l0, self._order = np.zeros(24, np.float32), order

    def forward(self, x):
        lstm, at = nn.LSTM(5, 6), np.argsort(self._order)
        own = {n: np.concatenate([np.split(v, 4)[i] for i in at]) for n, v in vars(self).items() if n[0] != "_"}
        lstm.load_state_dict({k: torch.tensor(own.get(k, np.zeros(24, np.float32))) for k in lstm.state_dict()})
        with torch.no_grad():
            y, (h, c) = lstm(torch.tensor(x))
        return y.numpy(), (h.numpy(), c.numpy())


SEQUENCE = RNG.normal(size=(4, 2, 5)).astype(np.float32)


def test_one_bias_for_two():
    report = agree(OneBias(), nn.LSTM(5, 6), SEQUENCE)
    assert any("one bias for two" in note for note in report.notes)
    names = {"bias_ih_l0": ("bias_ih_l0", "bias_hh_l0", "sum")}
    agree(OneBias(), nn.LSTM(5, 6), SEQUENCE, parameters=names)


def test_gates_in_another_order():
    order = (0, 2, 1, 3)  # i g f o
    names = {n: (n, "gates igfo") for n in ("weight_ih_l0", "weight_hh_l0")}
    names["bias_ih_l0"] = ("bias_ih_l0", "bias_hh_l0", "sum", "gates igfo")
    agree(OneBias(order), nn.LSTM(5, 6), SEQUENCE, parameters=names)
    assert not compare(OneBias(order), nn.LSTM(5, 6), SEQUENCE).ok


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ({"nothing": "weight"}, "'nothing'"),
        ({"W": "nowhere"}, "'nowhere'"),
        ({"W": ("weight", "turn")}, "'turn'"),
        ({"W": ("weight", "bias")}, "concat"),
    ],
)
def test_a_wrong_map_says_what_is_wrong(names, says):
    with pytest.raises(CompareError, match=says):
        compare(Plain(), nn.Linear(8, 4), X, parameters=names)


def test_ignore_and_zero():
    class Extra(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.more = nn.Linear(8, 4), nn.Parameter(torch.ones(4))

        def forward(self, x):
            return self.linear(x) + self.more

    assert not compare(Extra(), Named(), X).ok
    agree(Extra(), Named(), parameters={"more": "zero"})
    assert not compare(Extra(), Named(), X, parameters={"more": "ignore"}).ok


# --- parameters of other kinds ----------------------------------------------------------------------------------------


def test_frozen_on_both_sides_is_no_difference():
    agree(Named().requires_grad_(False), Named().requires_grad_(False))
    report = compare(Named().requires_grad_(False), Named(), X)
    assert "frozen" in report.first_divergence.note or "no grad" in report.first_divergence.note


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_reparametrized_weight(old, reverse):
    norm = nn.utils.weight_norm if old else nn.utils.parametrizations.weight_norm
    models = [nn.Sequential(norm(nn.Linear(8, 4)), nn.Tanh()), nn.Sequential(nn.Linear(8, 4), nn.Tanh())]
    report = agree(*(models[::-1] if reverse else models))
    assert any("not compared: gradient" in note or "not compared: the gradient" in note for note in report.notes)
    both = [nn.Sequential(norm(nn.Linear(8, 4))) for _ in range(2)]
    assert not agree(*both).uncompared


def test_lazy_modules_are_made_first():
    agree(nn.Sequential(nn.LazyLinear(4)), nn.Sequential(nn.LazyLinear(4)))
    agree(nn.Sequential(nn.LazyLinear(4)), nn.Sequential(nn.Linear(8, 4)))


def test_arrays_made_at_the_first_forward():
    class Late(Plain):
        def __init__(self):
            pass

        def forward(self, x):
            if not hasattr(self, "W"):
                Plain.__init__(self)
            return super().forward(x)

    names = {"W": ("weight", "transpose"), "b": ("bias", "reshape")}
    agree(Late(), nn.Linear(8, 4), parameters=names)


def test_more_buffers_on_the_left_are_no_difference():
    class Tables(Named):
        def __init__(self):
            super().__init__()
            self.register_buffer("bias", torch.ones(3, 3).tril())

    agree(Tables(), Named())
    agree(Named(), Tables())


# --- what goes in and comes out ---------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_models(dtype):
    def net():
        return nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 4)).to(dtype)

    x = torch.tensor(X).to(dtype)
    agree(seeded(net), seeded(net), x)
    assert not compare(seeded(lambda: nn.Sequential(*net(), nn.Hardtanh(-0.1, 0.1))), seeded(net), x).ok


def test_the_twin_that_cannot_be_made_or_run():
    class Casts(nn.Linear):
        def forward(self, x):
            return super().forward(torch.tensor(x.detach().to(torch.float32).numpy().astype(np.float32)))

    class Closed(nn.Module):
        """Its layers are held by a function alone, which a copy still calls."""

        def __init__(self):
            super().__init__()
            self.a, b = nn.Linear(8, 8), nn.Linear(8, 4)
            self.b = b
            self.run = lambda x: b(torch.tanh(self.a(x)))

        def forward(self, x):
            return self.run(x)

    report = agree(seeded(Closed), seeded(Closed))
    assert any("float32" in note for note in report.notes)
    assert not compare(seeded(lambda: nn.Sequential(seeded(Closed), nn.Tanh())), Wrapped("0", seeded(Closed)), X).ok

    class NoCopy(nn.Linear):
        def __deepcopy__(self, memo):
            raise RuntimeError("not today")

    agree(NoCopy(8, 4), NoCopy(8, 4))


def test_float32_written_into_the_reference():
    class Norm(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(8))

        def forward(self, x):
            h = x.to(torch.float32)
            h = h * torch.rsqrt(h.pow(2).mean(-1, keepdim=True) + torch.tensor(1e-6, dtype=torch.float32))
            return self.weight * (h @ torch.eye(8)).float().to(x.dtype)

    report = agree(Norm(), Norm())
    assert not any("twin" in note for note in report.notes)


# --- wrappers ---------------------------------------------------------------------------------------------------------


class Checkpointed(nn.Module):
    def __init__(self, on, reentrant=False):
        super().__init__()
        self.a, self.b, self.on, self.reentrant = nn.Linear(8, 8), nn.Linear(8, 4), on, reentrant

    def forward(self, x):
        h = torch.utils.checkpoint.checkpoint(self.a, x, use_reentrant=self.reentrant) if self.on else self.a(x)
        return self.b(h)


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.filterwarnings("ignore")
def test_recomputation_is_no_second_call(reentrant):
    agree(Checkpointed(True, reentrant), Checkpointed(False))
    agree(Checkpointed(False), Checkpointed(True, reentrant))


def test_data_parallel():
    agree(nn.DataParallel(Named()), Named())
    agree(Named(), nn.DataParallel(Named()))


def test_torch_compile():
    report = agree(torch.compile(seeded(Named), backend="eager"), seeded(Named))
    assert {line.name for line in report.layers} == {"linear"}
    agree(seeded(Named), torch.compile(seeded(Named), backend="eager"))
    inside = seeded(Named)
    inside.compile(backend="eager")
    agree(inside, seeded(Named))

    class Wrong(Named):
        def forward(self, x):
            return super().forward(x) * 1.01

    assert not compare(torch.compile(seeded(Wrong), backend="eager"), seeded(Named), X).ok


def test_an_exported_program_is_compared_in_eval_mode():
    model = nn.Sequential(nn.Linear(8, 4), nn.Dropout(0.5))
    exported = torch.export.export(model.eval(), (torch.tensor(X),))
    for left in (exported, exported.module()):
        report = agree(left, model)
        assert {line.mode for line in report.layers} <= {"eval"}
        assert any("training mode" in text for text in report.uncompared)


def test_modes():
    model = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8))
    for mode, seen in (("eval", {"eval"}), ("train", {"train"}), ("both", {"train", "eval"})):
        assert {m.mode for m in agree(model, model, mode=mode).measurements} == seen
    with pytest.raises(CompareError, match="mode"):
        compare(model, model, X, mode="test")


# --- dropout with random numbers of its own ---------------------------------------------------------------------------


class OwnDropout:
    """NumPy's random numbers."""

    def __init__(self, p=0.3, scale=None):
        self.p, self.scale, self.training = p, np.float32(1 / (1 - p) if scale is None else scale), True

    def forward(self, x):
        self._mask = (np.random.random(x.shape) >= self.p).astype(np.float32) * self.scale if self.training else 1
        return x * self._mask

    def backward(self, dy):
        return dy * self._mask


WIDE = RNG.normal(size=(64, 8)).astype(np.float32)


class Chain:
    def __init__(self, *layers):
        self.layers = list(layers)

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dy):
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy


def test_a_dropout_of_other_random_numbers_is_judged_by_share_and_scale():
    report = agree(OwnDropout(), nn.Dropout(0.3), WIDE)
    assert any("share" in note for note in report.notes)
    assert not compare(OwnDropout(0.5), nn.Dropout(0.3), WIDE).ok
    assert not compare(OwnDropout(0.3, 1.0), nn.Dropout(0.3), WIDE).ok
    names = {"layers.0.W": ("0.weight", "transpose"), "layers.0.b": ("0.bias", "reshape")}
    right = nn.Sequential(nn.Linear(8, 4), nn.Dropout(0.3), nn.Tanh())
    names |= {"layers.1": "1", "layers.2": "2"}
    agree(Chain(Plain(), OwnDropout(), Tanh()), right, WIDE, parameters=names)
    assert not compare(Chain(Plain(), OwnDropout(), Tanh(2)), right, WIDE, parameters=names).ok


class Tanh:
    def __init__(self, factor=1):
        self.factor = np.float32(factor)

    def forward(self, x):
        self._y = np.tanh(x)
        return self._y * self.factor

    def backward(self, dy):
        return dy * self.factor * (1 - self._y**2)


# --- functions and other callables ------------------------------------------------------------------------------------


class Called:
    """A NumPy model that is called, without a forward."""

    def __init__(self):
        self.weight, self.bias = np.zeros((4, 8), np.float32), np.zeros(4, np.float32)

    def __call__(self, x):
        self._x = x
        return x @ self.weight.T + self.bias

    def backward(self, dy):
        self.dweight, self.dbias = dy.T @ self._x, dy.sum(0)
        return dy @ self.weight


def test_an_object_that_is_called():
    report = agree(Called(), nn.Linear(8, 4))
    assert any(m.what == "grad weight" for m in report.measurements)

    class Half(Called):
        def __call__(self, x):
            return super().__call__(x) * np.float32(0.5)

    assert not compare(Half(), nn.Linear(8, 4), X).ok


def test_functions_of_the_inputs():
    agree(lambda x: torch.tanh(x), nn.Tanh())
    agree(lambda x: np.tanh(x), nn.Tanh())
    agree(torch.tanh, lambda x: torch.tanh(x))
    assert not compare(lambda x: torch.sinh(x), nn.Tanh(), X).ok
    assert not compare(lambda x: np.sinh(x), nn.Tanh(), X).ok


def test_an_object_of_tensors():
    class Net:
        def __init__(self):
            self.weight, self.bias = torch.zeros(4, 8, requires_grad=True), torch.zeros(4, requires_grad=True)

        def __call__(self, x):
            return x @ self.weight.T + self.bias

    report = agree(Net(), nn.Linear(8, 4))
    assert any(m.what == "grad weight" for m in report.measurements)


def test_factories_of_either_kind():
    agree(lambda: nn.Tanh(), nn.Tanh)
    with pytest.raises(CompareError, match="in_features"):
        compare(nn.Linear, nn.Linear(8, 4), X)
    with pytest.raises(CompareError, match="__call__"):
        compare(3, nn.Linear(8, 4), X)


def test_lists_of_arrays_and_lists_that_grow():
    class Net:
        def __init__(self):
            self.weights = [np.zeros((6, 8), np.float32), np.zeros((4, 6), np.float32)]
            self.seen = []

        def forward(self, x):
            self.seen.append(x)
            self._h = [x]
            for w in self.weights:
                self._h.append(self._h[-1] @ w.T)
            return self._h[-1]

        def backward(self, dy):
            self.dweights = [None, None]
            for i in (1, 0):
                self.dweights[i] = dy.T @ self._h[i]
                dy = dy @ self.weights[i]
            return dy

    right = nn.Sequential(nn.Linear(8, 6, bias=False), nn.Linear(6, 4, bias=False))
    left = Net()
    report = agree(left, right, parameters={"weights.0": "0.weight", "weights.1": "1.weight"})
    assert left.seen == []
    assert any(m.what == "grad 0.weight" for m in report.measurements)


# --- a user's own errors ----------------------------------------------------------------------------------------------


def test_an_error_of_the_user_comes_with_file_and_line():
    class Raises(nn.Module):
        def forward(self, x):
            raise KeyError("mine")

    with pytest.raises(CompareError, match=r"KeyError.*test_compare_ports\.py, line \d+"):
        compare(nn.Tanh(), Raises(), X)
    report = compare(Raises(), nn.Tanh(), X)
    assert any("test_compare_ports.py, line" in m.note for m in report.divergences)


def test_an_optimizer_that_cannot_be_made_says_why():
    def broken(parameters):
        return torch.optim.SGD(parameters, lr=len(None))

    with pytest.raises(CompareError, match=r"TypeError.*test_compare_ports\.py, line \d+"):
        compare(Named(), Named(), X, optimizer=broken, steps=2)


def test_json_of_what_could_not_be_compared():
    report = compare(Named("fc"), Named("linear"), X)
    data = json.loads(report.to_json())
    assert data["proposed_map"] == {"fc.weight": "linear.weight", "fc.bias": "linear.bias"}
    assert data["ok"] is False
    assert "COULD NOT COMPARE" in report.to_html()
