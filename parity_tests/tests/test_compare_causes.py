"""Planted causes: each deviates from torch in one convention, and compare must name that convention."""

import math
from typing import Any

import numpy as np
import pytest
import torch

import scratch
from parity_tests import compare
from scratch import nn

RNG = np.random.default_rng(11)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def labels(n: int, k: int) -> np.ndarray:
    return RNG.integers(0, k, n)


# --- layers that deviate ----------------------------------------------------------------------------------------------


class FifthSigmoid(nn.Module):
    """Keras 2's and ONNX's hard sigmoid, clip(0.2 x + 0.5, 0, 1)."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        return self.save(np.clip(np.float32(0.2) * x + np.float32(0.5), 0, 1), x)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy * np.float32(0.2) * (np.abs(self.take(dy)) < 2.5)


class FromTorch:
    """A layer of a NumPy user, whose numbers are those of a torch function; parameters keep torch's names."""

    def __init__(self, module: torch.nn.Module, f: Any = None) -> None:
        self._module, self._f = module, f or module
        for name, value in module.state_dict().items():
            if "." not in name:
                setattr(self, name, value.numpy())
        self.training = True

    def forward(self, *args: Any) -> Any:
        self._module.train(self.training)
        self._xs = [
            torch.tensor(a, requires_grad=a.dtype.kind == "f") if isinstance(a, np.ndarray) else a for a in args
        ]
        with torch.enable_grad():
            self._y = self._f(*self._xs)
        first = self._y if isinstance(self._y, torch.Tensor) else self._y[0]
        self._first = first
        return first.detach().numpy()

    def backward(self, dy: np.ndarray) -> Any:
        own = dict(self._module.named_parameters())
        xs = [x for x in self._xs if isinstance(x, torch.Tensor) and x.requires_grad]
        found = torch.autograd.grad(self._first, [*xs, *own.values()], torch.tensor(dy), allow_unused=True)
        self.grads = {
            n: np.zeros(p.shape, np.float32) if g is None else g.numpy()
            for (n, p), g in zip(own.items(), found[len(xs) :], strict=True)
        }
        dx = tuple(np.zeros(x.shape, np.float32) if g is None else g.numpy() for x, g in zip(xs, found, strict=False))
        return dx[0] if len(dx) == 1 else dx


def reset_before(gru: torch.nn.GRU) -> Any:
    def forward(x: torch.Tensor) -> torch.Tensor:
        H = gru.hidden_size
        h, ys = torch.zeros(x.shape[1], H), []
        for row in x:
            a = row @ gru.weight_ih_l0.T + gru.bias_ih_l0
            b = gru.bias_hh_l0
            r, z = torch.sigmoid(a[:, : 2 * H] + h @ gru.weight_hh_l0[: 2 * H].T + b[: 2 * H]).chunk(2, 1)
            n = torch.tanh(a[:, 2 * H :] + (r * h) @ gru.weight_hh_l0[2 * H :].T + b[2 * H :])
            h = (1 - z) * n + z * h
            ys.append(h)
        return torch.stack(ys)

    return forward


def permuted(lstm: torch.nn.LSTM, places: tuple[int, ...], double_bias: bool = True) -> Any:
    """An LSTM that reads the same memory with its gates in another order."""

    def forward(x: torch.Tensor) -> torch.Tensor:
        w = {n: torch.cat([p.chunk(4)[i] for i in places]) for n, p in lstm.named_parameters()}
        if not double_bias:
            w["bias_hh_l0"] = w["bias_hh_l0"] * 0
        return torch.func.functional_call(lstm, w, (x,))[0]

    return forward


def norm(place: str, unbiased: bool = False) -> Any:
    def build(ln: torch.nn.LayerNorm) -> Any:
        def forward(x: torch.Tensor) -> torch.Tensor:
            d = x - x.mean(-1, keepdim=True)
            v = d.pow(2).sum(-1, keepdim=True) / (x.shape[-1] - unbiased)
            r = 1 / (v.sqrt() + ln.eps) if place == "outside" else 1 / (v + ln.eps).sqrt()
            return d * r * ln.weight + ln.bias

        return forward

    return build


class BiasedRunning(nn.BatchNorm1d):
    def update_running_stats(self, mean: np.ndarray, var: np.ndarray, n: int, length: int) -> None:
        self.num_batches_tracked += 1
        self.blend(mean[0], var[0], self.momentum)


class PlainDropout(nn.Dropout):
    """Scales in eval mode, as the paper had it."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        if not self.training:
            return self.save(x * x.dtype.type(1 - self.p), x.dtype.type(1 - self.p))
        mask = scratch.random.bernoulli_(np.empty_like(x), 1 - self.p)
        return self.save(x * mask, mask)


class RoundedLinear(nn.Linear):
    """Operands rounded to 10 bits of mantissa, as TF32 has."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        return self.save(cut(x) @ cut(self.weight.data).T + self.bias.data, x)


