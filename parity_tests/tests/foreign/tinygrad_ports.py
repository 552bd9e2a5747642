"""Ports to tinygrad. It has no GRU and no multi-head attention of its own: these are written with its tensors."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

from parity_tests.tests.foreign import blocks
from parity_tests.tests.foreign.matrix import Framework, Port

os.environ.setdefault("DEV", "CPU" if shutil.which("clang") else "PYTHON")


def ports() -> Iterator[Port]:
    from tinygrad import Tensor, nn

    def gelu(x: Any) -> Any:
        return x * 0.5 * (1 + (x * 0.5**0.5).erf())

    class MLP:
        def __init__(self, eps: float = 1e-5, tanh: bool = False, residual: bool = True) -> None:
            self.fc1, self.norm, self.fc2 = nn.Linear(16, 24), nn.LayerNorm(24, eps), nn.Linear(24, 16)
            self.tanh, self.residual = tanh, residual

        def __call__(self, x: Any) -> Any:
            h = self.norm(self.fc1(x))
            h = self.fc2(h.gelu() if self.tanh else gelu(h))
            return x + h if self.residual else h

    yield Port("mlp", MLP, blocks.mlp, mode="eval")
    yield Port("mlp", lambda: MLP(1e-3), blocks.mlp, "epsilon of 1e-3", ("norm",), ("eps-value",), "eval")
    tanh = lambda: MLP(tanh=True)  # noqa: E731
    yield Port("mlp", tanh, blocks.mlp, "tinygrad's GELU by tanh", ("→ fc2",), ("gelu-tanh",), "eval")
    no = lambda: MLP(residual=False)  # noqa: E731
    yield Port("mlp", no, blocks.mlp, "no residual", ("",), ("residual-missing",), "eval")

    class CNN:
        def __init__(self, eps: float = 1e-5, average: bool = False, last: bool = False) -> None:
            self.conv1, self.bn = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm(6, eps=eps)
            self.conv2, self.fc = nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.Linear(32, 5)
            self.average, self.last = average, last

        def __call__(self, x: Any) -> Any:
            h = self.bn(self.conv1(x)).relu()
            h = self.conv2(h.avg_pool2d(2) if self.average else h.max_pool2d(2)).relu()
            return self.fc((h.permute(0, 2, 3, 1) if self.last else h).flatten(1))

    yield Port("cnn", CNN, blocks.cnn)
    yield Port("cnn", lambda: CNN(1e-3), blocks.cnn, "epsilon of 1e-3", ("bn",), ("eps-value",), "eval")
    mean = lambda: CNN(average=True)  # noqa: E731
    yield Port("cnn", mean, blocks.cnn, "average for maximum", ("→ conv2",), ("pool-kind",), "eval")
    last = lambda: CNN(last=True)  # noqa: E731
    yield Port("cnn", last, blocks.cnn, "flattened with channels last", ("→ fc",), ("channel-order",), "eval")

    class LSTM:
        """A loop over steps, with torch's names of the parameters; `order` is that in which the gates are read."""

        order = "ifgo"
        gates = 4

        def __init__(self) -> None:
            n = self.gates * 12
            self.weight_ih_l0, self.weight_hh_l0 = Tensor.zeros(n, 16), Tensor.zeros(n, 12)
            self.bias_ih_l0, self.bias_hh_l0 = Tensor.zeros(n), Tensor.zeros(n)

        def step(self, x: Any, h: Any, c: Any) -> Any:
            z = x.linear(self.weight_ih_l0.T, self.bias_ih_l0) + h.linear(self.weight_hh_l0.T, self.bias_hh_l0)
            gate = dict(zip(self.order, z.chunk(4, 1), strict=True))
            c = gate["f"].sigmoid() * c + gate["i"].sigmoid() * gate["g"].tanh()
            return gate["o"].sigmoid() * c.tanh(), c

        def __call__(self, x: Any) -> Any:
            h = c = Tensor.zeros(x.shape[0], 12)
            hs = []
            for t in range(x.shape[1]):
                h, c = self.step(x[:, t], h, c)
                hs.append(h)
            return Tensor.stack(*hs, dim=1)

    class Exchanged(LSTM):
        order = "ifog"

    class GRU(LSTM):
        gates = 3
        before = False
        order = "rzn"

        def step(self, x: Any, h: Any, c: Any) -> Any:
            a = dict(zip(self.order, x.linear(self.weight_ih_l0.T, self.bias_ih_l0).chunk(3, 1), strict=True))
            b = dict(zip(self.order, h.linear(self.weight_hh_l0.T, self.bias_hh_l0).chunk(3, 1), strict=True))
            r, z = (a["r"] + b["r"]).sigmoid(), (a["z"] + b["z"]).sigmoid()
            inner = b["n"] * r
            if self.before:
                inner = (r * h).linear(self.weight_hh_l0.T, self.bias_hh_l0).chunk(3, 1)[2]
            return (1 - z) * (a["n"] + inner).tanh() + z * h, c

    class Turned(GRU):
        order = "zrn"

    class Before(GRU):
        before = True

    class Recurrent:
        def __init__(self, rnn: Any, eps: float = 1e-5, step: int = -1) -> None:
            self.rnn, self.norm, self.head, self.step = rnn(), nn.LayerNorm(12, eps), nn.Linear(12, 5), step

        def __call__(self, x: Any) -> Any:
            return self.head(self.norm(self.rnn(x))[:, self.step])

    yield Port("lstm", lambda: Recurrent(LSTM), blocks.lstm, mode="eval")
    eps = "epsilon of 1e-3"
    yield Port("lstm", lambda: Recurrent(LSTM, 1e-3), blocks.lstm, eps, ("norm",), ("eps-value",), "eval")
    yield Port("lstm", lambda: Recurrent(Exchanged), blocks.lstm, "gates i, f, o, g", ("rnn",), ("gate-order",), "eval")
    first = lambda: Recurrent(LSTM, step=0)  # noqa: E731
    yield Port("lstm", first, blocks.lstm, "the first step", ("→ head",), ("position",), "eval")
    yield Port("gru", lambda: Recurrent(GRU), blocks.gru, mode="eval")
    yield Port("gru", lambda: Recurrent(GRU, 1e-3), blocks.gru, eps, ("norm",), ("eps-value",), "eval")
    yield Port("gru", lambda: Recurrent(Turned), blocks.gru, "gates z, r, n", ("rnn",), ("gate-order",), "eval")
    yield Port("gru", lambda: Recurrent(Before), blocks.gru, "r before the product", ("rnn",), ("gru-reset",), "eval")

    class MultiHead:
        """torch's names of the parameters, and tinygrad's scaled_dot_product_attention."""

        def __init__(self, causal: bool = False, heads: int = 2) -> None:
            self.in_proj_weight, self.in_proj_bias = Tensor.zeros(48, 16), Tensor.zeros(48)
            self.out_proj, self.causal, self.heads = nn.Linear(16, 16), causal, heads

        def __call__(self, x: Any) -> Any:
            qkv = x.linear(self.in_proj_weight.T, self.in_proj_bias).chunk(3, 2)
            q, k, v = (p.reshape(*p.shape[:2], self.heads, -1).transpose(1, 2) for p in qkv)
            y = q.scaled_dot_product_attention(k, v, is_causal=self.causal)
            return self.out_proj(y.transpose(1, 2).flatten(2))

    class Attention:
        def __init__(self, eps: float = 1e-5, **options: Any) -> None:
            self.norm, self.attn = nn.LayerNorm(16, eps), MultiHead(**options)

        def __call__(self, x: Any) -> Any:
            return x + self.attn(self.norm(x))

    yield Port("attention", Attention, blocks.attention, mode="eval")
    yield Port("attention", lambda: Attention(1e-3), blocks.attention, eps, ("norm",), ("eps-value",), "eval")
    masked = lambda: Attention(causal=True)  # noqa: E731
    yield Port("attention", masked, blocks.attention, "a causal mask", ("attn",), ("causal-mask", "mask-causal"),
               "eval")  # fmt: skip
    four = lambda: Attention(heads=4)  # noqa: E731
    yield Port("attention", four, blocks.attention, "four heads for two", ("attn",), ("heads",), "eval")

    class Transformer:
        def __init__(self, eps: float = 1e-5, relu: bool = False, first: bool = False) -> None:
            self.self_attn, self.norm1, self.norm2 = MultiHead(), nn.LayerNorm(16), nn.LayerNorm(16, eps)
            self.linear1, self.linear2, self.relu, self.first = nn.Linear(16, 32), nn.Linear(32, 16), relu, first

        def feed(self, x: Any) -> Any:
            h = self.linear1(x)
            return self.linear2(h.relu() if self.relu else gelu(h))

        def __call__(self, x: Any) -> Any:
            if self.first:
                x = x + self.self_attn(self.norm1(x))
                return x + self.feed(self.norm2(x))
            x = self.norm1(x + self.self_attn(x))
            return self.norm2(x + self.feed(x))

    yield Port("transformer", Transformer, blocks.transformer, mode="eval")
    yield Port("transformer", lambda: Transformer(1e-3), blocks.transformer, eps, ("norm2",), ("eps-value",), "eval")
    relu = lambda: Transformer(relu=True)  # noqa: E731
    yield Port("transformer", relu, blocks.transformer, "ReLU for GELU", ("→ linear2", "→ dropout"),
               ("other-activation",), "eval")  # fmt: skip
    pre = lambda: Transformer(first=True)  # noqa: E731
    yield Port("transformer", pre, blocks.transformer, "pre-norm", ("→ self_attn", "→ norm1"),
               ("wiring", "residual-alone"), "eval")  # fmt: skip


FRAMEWORK = Framework("tinygrad", ("tinygrad",), ports)
