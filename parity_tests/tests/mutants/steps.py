"""Optimizers and losses with one option changed or written by hand, judged by free training with each.

A mutant has one option of torch's optimizer or loss changed, or another class in its place. A rewrite is the same rule
by hand, or torch's own other implementation of it. Both sides train one small network from the same parameters; losses,
gradients, parameters and states after every step are judged as in `oracle`.
"""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from parity_tests import compare as compare_models
from parity_tests.rule import DRAWS, distance, float32_limit
from parity_tests.tests.mutants import by_hand
from parity_tests.tests.mutants.oracle import NEAR, Numbers, Verdict, moved
from parity_tests.tests.mutants.trial import Result, verdict_of

STEPS = 5
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01},
    "Adam": {"lr": 0.02, "weight_decay": 0.01},
    "AdamW": {"lr": 0.02},
    "NAdam": {"lr": 0.02},
    "RAdam": {"lr": 0.02},
    "Adamax": {"lr": 0.02},
    "RMSprop": {"lr": 0.01, "momentum": 0.5},
    "Adagrad": {"lr": 0.05, "lr_decay": 0.1},
    "Adadelta": {"lr": 0.5},
    "ASGD": {"lr": 0.05, "t0": 1.0},
    "Rprop": {"lr": 0.01},
    "Adafactor": {"lr": 0.05},
}
FLAGS = ("nesterov", "amsgrad", "maximize", "centered", "decoupled_weight_decay")
SIBLINGS = {"Adam": ("AdamW", "RAdam", "NAdam"), "RMSprop": ("Adagrad",), "SGD": ("ASGD",), "AdamW": ("Adam",)}

RNG = np.random.default_rng(3)
X = RNG.normal(size=(8, 6)).astype(np.float32)
TARGETS = {
    "classes": np.array([0, 2, 1, 1, 0, 2, 2, 1]),
    "numbers": RNG.normal(size=(8, 3)).astype(np.float32),
    "shares": (lambda e: e / e.sum(1, keepdims=True))(RNG.random((8, 3)).astype(np.float32)),
    "signs": np.sign(RNG.normal(size=(8, 3))).astype(np.float32),
    "labels": (RNG.random((8, 3)) > 0.5).astype(np.float32),
}
LOSSES: dict[str, tuple[str, dict[str, tuple[Any, ...]], tuple[str, ...]]] = {
    "MSELoss": ("numbers", {"reduction": ("sum",)}, ("L1Loss", "SmoothL1Loss")),
    "L1Loss": ("numbers", {"reduction": ("sum",)}, ("SmoothL1Loss",)),
    "SmoothL1Loss": ("numbers", {"beta": (0.5, 1.1), "reduction": ("sum",)}, ("MSELoss", "L1Loss")),
    "HuberLoss": ("numbers", {"delta": (0.5, 1.1), "reduction": ("sum",)}, ("MSELoss",)),
    "CrossEntropyLoss": (
        "classes",
        {"reduction": ("sum",), "label_smoothing": (0.1,), "ignore_index": (1, 0)},
        ("MultiMarginLoss", "NLLLoss"),
    ),
    "BCEWithLogitsLoss": (
        "labels",
        {"reduction": ("sum",), "pos_weight": (torch.tensor(2.0),), "weight": (torch.tensor([1.0, 2.0, 0.5]),)},
        ("MSELoss", "MultiLabelSoftMarginLoss"),
    ),
    "MultiMarginLoss": ("classes", {"p": (2,), "margin": (0.5,), "reduction": ("sum",)}, ("CrossEntropyLoss",)),
    "SoftMarginLoss": ("signs", {"reduction": ("sum",)}, ("HingeEmbeddingLoss",)),
    "HingeEmbeddingLoss": ("signs", {"margin": (0.5,), "reduction": ("sum",)}, ("SoftMarginLoss",)),
    "PoissonNLLLoss": ("shares", {"log_input": (False,), "reduction": ("sum",)}, ("MSELoss",)),
    "KLDivLoss": ("shares", {"reduction": ("batchmean", "sum"), "log_target": (True,)}, ("MSELoss",)),
    "MultiLabelSoftMarginLoss": ("labels", {"reduction": ("sum",)}, ("BCEWithLogitsLoss",)),
}


