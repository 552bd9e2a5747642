"""Layers at the sizes of real networks, forward and backward: the shapes of MNIST's CNNs, and the usual sequences."""

from __future__ import annotations

from experiments.bench.case import Case, Limit, Work
from experiments.bench.cases import components
from parity_tests.table.recipe import normal
from parity_tests.table.row import Layer

BATCH = 128
ROWS: dict[str, tuple[Layer, float]] = {
    "Conv2d 1→8, 5x5, 28²": (Layer("nn.Conv2d", (1, 8, 5), (normal(BATCH, 1, 28, 28),)), 3.0),
    "Conv2d 8→16, 5x5, 12²": (Layer("nn.Conv2d", (8, 16, 5), (normal(BATCH, 8, 12, 12),)), 3.0),
    "Conv2d 1→32, 3x3, 28²": (Layer("nn.Conv2d", (1, 32, 3), (normal(BATCH, 1, 28, 28),)), 3.0),
    "Conv2d 32→64, 3x3, 13²": (Layer("nn.Conv2d", (32, 64, 3), (normal(BATCH, 32, 13, 13),)), 3.0),
    "MaxPool2d 2, 32 x 24²": (Layer("nn.MaxPool2d", (2,), (normal(BATCH, 32, 24, 24),)), 3.0),
    "MaxPool2d 3, stride 2, 32 x 24²": (Layer("nn.MaxPool2d", (3, 2), (normal(BATCH, 32, 24, 24),)), 3.0),
    "AvgPool2d 2, 32 x 24²": (Layer("nn.AvgPool2d", (2,), (normal(BATCH, 32, 24, 24),)), 3.0),
    "AdaptiveAvgPool2d 1, 64 x 7²": (Layer("nn.AdaptiveAvgPool2d", (1,), (normal(BATCH, 64, 7, 7),)), 3.0),
    "BatchNorm2d 32 x 26²": (Layer("nn.BatchNorm2d", (32,), (normal(BATCH, 32, 26, 26),)), 2.0),
    "BatchNorm1d 512": (Layer("nn.BatchNorm1d", (512,), (normal(BATCH, 512),)), 2.0),
    "LayerNorm 512, 32 x 128 rows": (Layer("nn.LayerNorm", (512,), (normal(32, 128, 512),)), 2.0),
    "LSTM 128→256, 64 steps": (Layer("nn.LSTM", (128, 256), (normal(64, 32, 128),)), 2.0),
    "LSTM 28→128, 28 steps": (Layer("nn.LSTM", (28, 128), (normal(28, BATCH, 28),)), 2.0),
    "MultiheadAttention 256, 8 heads, 128 tokens": (
        Layer("nn.MultiheadAttention", (256, 8), (normal(128, 16, 256),) * 3),
        2.0,
    ),
    "MultiheadAttention without weights": (
        Layer("nn.MultiheadAttention", (256, 8), (normal(128, 16, 256),) * 3, call={"need_weights": False}),
        2.0,
    ),
}
REASONS = {"LayerNorm 512, 32 x 128 rows": components.LAYER_NORM}
TWO_THREADS = "to wake a thread takes 50 µs, and statements of fewer than 100,000 numbers wait for Python's lock"


def cases(quick: bool) -> list[Case]:
    return [
        Case(
            f"{name}, {threads} thread{'s' * (threads > 1)}",
            "layers",
            setting={"name": name},
            limits=(Limit(most, "torch"),),
            threads=threads,
            rounds=3 if quick else 9,
            seconds=0.01 if quick else 0.05,
            reason=REASONS.get(name, TWO_THREADS if threads > 1 else ""),
        )
        for threads in ((1,) if quick else (1, 2))
        for name, (_, most) in ROWS.items()
    ]


def prepare(engine: str, name: str) -> Work:
    return components.layer(engine, ROWS[name][0])
