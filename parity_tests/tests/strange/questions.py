"""All arguments of one comparison. What compare makes of them is a report or one clear error, whatever they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

import scratch
from parity_tests.tests.strange.objects import strange
from parity_tests.tests.strange.trees import FORMS, WIDTH, Outputs, Rng, altered, pick, tree


def inputs(rng: Rng) -> Any:
    x = rng.normal(size=(4, WIDTH)).astype(np.float32)
    if rng.random() < 0.6:
        return x
    return pick(rng, (
        torch.tensor(x), (x,), (x, rng.random((4, WIDTH)) < 0.5), {"x": x}, {"x": x, "mask": np.ones((4, 1), bool)},
        [x],
        x.astype(np.float64), x.astype(np.float16), torch.tensor(x).bfloat16(), rng.integers(0, 9, (4,)), x[:0],
        x[0], x[:1],
        x.T.copy().T, x * np.nan, x * np.inf, x * 0, None, "text", (), {}, 3.5, x[:, :2], (x, None), (x, "mean"),
        ((x, x),),
        {"x": {"deep": x}}, x * 1e30, x.astype(np.complex64), rng.random((4, WIDTH)) < 0.5, np.ones((2, 3, WIDTH),
        np.float32),
        np.array(["a"]), np.array([x, None], object), torch.tensor(x).to_sparse(), x.astype(np.int8), (x, x),
        np.float32(1.0),
        np.broadcast_to(np.float32(1), (4, WIDTH)), {1: x}, torch.tensor(x, requires_grad=True),
    ))  # fmt: skip


def losses(rng: Rng) -> tuple[Any, Any]:
    """A target and a loss."""
    target = rng.normal(size=(4, WIDTH)).astype(np.float32)
    if rng.random() < 0.6:
        return None, None
    return pick(rng, (
        (target, nn.MSELoss()), (target, "MSELoss"), (rng.integers(0, WIDTH, 4), nn.CrossEntropyLoss()), (target,
        "NoLoss"),
        (target[:, :2], nn.MSELoss()), (None, nn.MSELoss()), (target, None), (target, (nn.MSELoss(), nn.L1Loss())),
        (target, (nn.MSELoss(),)), (target, lambda y, t: ((y - t) ** 2).mean()), (target, lambda y: y), (target, 3),
        (target, scratch.nn.MSELoss()), (target, nn.MSELoss(reduction="none")), (np.sign(target),
        nn.SoftMarginLoss()),
        ({"a": target}, nn.MSELoss()), ("target", nn.MSELoss()), (target, lambda y, t: None), (target, lambda y,
        t: 0.5),
        (target, nn.MSELoss), (target, lambda y, t: (y - t, y)), (target * np.nan, nn.MSELoss()),
    ))  # fmt: skip


class OwnOptimizer:
    def __init__(self, parameters: Any) -> None:
        self.parameters, self.rate = list(parameters), 0.1
        self.state: dict[Any, Any] = {}

    def step(self) -> None:
        for p in self.parameters:
            if p.grad is not None:
                p.data -= self.rate * p.grad


def optimizers(rng: Rng) -> tuple[Any, int]:
    if rng.random() < 0.7:
        return None, 0
    chosen = pick(rng, (
        lambda p: torch.optim.SGD(p, 0.1), lambda p: torch.optim.Adam(p), "SGD", "Adam", "Nothing", None, 7,
        lambda p: None,
        lambda p: torch.optim.LBFGS(p, max_iter=2), OwnOptimizer, (OwnOptimizer, lambda p: torch.optim.SGD(p, 0.1)),
        (1, 2, 3),
        lambda p: torch.optim.AdamW([{"params": p[:1]}, {"params": p[1:], "lr": 0.1}]),
        lambda p: torch.optim.Rprop(p[:1]),
        (lambda p: scratch.optim.SGD(p, 0.1), lambda p: torch.optim.SGD(p, 0.1)), lambda p: torch.optim.SGD(p, -1),
    ))  # fmt: skip
    return chosen, int(rng.integers(0, 4))


MOVES = ("transpose", "reshape", "permute 1 0", "permute 0", "rows 0:3", "rows 5:2", "rows 0:99", "gates rzn",
"gates ifgo", "gates x",
         "concat", "sum", "zero", "ignore", "nonsense", "", "permute")  # fmt: skip


def maps(rng: Rng, left: Any, right: Any) -> Any:
    if rng.random() < 0.6:
        return "copy"
    if rng.random() < 0.2:
        return pick(rng, ("seed", "other", None, 3, [], {}, {1: 2}, {"a": None}, {"": ""}))
    names = [[n for n, _ in m.named_parameters()] + [n for n, _ in m.named_modules()] if isinstance(m, nn.Module) else
             ["weight", "bias", "layers.0.weight", "0.weight"] for m in (left, right)]  # fmt: skip
    found: dict[Any, Any] = {}
    for _ in range(int(rng.integers(1, 4))):
        own, other, more = (pick(rng, [*n, "unknown"]) for n in (names[0], names[1], names[1]))
        found[own] = pick(rng, (other, [other, pick(rng, MOVES)], (other, more, "concat"), [other, more, "sum"],
        [other, more],
                                "zero", "ignore", [], [3], [other, pick(rng, MOVES), pick(rng, MOVES)]))  # fmt: skip
    return found


def question(seed: int) -> dict[str, Any]:
    """The arguments of one comparison."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    known = rng.random() < 0.85
    right: Any = tree(np.random.default_rng(seed)) if known else strange(rng)
    if known and rng.random() < 0.8:
        left: Any = altered(rng, tree(np.random.default_rng(seed)))
    else:
        left = strange(rng) if rng.random() < 0.6 else tree(rng)
    forms = pick(rng, FORMS), pick(rng, FORMS)
    if rng.random() < 0.5:
        same = rng.random() < 0.6
        left, right = (Outputs(m, f) if isinstance(m, nn.Module) else m
                       for m, f in ((left, forms[0]), (right, forms[0 if same else 1])))  # fmt: skip
    if rng.random() < 0.1:
        left, right = right, left
    if rng.random() < 0.05:
        left = right
    target, loss = losses(rng)
    optimizer, steps = optimizers(rng)
    return {"left": left, "right": right, "inputs": inputs(rng), "target": target, "loss": loss,
    "optimizer": optimizer,
            "steps": steps, "parameters": maps(rng, left, right), "seed": int(rng.integers(0, 3)),
            "mode": pick(rng, ("both", "both", "both", "train", "eval", "test"))}  # fmt: skip
