"""The six blocks as functions of a dict of parameters and of the input, for any package that looks like NumPy."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from parity_tests.tests.foreign import blocks
from parity_tests.tests.foreign.matrix import Port

Parameters = dict[str, dict[str, Any]]
SHAPES: dict[str, dict[str, dict[str, tuple[int, ...]]]] = {
    "mlp": {"fc1": {"w": (16, 24), "b": (24,)}, "norm": {"scale": (24,), "bias": (24,)},
            "fc2": {"w": (24, 16), "b": (16,)}},
    "cnn": {"conv1": {"w": (3, 3, 3, 6), "b": (6,)}, "bn": {"scale": (6,), "bias": (6,)},
            "conv2": {"w": (3, 3, 6, 8), "b": (8,)}, "fc": {"w": (32, 5), "b": (5,)}},
    "lstm": {"rnn": {"weight_ih_l0": (48, 16), "weight_hh_l0": (48, 12), "bias_ih_l0": (48,), "bias_hh_l0": (48,)},
             "norm": {"scale": (12,), "bias": (12,)}, "head": {"w": (12, 5), "b": (5,)}},
    "gru": {"rnn": {"weight_ih_l0": (36, 16), "weight_hh_l0": (36, 12), "bias_ih_l0": (36,), "bias_hh_l0": (36,)},
            "norm": {"scale": (12,), "bias": (12,)}, "head": {"w": (12, 5), "b": (5,)}},
    "attention": {"norm": {"scale": (16,), "bias": (16,)},
                  "attn": {"in_proj_weight": (48, 16), "in_proj_bias": (48,)},
                  "attn.out_proj": {"weight": (16, 16), "bias": (16,)}},
    "transformer": {"self_attn": {"in_proj_weight": (48, 16), "in_proj_bias": (48,)},
                    "self_attn.out_proj": {"weight": (16, 16), "bias": (16,)}, "norm1": {"scale": (16,), "bias": (16,)},
                    "linear1": {"w": (16, 32), "b": (32,)}, "linear2": {"w": (32, 16), "b": (16,)},
                    "norm2": {"scale": (16,), "bias": (16,)}},
}  # fmt: skip


class Functions:
    """`xp` looks like NumPy; without `erf` GELU has its tanh form; `number` makes a number that promotes no array.

    Options of the blocks are the mistakes.
    """

    def __init__(self, xp: Any, erf: Callable[[Any], Any] | None, number: Callable[[float], Any]) -> None:
        self.xp, self.erf, self.number, self.one = xp, erf, number, number(1.0)

    def relu(self, x: Any) -> Any:
        """With slope 0 at 0."""
        return x * self.xp.where(x > 0, self.one, self.number(0.0))

    def sigmoid(self, x: Any) -> Any:
        return self.one / (self.one + self.xp.exp(-x))

    def gelu(self, x: Any, other: bool = False) -> Any:
        """The other form is by tanh, or by a sigmoid."""
        if self.erf is None and other:
            return x * self.sigmoid(self.number(1.702) * x)
        if self.erf is None or other:
            inner = self.number(math.sqrt(2 / math.pi)) * (x + self.number(0.044715) * x * x * x)
            return self.number(0.5) * x * (self.one + self.xp.tanh(inner))
        return self.number(0.5) * x * (self.one + self.erf(x / self.number(math.sqrt(2))))

    def linear(self, p: Any, x: Any) -> Any:
        if "weight" in p:
            return self.xp.matmul(x, p["weight"].T) + p["bias"]
        return self.xp.matmul(x, p["w"]) + p["b"]

    def norm(self, p: Any, x: Any, eps: float) -> Any:
        d = x - self.xp.mean(x, -1, keepdims=True)
        return d / self.xp.sqrt(self.xp.mean(d * d, -1, keepdims=True) + self.number(eps)) * p["scale"] + p["bias"]

    def mlp(self, p: Parameters, x: Any, eps: float = 1e-5, other: bool = False, residual: bool = True) -> Any:
        h = self.linear(p["fc2"], self.gelu(self.norm(p["norm"], self.linear(p["fc1"], x), eps), other))
        return x + h if residual else h

    def conv(self, p: Any, x: Any, stride: int, ahead: int = 1) -> Any:
        """NHWC with a kernel of 3: zeros around it, `ahead` of them before the first row and column."""
        xp, (_, h, w, _) = self.xp, x.shape
        for axis in (1, 2):
            shape = [*x.shape]
            parts = [(s, np.zeros((*shape[:axis], s, *shape[axis + 1 :]), np.float32)) for s in (ahead, 2 - ahead)]
            before, after = ([zeros] if s else [] for s, zeros in parts)
            x = xp.concatenate([*before, x, *after], axis)
        out = p["b"]
        for i in range(3):
            for j in range(3):
                out = out + xp.matmul(x[:, i : i + h : stride, j : j + w : stride], p["w"][i, j])
        return out

    def pool(self, x: Any) -> Any:
        """The maximum of two by two; of equal ones the first has the gradient."""
        best = x[:, ::2, ::2]
        for i, j in ((0, 1), (1, 0), (1, 1)):
            other = x[:, i::2, j::2]
            best = self.xp.where(other > best, other, best)
        return best

    def cnn(self, p: Parameters, x: Any, eps: float = 1e-5, last: bool = False, ahead: int = 1) -> Any:
        """Given and computed with channels last; a normalization over two groups of channels."""
        xp, n = self.xp, len(x)
        h = self.conv(p["conv1"], x, 1)
        g = xp.reshape(h, (n, 64, 2, 3))
        d = g - xp.mean(g, (1, 3), keepdims=True)
        g = d / xp.sqrt(xp.mean(d * d, (1, 3), keepdims=True) + self.number(eps))
        h = xp.reshape(g, (n, 8, 8, 6)) * p["bn"]["scale"] + p["bn"]["bias"]
        h = self.relu(self.conv(p["conv2"], self.pool(self.relu(h)), 2, ahead))
        h = h if last else xp.transpose(h, (0, 3, 1, 2))
        return self.linear(p["fc"], xp.reshape(h, (n, 32)))

    def recurrent(
        self, p: Parameters, x: Any, cell: Any, state: int, eps: float = 1e-5, step: int = -1, **options: Any
    ) -> Any:
        xp, r = self.xp, p["rnn"]
        carry = [np.zeros((len(x), 12), np.float32)] * state
        steps = []
        for t in range(x.shape[1]):
            ahead = xp.matmul(x[:, t], r["weight_ih_l0"].T) + r["bias_ih_l0"]
            carry = cell(r, ahead, *carry, **options)
            steps.append(carry[0])
        return self.linear(p["head"], self.norm(p["norm"], steps[step], eps))

    def back(self, r: Any, h: Any) -> Any:
        return self.xp.matmul(h, r["weight_hh_l0"].T) + r["bias_hh_l0"]

    def lstm(self, p: Parameters, x: Any, **options: Any) -> Any:
        def cell(r: Any, ahead: Any, h: Any, c: Any, order: str = "ifgo") -> Any:
            gates = ahead + self.back(r, h)
            i, f, g, o = (gates[:, 12 * order.index(k) : 12 * order.index(k) + 12] for k in "ifgo")
            c = self.sigmoid(f) * c + self.sigmoid(i) * self.xp.tanh(g)
            return self.sigmoid(o) * self.xp.tanh(c), c

        return self.recurrent(p, x, cell, 2, **options)

    def gru(self, p: Parameters, x: Any, **options: Any) -> Any:
        def cell(r: Any, a: Any, h: Any, order: str = "rzn", before: bool = False) -> Any:
            b = self.back(r, h)
            places = {k: slice(12 * order.index(k), 12 * order.index(k) + 12) for k in "rzn"}
            reset, update = (self.sigmoid(a[:, places[k]] + b[:, places[k]]) for k in "rz")
            last = self.back(r, reset * h)[:, 24:] if before else reset * b[:, 24:]
            n = self.xp.tanh(a[:, 24:] + last)
            return ((self.one - update) * n + update * h,)

        return self.recurrent(p, x, cell, 1, **options)

    def attend(self, p: Parameters, name: str, x: Any, scale: bool = True, axis: int = -1) -> Any:
        xp, (n, length, _) = self.xp, x.shape
        qkv = xp.matmul(x, p[name]["in_proj_weight"].T) + p[name]["in_proj_bias"]
        q, k, v = (xp.transpose(xp.reshape(qkv[..., 16 * i : 16 * i + 16], (n, length, 2, 8)), (0, 2, 1, 3))
                   for i in range(3))  # fmt: skip
        scores = xp.matmul(q, xp.transpose(k, (0, 1, 3, 2))) * self.number(1 / math.sqrt(8) if scale else 1.0)
        e = xp.exp(scores - xp.max(scores, axis, keepdims=True))
        y = xp.matmul(e / xp.sum(e, axis, keepdims=True), v)
        return self.linear(p[f"{name}.out_proj"], xp.reshape(xp.transpose(y, (0, 2, 1, 3)), (n, length, 16)))

    def attention(self, p: Parameters, x: Any, eps: float = 1e-5, **options: Any) -> Any:
        return x + self.attend(p, "attn", self.norm(p["norm"], x, eps), **options)

    def transformer(self, p: Parameters, x: Any, eps: float = 1e-5, other: bool = False, residual: bool = True) -> Any:
        x = self.norm(p["norm1"], x + self.attend(p, "self_attn", x), 1e-5)
        h = self.linear(p["linear2"], self.gelu(self.linear(p["linear1"], x), other))
        return self.norm(p["norm2"], x + h if residual else h, eps)


MISTAKES: dict[str, list[tuple[str, dict[str, Any], tuple[str, ...], tuple[str, ...]]]] = {
    "mlp": [("epsilon of 1e-6", {"eps": 1e-6}, ("norm",), ("eps-value",)),
            ("another form of GELU", {"other": True}, ("",), ("gelu-tanh", "gelu-sigmoid")),
            ("no residual", {"residual": False}, ("",), ("residual-missing",))],
    "cnn": [("epsilon of 1e-3", {"eps": 1e-3}, ("bn",), ("eps-value",)),
            ("flattened with channels last", {"last": True}, ("",), ("channel-order",)),
            ("padding at the end alone", {"ahead": 0}, ("conv2",), ("padding-side",))],
    "lstm": [("epsilon of 1e-6", {"eps": 1e-6}, ("norm",), ("eps-value",)),
             ("gates i, f, o, g", {"order": "ifog"}, ("rnn",), ("gate-order",)),
             ("the first step", {"step": 0}, ("",), ("position",))],
    "gru": [("epsilon of 1e-6", {"eps": 1e-6}, ("norm",), ("eps-value",)),
            ("gates z, r, n", {"order": "zrn"}, ("rnn",), ("gate-order",)),
            ("r before the product", {"before": True}, ("rnn",), ("gru-reset",))],
    "attention": [("epsilon of 1e-6", {"eps": 1e-6}, ("norm",), ("eps-value",)),
                  ("softmax over the queries", {"axis": -2}, ("attn",), ("softmax-axis",)),
                  ("no scale", {"scale": False}, ("attn",), ("attention-scale",))],
    "transformer": [("epsilon of 1e-6", {"eps": 1e-6}, ("norm2",), ("eps-value",)),
                    ("another form of GELU", {"other": True}, ("",), ("gelu-tanh", "gelu-sigmoid")),
                    ("no second residual", {"residual": False}, ("",), ("residual-missing",))],
}  # fmt: skip
RIGHT = {"cnn": blocks.cnn_group, "lstm": blocks.lstm, "gru": blocks.gru, "attention": blocks.attention}


def function_ports(
    xp: Any, erf: Any, compiled: Callable[[Any], Any], array: Callable[[Any], Any], number: Any = float
) -> Iterator[Port]:
    """Every block and mistake; `array` makes the framework's arrays of NumPy's, `compiled` wraps the function."""
    functions = Functions(xp, erf, number)
    form = "none" if erf is not None else "tanh"
    rights = {**RIGHT, "mlp": lambda: blocks.mlp(form), "transformer": lambda: blocks.transformer(form)}
    for block, shapes in SHAPES.items():

        def left(block: str = block, shapes: Any = shapes, **options: Any) -> Any:
            parameters = {layer: {name: array(np.zeros(shape, np.float32)) for name, shape in own.items()}
                          for layer, own in shapes.items()}  # fmt: skip
            function = getattr(functions, block)
            wrapped = compiled(lambda parameters, x: function(parameters, x, **options))
            wrapped.__name__ = block
            return functools.partial(wrapped, parameters)

        yield Port(block, left, rights[block])
        for mistake, options, where, causes in MISTAKES[block]:
            port = functools.partial(left, **options)
            yield Port(block, port, rights[block], mistake, where, causes)
