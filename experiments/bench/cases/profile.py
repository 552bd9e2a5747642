"""The time of a training step, layer by layer, and why the rest remains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from experiments.bench.case import Case, Timed, library
from experiments.bench.cases import cnn, mlp
from experiments.bench.cases.mnist import SIDE, images, order

COUNT = 6400
MODELS: dict[str, tuple[int, str]] = {
    "784-128-10": (
        64,
        "the products run near the processor's peak, and x W^T of few rows below it; Adam is 12 statements over 100 "
        "thousand weights; the loss is some twenty small statements",
    ),
    "CNN 16-32 channels": (
        64,
        "beside its products a convolution copies windows into columns and back, which no fused loop "
        "does; pooling and ReLU pass over the largest arrays of the network",
    ),
}


def cases(quick: bool) -> list[Case]:
    return [
        Case(
            f"a step of {name}, batch {batch}, 1 thread",
            "profile",
            ("scratch",),
            {"name": name, "batch": batch},
            rounds=3 if quick else 9,
            seconds=0.05 if quick else 0.5,
            reason=reason,
        )
        for name, (batch, reason) in MODELS.items()
    ]


def prepare(engine: str, name: str, batch: int) -> Timed:
    """The step of a training loop, cut into its parts; they run in its order, on one batch after another."""
    lib = library(engine)
    flat = name.startswith("784")
    net = mlp.network(lib, (SIDE * SIDE, 128, 10)) if flat else cnn.network(lib)
    net.requires_input_grad_(False)
    criterion, optimizer = lib.nn.CrossEntropyLoss(), lib.optim.Adam(net.parameters())
    data = images(COUNT)
    pixels = data.x if flat else data.x.reshape(-1, 1, SIDE, SIDE)
    batches = order(len(pixels), batch, 0)
    now: dict[str, Any] = {"step": -1}

    def gather() -> None:
        now["step"] = (now["step"] + 1) % len(batches)
        numbers = batches[now["step"]]
        now["x"], now["y"] = pixels.take(numbers, axis=0), data.y.take(numbers)
        optimizer.zero_grad()

    def loss() -> None:
        criterion(now["x"], now["y"])
        now["x"] = criterion.backward()

    def forward(layer: Any) -> None:
        now["x"] = layer(now["x"])

    def backward(layer: Any) -> None:
        now["x"] = layer.backward(now["x"])

    def part(function: Callable[[Any], None], layer: Any) -> Callable[[], None]:
        return lambda: function(layer)

    names = [f"{type(layer).__name__} {number}" for number, layer in enumerate(net)]
    phases = {"gather": gather}
    phases |= {f"{what} forward": part(forward, layer) for what, layer in zip(names, net, strict=True)}
    phases["loss"] = loss
    pairs = reversed(list(zip(names, net, strict=True)))
    phases |= {f"{what} backward": part(backward, layer) for what, layer in pairs}
    phases["Adam"] = optimizer.step
    return Timed(phases)