class HalfLinear(nn.Linear):
    def forward(self, x: np.ndarray) -> np.ndarray:
        half = [a.astype(np.float16).astype(np.float32) for a in (x, self.weight.data, self.bias.data)]
        return self.save(half[0] @ half[1].T + half[2], x)


def cut(x: np.ndarray) -> np.ndarray:
    """To 10 bits of mantissa, by bits: add half of the last kept place, then cut."""
    bits = x.astype(np.float32).view(np.uint32)
    return ((bits + 0x0FFF + ((bits >> 13) & 1)) & np.uint32(0xFFFFE000)).view(np.float32)


class TransposedLinear(nn.Linear):
    def forward(self, x: np.ndarray) -> np.ndarray:
        return self.save(x @ self.weight.data + self.bias.data, x)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        x = self.take(dy)
        self.weight.accumulate(x.T @ dy)
        self.bias.accumulate(dy.sum(0))
        return dy @ self.weight.data.T


class UpcastSigmoid(nn.Sigmoid):
    def forward(self, x: np.ndarray) -> np.ndarray:
        return super().forward(x).astype(np.float64)


class NaiveSoftmax(nn.Softmax):
    def forward(self, x: np.ndarray) -> np.ndarray:
        e = np.exp(x)
        y = e / e.sum(-1, keepdims=True)
        super().forward(x)
        return y


class BatchMeanLinear(nn.Linear):
    """The gradient of the weight averaged over the batch, which the loss has done already."""

    def backward(self, dy: np.ndarray) -> np.ndarray:
        x = self.take(dy)
        self.weight.accumulate(dy.T @ x / np.float32(len(x)))
        self.bias.accumulate(dy.sum(0))
        return dy @ self.weight.data


class LastChannelFlatten(nn.Flatten):
    def forward(self, x: np.ndarray) -> np.ndarray:
        return self.save(np.ascontiguousarray(np.moveaxis(x, 1, -1)).reshape(len(x), -1), x.shape)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        n, c, *rest = self.take(dy)
        return np.moveaxis(dy.reshape(n, *rest, c), -1, 1)


def sequence(package: Any, layer: Any) -> Any:
    """The layer between two others, where its name is 1."""
    return package.Sequential(package.Linear(7, 7), layer, package.Linear(7, 5))


X = normal(13, 7)
IMAGE = normal(3, 4, 9, 9)
TIME = normal(6, 3, 5)


def layer_case(name: str, left: Any, right: Any, x: Any = X, ident: str = "") -> Any:
    """One layer amid a network where it takes X, alone otherwise."""
    if x is X and isinstance(left, nn.Module):
        left, right = sequence(nn, left), sequence(torch.nn, right)
    return pytest.param(name, left, right, x, id=ident or name)


def masked_attention() -> Any:
    mask = np.triu(np.ones((6, 6), bool), 1)

    class Masked(torch.nn.Module):
        def __init__(self, attention: torch.nn.Module) -> None:
            super().__init__()
            self.attention = attention

        def forward(self, q: Any, m: Any) -> Any:
            return self.attention(q, q, q, attn_mask=m)[0]

    class Wrong(torch.nn.MultiheadAttention):
        def forward(self, q: Any, k: Any, v: Any, attn_mask: Any = None) -> Any:  # type: ignore[override]
            return super().forward(q, k, v, attn_mask=~attn_mask)

    # every query may see something under either reading
    mask[0, 1:3] = False
    mask[5, 1:3] = True
    return (
        Masked(Wrong(6, 2, batch_first=True)),
        Masked(torch.nn.MultiheadAttention(6, 2, batch_first=True)),
        (normal(2, 6, 6), mask),
    )


def lstm(places: tuple[int, ...], double_bias: bool = True) -> Any:
    module = torch.nn.LSTM(5, 4)
    return FromTorch(module, permuted(module, places, double_bias))


def gru() -> Any:
    module = torch.nn.GRU(5, 4)
    return FromTorch(module, reset_before(module))


def flipped() -> Any:
    conv = torch.nn.Conv2d(4, 5, 3)
    return FromTorch(conv, lambda x: torch.nn.functional.conv2d(x, conv.weight.flip((2, 3)), conv.bias))


def scaled_embedding() -> Any:
    module = torch.nn.Embedding(10, 4)
    return FromTorch(module, lambda i: module(i) * 2)


def bilinear(package: Any, align: bool) -> Any:
    return package.Upsample(scale_factor=2, mode="bilinear", align_corners=align)


def layer_norm(place: str, unbiased: bool = False) -> Any:
    module = torch.nn.LayerNorm(7)
    return FromTorch(module, norm(place, unbiased)(module))


