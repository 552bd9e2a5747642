"""One step of every rule: at 100 thousand parameters, the network 784-128-10, and Adam's at 10 million too."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.bench.case import Case, Limit, Timed, Work, library
from experiments.bench.traffic import counted, counting

SHAPES = {"100 thousand": ((128, 784), (128,), (10, 128), (10,)), "10 million": ((2500, 4000),)}
RULES: dict[str, dict[str, Any]] = {
    "SGD": {},
    "SGD, momentum": {"momentum": 0.9},
    **{name: {} for name in ("Adam", "AdamW", "Adadelta", "Adafactor", "Adagrad", "Adamax", "ASGD")},
    "LBFGS": {"max_iter": 5},
    **{name: {} for name in ("Muon", "NAdam", "RAdam", "RMSprop", "Rprop")},
}
FUSED = ("SGD", "Adam", "AdamW", "Adagrad")
MOST, ADAM = 10.0, 1.2
REASONS = {"Adam": "12 statements move 120 bytes a weight between cache and core, where a fused kernel moves 28"}


def cases(quick: bool) -> list[Case]:
    small = [case(rule, "100 thousand", quick) for rule in RULES]
    return small if quick else [*small, case("Adam", "10 million", quick)]


def case(rule: str, size: str, quick: bool) -> Case:
    fused = rule.split(",")[0] in FUSED
    limits = (Limit(ADAM, "torch fused"),) if rule == "Adam" else (Limit(MOST, "torch"),)
    return Case(
        f"{rule}, {size} parameters",
        "optimizers",
        ("scratch", "torch", "torch fused") if fused else ("scratch", "torch"),
        {"rule": rule, "size": size},
        limits,
        rounds=3 if quick else 15,
        seconds=0.005 if quick else 0.05,
        reason=REASONS.get(rule, ""),
    )


def prepare(engine: str, rule: str, size: str) -> Work:
    """Parameters and gradients of size 1 and 1e-3, the same on both engines; the same gradient in every step."""
    lib = library(engine)
    name, options = rule.split(",")[0], RULES[rule]
    shapes = [shape for shape in SHAPES[size] if name != "Muon" or len(shape) == 2]  # Muon is for matrices
    rng = np.random.default_rng(0)
    starts = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    slopes = [rng.normal(scale=1e-3, size=shape).astype(np.float32) for shape in shapes]
    parameters = [lib.nn.Parameter(native(engine, start)) for start in starts]
    if engine == "torch fused":
        options = {**options, "fused": True}
    optimizer = getattr(lib.optim, name)(parameters, **options)
    if name == "LBFGS":
        return bowl(engine, optimizer, parameters, starts)
    for parameter, slope in zip(parameters, slopes, strict=True):
        parameter.grad = native(engine, slope)
    if engine == "scratch":
        into_buffers(parameters)
    return Timed({"step": optimizer.step}, notes=lambda: traffic_of(optimizer) if engine == "scratch" else {})


def native(engine: str, array: np.ndarray) -> Any:
    """A copy as this engine has it."""
    if engine == "scratch":
        return array.copy()
    import torch

    return torch.tensor(array)


def into_buffers(parameters: list[Any]) -> None:
    """Gradients where a backward writes them, so that a step does not copy them."""
    for parameter in parameters:
        gradient, parameter.grad = parameter.grad, None
        parameter.accumulate(gradient)


def traffic_of(optimizer: Any) -> dict[str, Any]:
    """The bytes of a step, and of a fused one: each array of parameters, gradients and state read once, and written."""
    flats = [flat for flats in optimizer.flats for flat in flats]
    for flat in flats:
        flat.theta, flat.grad = counting(flat.theta), counting(flat.grad)
        flat.vectors, flat.scratch = counting(flat.vectors), counting(flat.scratch)
        flat.views, flat.buffers = counting(flat.views), counting(flat.buffers)
        for parameter, view, buffer in zip(flat.parameters, flat.views, flat.buffers, strict=True):
            parameter.data, parameter.grad_buffer, parameter.grad = view, buffer, buffer
            optimizer.state[parameter] = counting(optimizer.state.get(parameter, {}))
    with counted() as traffic:
        optimizer.step()
    theta = sum(flat.theta.nbytes for flat in flats)
    least = 3 * theta + 2 * theta * len(flats[0].vectors)
    return {
        "MB moved": round(traffic.bytes / 1e6, 2),
        "MB at least": round(least / 1e6, 2),
        "passes": round(traffic.bytes / theta, 1),
    }


def bowl(engine: str, optimizer: Any, parameters: list[Any], starts: list[np.ndarray]) -> Timed:
    """LBFGS going down ½ Σ c θ², c from 1 to 100, from the same point every time: a step is `max_iter` iterations."""
    curvatures = [native(engine, np.linspace(1, 100, s.size, dtype=np.float32).reshape(s.shape)) for s in starts]
    points = [native(engine, start) for start in starts]
    cleared = optimizer.state_dict()

    def closure() -> float:
        loss = 0.0
        for parameter, c in zip(parameters, curvatures, strict=True):
            theta = parameter.data
            parameter.grad = c * theta
            loss += float((parameter.grad * theta).sum()) / 2
        return loss

    def reset() -> None:
        optimizer.load_state_dict(cleared)
        for parameter, point in zip(parameters, points, strict=True):
            parameter.data[...] = point

    return Timed({"step": lambda: optimizer.step(closure)}, reset)