@dataclass(frozen=True)
class Case:
    """One training on both sides. The left's optimizer or loss is the one that was changed."""

    name: str
    rule: str
    left: Any
    right: Any
    target: str
    optimizers: tuple[Any, Any] = field(default=(), repr=False)  # type: ignore[assignment]


class Network(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = torch.nn.Linear(6, 5), torch.nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(torch.tanh(self.fc1(x)))


def network() -> Network:
    torch.manual_seed(0)
    return Network()


def _maker(name: str, options: dict[str, Any]) -> Callable[[Any], Any]:
    return lambda parameters: getattr(torch.optim, name)(parameters, **options)


def _changed_options(name: str, options: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every option of the optimizer with another value."""
    for option, parameter in inspect.signature(getattr(torch.optim, name)).parameters.items():
        value = options.get(option, parameter.default)
        others: list[Any] = []
        if option in FLAGS:
            others = [not value]
        elif isinstance(value, tuple):
            others = [(value[0] * 0.9, *value[1:]), (*value[:-1], value[-1] * 0.9)] if None not in value else []
        elif isinstance(value, float | int) and not isinstance(value, bool):
            others = [value * 1.1, value * 3] if value else [0.1]
        for other in others:
            if option != "params":
                text = f"{other:g}" if isinstance(other, float) else str(other)
                yield f"{option}={text}", {**options, option: other}


def mutants() -> Iterator[Case]:
    mse = torch.nn.MSELoss()
    for name, options in OPTIMIZERS.items():
        right = _maker(name, options)
        changes = [(text, _maker(name, new)) for text, new in _changed_options(name, options)]
        changes += [(f"as {other}", _maker(other, {"lr": options["lr"]})) for other in SIBLINGS.get(name, ())]
        for text, left in changes:
            yield Case(f"steps:{name}:{text}", "optimizer", mse, mse, "numbers", (left, right))
    for name, (target, options_of, siblings) in LOSSES.items():
        right_loss = getattr(torch.nn, name)()
        for option, values in options_of.items():
            for value in values:
                left_loss = getattr(torch.nn, name)(**{option: value})
                yield Case(f"loss:{name}:{option}={value}", "loss", left_loss, right_loss, target)
        for other in siblings:
            yield Case(f"loss:{name}:as {other}", "loss", getattr(torch.nn, other)(), right_loss, target)
        for text, left_loss in (
            ("twice", by_hand.Scaled(right_loss, 2.0)),
            ("halved", by_hand.Scaled(right_loss, 0.5)),
        ):
            yield Case(f"loss:{name}:{text}", "loss", left_loss, right_loss, target)


def rewrites() -> Iterator[Case]:
    mse = torch.nn.MSELoss()
    for name, options in OPTIMIZERS.items():
        known = inspect.signature(getattr(torch.optim, name)).parameters
        for other in ({"foreach": True}, {"foreach": False}, {"fused": True}):
            if set(other) <= set(known):
                both = _maker(name, {**options, **other}), _maker(name, options)
                yield Case(f"steps:{name}:{other}", "optimizer", mse, mse, "numbers", both)
        groups = lambda p, n=name, o=options: getattr(torch.optim, n)([{"params": p[:2]}, {"params": p[2:]}], **o)  # noqa: E731
        yield Case(f"steps:{name}:two groups", "optimizer", mse, mse, "numbers", (groups, _maker(name, options)))
    for name, options, left in by_hand.OPTIMIZERS:
        both = left, _maker(name, options)
        yield Case(f"steps:{name}:{left.__name__}", "optimizer", mse, mse, "numbers", both)
    for name, left_loss in by_hand.LOSSES:
        text = getattr(left_loss, "__name__", type(left_loss).__name__)
        right_loss = getattr(torch.nn, name)()
        yield Case(f"loss:{name}:{text}", "loss", left_loss, right_loss, LOSSES[name][0])


CASES = {"mutant": mutants, "rewrite": rewrites}


def train(loss: Any, maker: Any, target: np.ndarray, x: np.ndarray, dtype: torch.dtype) -> Iterator[Numbers]:
    """Loss, gradients, parameters and states after every step of a free training; without an optimizer, of one."""
    model = network().to(dtype)
    loss = copy.deepcopy(loss).to(dtype) if isinstance(loss, torch.nn.Module) else loss
    optimizer = maker(list(model.parameters())) if maker is not None else None
    given = torch.tensor(target)
    given = given.to(dtype) if given.is_floating_point() else given
    for _ in range(STEPS if optimizer is not None else 1):
        source = torch.tensor(x, dtype=dtype, requires_grad=True)
        for parameter in model.parameters():
            parameter.grad = None
        value = loss(model(source), given)
        value.backward()
        numbers = {"loss": value.detach().numpy().copy()}
        sources: dict[str, torch.Tensor] = {"input": source, **dict(model.named_parameters())}
        for name, leaf in sources.items():
            assert leaf.grad is not None
            numbers[f"grad {name}"] = leaf.grad.numpy().copy()
        if optimizer is not None:
            optimizer.step()
            for name, parameter in model.named_parameters():
                numbers[f"theta {name}"] = parameter.detach().numpy().copy()
                state = optimizer.state[parameter] if isinstance(optimizer, torch.optim.Optimizer) else {}
                entries = {key: v for key, v in state.items() if isinstance(v, torch.Tensor) and v.ndim}
                numbers |= {f"{key} of {name}": v.numpy().copy() for key, v in entries.items()}
        yield numbers


def judge(case: Case) -> Verdict:
    left, right = case.optimizers or (None, None)
    target, worst = TARGETS[case.target], Verdict("equal")
    try:
        ours = list(train(case.left, left, target, X, torch.float32))
    except Exception as problem:
        return Verdict("raises", float("inf"), type(problem).__name__)
    u: list[dict[str, float]] = [{} for _ in ours]
    truth: list[Numbers] = []
    for draw in range(DRAWS):
        (x,) = moved((X,), draw)
        runs = (train(case.right, right, target, x, dtype) for dtype in (torch.float32, torch.float64))
        for t, (rough, exact) in enumerate(zip(*runs, strict=True)):
            truth += [exact] if draw == 0 else []
            for what, value in exact.items():
                u[t][what] = max(u[t].get(what, 0.0), distance(rough[what], value))
    plain = left is not None and not _is_torchs(left([torch.nn.Parameter(torch.zeros(2))]))
    for t, (own, exact) in enumerate(zip(ours, truth, strict=True)):
        for what, value in exact.items():
            if what in own:
                ratio = distance(own[what], value) / float32_limit(u[t][what])
            else:
                ratio = 0.0 if plain else float("inf")
            if not ratio <= worst.ratio:
                worst = Verdict("", ratio, f"{what}, step {t + 1}")
    says = "different" if worst.ratio > NEAR else "equal" if worst.ratio < 1 else "undecided"
    return Verdict(says, worst.ratio, worst.what)


def _is_torchs(optimizer: Any) -> bool:
    """One of torch's own, whose states have torch's names."""
    return type(optimizer).__module__.startswith("torch.")


def trial(kind: str, case: Case, compare: Callable[..., Any] = compare_models) -> Result:
    """Ask compare about one training."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        truth = judge(case)
    options: dict[str, Any] = {"optimizer": case.optimizers, "steps": STEPS} if case.optimizers else {}
    verdict, report, note = verdict_of(
        lambda: compare(network(), network(), X, TARGETS[case.target], (case.left, case.right), **options)
    )
    result = Result(kind, case.name, case.rule, truth.says, truth.ratio, truth.what, verdict, note=note)
    if verdict == "DIVERGENCE":
        first = report.first_divergence
        result.where, result.note = first.where, str(first)[:300]
        result.place = first.phase == "step" if case.rule == "optimizer" else first.where == "loss"
    return result
