"""Torch modules: random trees under random names, what they return, and how a copy is changed."""

from __future__ import annotations

import dataclasses
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

WIDTH = 6
Pair = namedtuple("Pair", "x y")
Rng = np.random.Generator


@dataclasses.dataclass
class Result:
    logits: Any
    state: Any = None


class Attributes(dict):
    """A dict whose keys are attributes too, as model libraries return them."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Node(nn.Module):
    """Children under drawn names, called in a drawn way; now and then a parameter,
    a buffer or a mistake of its own.
    """

    def __init__(self, rng: Rng, children: dict[str, nn.Module], way: str, extra: str, act: Any) -> None:
        super().__init__()
        self.way, self.extra, self.act, self.names = way, extra, act, list(children)
        for name, child in children.items():
            self.add_module(name, child)
        if extra == "parameter":
            self.scale = nn.Parameter(torch.tensor(rng.normal(size=WIDTH), dtype=torch.float32))
        if extra == "unused":
            self.spare = nn.Parameter(torch.ones(3))
        if extra == "scalar":
            self.scale = nn.Parameter(torch.tensor(1.5))
        if extra == "buffer":
            self.register_buffer("seen", torch.zeros((), dtype=torch.long))
        if extra == "frozen" and not any(map(nn.parameter.is_lazy, self.parameters())):
            for parameter in self.parameters():
                parameter.requires_grad_(False)
                break

    def forward(self, x: Any, mask: Any = None) -> Any:
        if self.extra == "raises":
            raise ValueError("not today")
        if self.extra == "raises in eval" and not self.training:
            raise RuntimeError("only in training")
        if self.extra == "buffer" and self.training:
            self.seen.add_(1)  # type: ignore[operator]
        if self.extra == "counts":
            self.calls = getattr(self, "calls", 0) + 1
        h = x
        for name in self.names:
            h = self.step(getattr(self, name), h)
        if self.extra in ("parameter", "scalar"):
            h = h * self.scale
        if mask is not None:
            h = h * torch.as_tensor(mask).to(h.dtype)
        return self.act(h) if self.act is not None else h

    def step(self, child: nn.Module, h: Any) -> Any:
        if self.way == "residual":
            return h + first(child(h))
        if self.way == "twice":
            return first(child(first(child(h))))
        if self.way == "skip":
            return h
        if self.way == "no_grad":
            with torch.no_grad():
                return first(child(h))
        if self.way == "detach":
            return first(child(h)).detach()
        if self.way == "in place":
            y = first(child(h)).clone()
            y += 1
            return y
        return first(child(h))


class Outputs(nn.Module):
    """The model with what it returns packed in some way."""

    def __init__(self, inner: nn.Module, form: str) -> None:
        super().__init__()
        self.inner, self.form = inner, form

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return packed(self.inner(*args, **kwargs), self.form)


FORMS = ("plain", "tuple", "list", "dict", "nested", "dataclass", "attributes", "named", "with None", "None", "empty",
         "number", "string", "integer", "bool", "complex", "argmax", "detached", "half", "double", "scalar", "twice",
         "array", "empty tensor", "module")  # fmt: skip


def packed(y: Any, form: str) -> Any:
    tensor = isinstance(y, torch.Tensor)
    return {
        "plain": lambda: y, "tuple": lambda: (y, y * 2), "list": lambda: [y], "dict": lambda: {"b": y, "a": y + 1},
        "nested": lambda: {"x": (y, {"z": [y, None]})}, "dataclass": lambda: Result(y, (y, None)),
        "attributes": lambda: Attributes(logits=y, loss=y.sum()), "named": lambda: Pair(y, y),
        "with None": lambda: (None, y),
        "None": lambda: None, "empty": lambda: (), "number": lambda: 3.0, "string": lambda: "seven",
        "integer": lambda: y.long() if tensor else y.astype(int), "bool": lambda: y > 0,
        "complex": lambda: y * (1 + 2j), "argmax": lambda: (y, y.argmax(-1)),
        "detached": lambda: y.detach() if tensor else y, "half": lambda: y.half() if tensor else y.astype(np.float16),
        "double": lambda: y.double() if tensor else y.astype(np.float64), "scalar": lambda: y.sum(),
        "twice": lambda: (y, y), "array": lambda: np.asarray(y.detach()) if tensor else y,
        "empty tensor": lambda: y[:0],
        "module": lambda: nn.Linear(2, 2),
    }[form]()  # fmt: skip


def first(y: Any) -> Any:
    return y[0] if isinstance(y, tuple | list) else y


LEAVES: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(WIDTH, WIDTH), "no bias": lambda: nn.Linear(WIDTH, WIDTH, bias=False),
    "norm": lambda: nn.LayerNorm(WIDTH), "batch norm": lambda: nn.BatchNorm1d(WIDTH), "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "dropout": lambda: nn.Dropout(0.5), "identity": nn.Identity, "prelu": nn.PReLU, "gru": lambda: nn.GRU(WIDTH,
    WIDTH),
    "lstm": lambda: nn.LSTM(WIDTH, WIDTH, batch_first=True),
    "weight norm": lambda: nn.utils.parametrizations.weight_norm(
        nn.Linear(WIDTH, WIDTH)), "old weight norm": lambda: nn.utils.weight_norm(nn.Linear(WIDTH, WIDTH)),
    "lazy": lambda: nn.LazyLinear(WIDTH), "embedding": lambda: nn.Embedding(9, WIDTH),
    "softmax": lambda: nn.Softmax(-1),
    "wider": lambda: nn.Linear(WIDTH, WIDTH + 1), "double": lambda: nn.Linear(WIDTH, WIDTH).double(),
    "spectral": lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(WIDTH, WIDTH)),
}  # fmt: skip
USUAL = ("linear", "no bias", "norm", "relu", "tanh", "dropout", "batch norm", "identity", "prelu")
WAYS = ("residual", "twice", "skip", "no_grad", "detach", "in place")
EXTRAS = ("parameter", "unused", "scalar", "buffer", "frozen", "raises", "raises in eval", "counts")
NAMES = ("a", "b", "fc", "layer1", "module", "loss", "weight_g", "input", "0", "grad", "output", "inner", "bias")


def pick(rng: Rng, choices: Any) -> Any:
    return choices[int(rng.integers(len(choices)))]


def tree(rng: Rng, depth: int = 2) -> nn.Module:
    if depth == 0 or rng.random() < 0.3:
        return LEAVES[pick(rng, USUAL if rng.random() < 0.8 else list(LEAVES))]()
    parts = [tree(rng, depth - 1) for _ in range(int(rng.integers(1, 4)))]
    if rng.random() < 0.3:
        return nn.Sequential(*parts)
    names = rng.permutation(NAMES)[: len(parts)]
    children = {str(name): part for name, part in zip(names, parts, strict=True) if str(name) != "loss" or depth < 2}
    if len(children) > 1 and rng.random() < 0.1:  # one layer under two names
        children[list(children)[-1]] = next(iter(children.values()))
    act = pick(rng, (None, torch.relu, torch.tanh, lambda h: h.abs(), lambda h: h.clamp(-1, 1)))
    way = pick(rng, WAYS) if rng.random() < 0.4 else "call"
    extra = pick(rng, EXTRAS) if rng.random() < 0.25 else ""
    return Node(rng, children, way, extra, act)


def altered(rng: Rng, model: nn.Module) -> nn.Module:
    """The model with a few things changed."""
    nodes = [m for m in model.modules() if isinstance(m, Node)]
    for _ in range(int(rng.integers(0, 3))):
        part = pick(rng, nodes) if nodes else None
        change = pick(rng, ("way", "extra", "act", "rename", "drop", "replace", "half", "train", "hook", "tie"))
        if change == "half":
            model = model.to(pick(rng, (torch.float64, torch.bfloat16, torch.float16)))
        elif change == "train":
            pick(rng, list(model.modules())).eval()
        elif change == "hook":
            pick(rng, list(model.modules())).register_forward_hook(
                lambda m, a, y: y * 1.1 if isinstance(y, torch.Tensor) else y
            )
        elif part is None or not part.names:
            continue
        elif change == "way":
            part.way = pick(rng, WAYS)
        elif change == "extra":
            part.extra = pick(rng, ("raises", "raises in eval", "counts"))
        elif change == "act":
            part.act = pick(rng, (None, torch.sigmoid, lambda h: None, lambda h: h[..., :2]))
        elif change == "drop":
            part.names = part.names[:-1]
        elif change == "replace":
            part.add_module(pick(rng, part.names), tree(rng, 1))
        elif change == "tie" and len(part.names) > 1:
            part.add_module(part.names[-1], getattr(part, part.names[0]))
        elif change == "rename":
            old, new = pick(rng, part.names), pick(rng, ("other", "x1", "module"))
            if new not in part._modules and not hasattr(part, new):
                part.add_module(new, part._modules.pop(old))
                part.names = [new if name == old else name for name in part.names]
    return model