class LoudAttention(torch.nn.MultiheadAttention):
    """Scores that are not divided by sqrt(d)."""

    def forward(self, q: Any, k: Any, v: Any, **options: Any) -> Any:  # type: ignore[override]
        E = self.embed_dim
        loud = torch.cat([torch.full((E,), math.sqrt(self.head_dim)), torch.ones(2 * E)])
        w = {"in_proj_weight": self.in_proj_weight * loud[:, None], "in_proj_bias": self.in_proj_bias * loud}
        base = torch.nn.MultiheadAttention(E, self.num_heads)
        return torch.func.functional_call(base, {**dict(self.named_parameters()), **w}, (q, k, v), options)


class Self(torch.nn.Module):
    def __init__(self, attention: torch.nn.Module) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, x: Any) -> Any:
        return self.attention(x, x, x)[0]


FAR = normal(13, 7) * 1e-2
T = torch.nn

LAYERS = [
    layer_case("gelu-tanh", nn.GELU("tanh"), T.GELU()),
    layer_case("gelu-erf", nn.GELU(), T.GELU("tanh")),
    layer_case("eps-value", nn.LayerNorm(7, eps=1e-3), T.LayerNorm(7)),
    layer_case("eps-value", nn.BatchNorm1d(7, eps=1e-3), T.BatchNorm1d(7), ident="batch-eps-value"),
    layer_case("eps-place", layer_norm("outside"), T.LayerNorm(7), FAR),
    layer_case("variance-unbiased", layer_norm("inside", True), T.LayerNorm(7), normal(13, 7)),
    layer_case("running-var-biased", BiasedRunning(7), T.BatchNorm1d(7)),
    layer_case("momentum", nn.BatchNorm1d(7, momentum=0.9), T.BatchNorm1d(7)),
    layer_case("transposed-weight", TransposedLinear(7, 7), T.Linear(7, 7)),
    layer_case("missing-bias", nn.Linear(7, 7, bias=False), T.Linear(7, 7)),
    layer_case("gate-order", lstm((0, 1, 3, 2)), T.LSTM(5, 4), TIME, "lstm-ifog"),
    layer_case("gate-order", lstm((0, 2, 3, 1)), T.LSTM(5, 4), TIME, "lstm-iofg"),
    layer_case("single-bias", lstm((0, 1, 2, 3), False), T.LSTM(5, 4), TIME),
    layer_case("gru-reset", gru(), T.GRU(5, 4), TIME),
    layer_case("softmax-axis", nn.Softmax(0), T.Softmax(-1)),
    layer_case("softmax-log", nn.LogSoftmax(-1), T.Softmax(-1)),
    layer_case(
        "count-include-pad", nn.AvgPool2d(3, padding=1, count_include_pad=False), T.AvgPool2d(3, padding=1), IMAGE
    ),
    layer_case("ceil-mode", nn.MaxPool2d(4, ceil_mode=False), T.MaxPool2d(4, ceil_mode=True), IMAGE),
    layer_case(
        "padding-mode", nn.Conv2d(4, 5, 3, padding=1, padding_mode="reflect"), T.Conv2d(4, 5, 3, padding=1), IMAGE
    ),
    layer_case("flipped-kernel", flipped(), T.Conv2d(4, 5, 3), IMAGE),
    layer_case("dropout-scale", PlainDropout(0.3), T.Dropout(0.3)),
    layer_case("dropout-keep", nn.Dropout(0.3), T.Dropout(0.7)),
    layer_case("tf32", RoundedLinear(7, 7), T.Linear(7, 7)),
    layer_case("half", HalfLinear(7, 7), T.Linear(7, 7)),
    layer_case("leaky-slope", nn.LeakyReLU(0.3), T.LeakyReLU()),
    layer_case("elu-alpha", nn.ELU(0.1), T.ELU()),
    layer_case("hardsigmoid-slope", FifthSigmoid(), T.Hardsigmoid()),
    layer_case("other-activation", nn.SiLU(), T.GELU()),
    layer_case("channel-order", LastChannelFlatten(), T.Flatten(), IMAGE),
    layer_case("mask-polarity", *masked_attention()),
    layer_case("attention-scale", Self(LoudAttention(6, 2)), Self(T.MultiheadAttention(6, 2)), normal(5, 3, 6)),
    layer_case("dtype", UpcastSigmoid(), T.Sigmoid()),
    layer_case("overflow", NaiveSoftmax(-1), T.Softmax(-1), normal(13, 7) * 100),
    layer_case("factor", BatchMeanLinear(7, 7), T.Linear(7, 7)),
    layer_case("embedding-scale", scaled_embedding(), T.Embedding(10, 4), labels(9, 10)),
    layer_case("align-corners", bilinear(nn, True), bilinear(T, False), IMAGE),
]  # fmt: skip


@pytest.mark.parametrize(("cause", "left", "right", "x"), LAYERS)
def test_layer(cause, left, right, x):
    report = compare(left, right, x)
    assert not report.ok
    assert report.cause is not None, str(report)
    assert report.cause.name == cause, str(report)
    assert report.cause.text in str(report)
