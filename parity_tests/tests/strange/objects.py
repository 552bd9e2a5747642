"""Objects of arrays, and everything else that somebody might give for a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

import scratch
from parity_tests.tests.strange.trees import WIDTH, Rng, first, packed, pick


class Plain:
    """A linear layer of arrays, which keeps them and their gradients in some way."""

    def __init__(self, rng: Rng) -> None:
        self._form, self._back = pick(rng, ("attributes", "dict", "list", "lazy", "none")), pick(rng, BACKS)
        self._out, self._fit = (
            pick(rng, ("plain", "plain", "plain", "tuple", "dict", "None", "list", "number")),
            rng.random() < 0.8,
        )
        w, b = np.zeros((WIDTH, WIDTH), np.float32), np.zeros(WIDTH if rng.random() < 0.7 else (1, WIDTH), np.float32)
        w = w if self._fit else w[:, :4]
        if self._form == "attributes":
            self.weight, self.bias = w, b
        elif self._form == "dict":
            self.params = {"weight": w, "bias": b}
            self.grads: dict[str, Any] = {}
        elif self._form == "list":
            self.weights, self.dweights = [w, b], [w * 0, b * 0]
        if rng.random() < 0.2:
            self.running_mean, self.training = np.zeros(WIDTH, np.float32), True
        if rng.random() < 0.1:
            self.frozen = True

    def _arrays(self) -> Any:
        if self._form == "dict":
            return self.params["weight"], self.params["bias"]
        if self._form == "list":
            return self.weights
        if self._form == "lazy" and not hasattr(self, "weight"):
            self.weight, self.bias = np.ones((WIDTH, WIDTH), np.float32), np.ones(WIDTH, np.float32)
        if self._form == "none":
            return np.eye(WIDTH, dtype=np.float32), np.float32(0)
        return self.weight, self.bias

    def forward(self, x: Any, mask: Any = None) -> Any:
        w, b = self._arrays()
        self._x = x
        return packed(x @ w.T + b, self._out)

    def backward(self, *dys: Any) -> Any:
        w, _ = self._arrays()
        dy = dys[0]
        if self._back == "raises":
            raise ValueError("no way back")
        if self._back == "none":
            return None
        dw, db = dy.T @ self._x, dy.sum(0)
        if self._form == "dict":
            self.grads["weight"], self.grads["bias"] = dw, db
        elif self._form == "list":
            self.dweights = [dw, db]
        else:
            self.dweight, self.dbias = dw, db if self._back != "shape" else db[:2]
        dx = dy @ w
        return {"tuple": (dx,), "nested": ((dx, None), {"a": dx}), "dict": {"x": dx}, "short": dx[:, :1],
        "list": [dx],
                "number": 1.0}.get(self._back, dx)  # fmt: skip


BACKS = ("right", "right", "right", "none", "raises", "tuple", "nested", "dict", "short", "shape", "list", "number")


class Stack:
    """Plain layers in a list, a dict or attributes."""

    def __init__(self, rng: Rng) -> None:
        parts = [Plain(rng) for _ in range(int(rng.integers(1, 3)))]
        self.layers = {str(i): p for i, p in enumerate(parts)} if rng.random() < 0.3 else parts
        if rng.random() < 0.2:
            self.parameters = "not a dict"

    def _parts(self) -> list[Plain]:
        return list(self.layers.values()) if isinstance(self.layers, dict) else self.layers

    def forward(self, x: Any) -> Any:
        for part in self._parts():
            x = first(part.forward(x))
        return x

    def backward(self, dy: Any) -> Any:
        for part in reversed(self._parts()):
            dy = part.backward(dy)
        return dy


class Slots:
    __slots__ = ("w",)

    def __init__(self) -> None:
        self.w = np.ones(WIDTH, np.float32)

    def forward(self, x: Any) -> Any:
        return x * self.w


class Callable_:
    """An object that is called, with one name for its arrays twice."""

    def __init__(self) -> None:
        self.w = self.v = np.ones(WIDTH, np.float32)

    def __call__(self, x: Any) -> Any:
        return x * self.w


def scratch_model(rng: Rng) -> Any:
    parts = [pick(rng, (lambda: scratch.nn.Linear(WIDTH, WIDTH), scratch.nn.ReLU, scratch.nn.Tanh,
    lambda: scratch.nn.Dropout(0.5),
                        lambda: scratch.nn.BatchNorm1d(WIDTH),
                        lambda: scratch.nn.LayerNorm(WIDTH)))() for _ in range(3)]  # fmt: skip
    return scratch.nn.Sequential(*parts)


def strange(rng: Rng) -> Any:
    """Something that is given for a model."""
    w = torch.ones(WIDTH, requires_grad=True)
    return pick(rng, (
        lambda: Plain(rng), lambda: Plain(rng), lambda: Stack(rng), Slots, Callable_, lambda: scratch_model(rng),
        lambda: scratch_model(rng), lambda: (lambda x: x * 2), lambda: (lambda x: x * w),
        lambda: (lambda x: torch.relu(x)),
        lambda: (lambda *a, **k: None), lambda: Plain, lambda: nn.Linear, lambda: (lambda: None), lambda: None,
        lambda: 3,
        lambda: "model", lambda: (lambda: Plain(rng)), lambda: nn.ModuleList([nn.Linear(WIDTH, WIDTH)]),
        lambda: nn.ParameterList(),
        lambda: torch.nn.functional.relu, lambda: np.tanh, lambda: [nn.Linear(WIDTH, WIDTH)],
        lambda: (lambda x: np.maximum(x, 0)),
        lambda: nn.Sequential(), lambda: nn.DataParallel(nn.Linear(WIDTH, WIDTH)), lambda: nn.GRU(WIDTH, WIDTH),
        lambda: nn.MultiheadAttention(WIDTH, 2), lambda: nn.ModuleDict({"a": nn.Linear(WIDTH, WIDTH)}),
        lambda: nn.Linear(WIDTH, WIDTH, device="meta"), lambda: nn.Linear(WIDTH, WIDTH, dtype=torch.complex64),
    ))()  # fmt: skip
