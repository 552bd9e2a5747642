"""Rows: activations.

Elementwise rows have 32 x 7 or 32 elements, which fill torch's vector registers: in the few elements that its vector
loops do not cover, torch's own gradient of NaN differs for some activations (see their docstrings). Rows with channels
or sums have prime sizes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from parity_tests.table.recipe import Recipe, given, integers, normal
from parity_tests.table.row import Layer, Refusal, Row

KINKS = np.array([1, -3, -1, -0.5, 0, 0.5, 3, 6], np.float32)
AROUND = np.concatenate([KINKS, np.nextafter(KINKS, np.float32(9)), np.nextafter(KINKS, np.float32(-9))])
EDGES = np.concatenate([AROUND, [-1e3, -100, -20, -0.0, 7, 20, 100, 1e3]])


def off(*kinks: float) -> Recipe:
    """Normal numbers, none within 0.01 of a kink, so that finite differences have a meaning."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        x = rng.normal(0, 2, (32, 7))
        for kink in kinks:
            x[np.abs(x - kink) < 0.01] += 0.02
        return x

    return Recipe(draw)


def elementwise(name: str, *args: Any, kinks: tuple[float, ...] = (), **notes: str) -> list[Layer]:
    """Random numbers; and kinks with their neighbors, zeros of either sign, and numbers large enough to overflow."""
    case = ", ".join(map(str, args))
    return [
        Layer(name, args, (off(*kinks),), case, notes={key.replace("_", " "): reason for key, reason in notes.items()}),
        Layer(name, args, (given(EDGES),), f"{case} edges".strip(), smooth=False),
    ]


def small(name: str, *args: Any) -> Layer:
    """Numbers near 0, judged by their own size: they must not be lost in 1 + x."""
    return Layer(name, args, (normal(32, 7, scale=1e-4),), ", ".join([*map(str, args), "small"]), smooth=False)


def tail(name: str, *args: Any, loc: float = -20.0) -> Layer:
    """Numbers where the function is nearly 0, judged by its remaining size."""
    return Layer(name, args, (normal(32, 7, loc=loc),), ", ".join([*map(str, args), "tail"]), smooth=False)


def refuses_integers(name: str, *args: Any) -> Refusal:
    return Refusal(name, args, (integers(5, 3, high=9),), "integers")


HARDSIGMOID_NOTE = "torch's slope is 1/6 rounded to float32 in float64 too, and scratch's is equal to it"
LARGE_GATES = given([[1e3, -1e3, 2.0, -0.5, 1e3, -1e3], [0.0, 30.0, -1e3, 1e3, -30.0, 1e3]])
MASKED = given([[0.5, -np.inf, 1.5], [-np.inf, -np.inf, -np.inf], [1e3, -1e3, 999.0], [2.0, 2.0, 2.0]])

ROWS: list[Row] = [
    *elementwise("nn.CELU"),
    *elementwise("nn.CELU", 2.0),
    Layer("nn.CELU", (-2.0,), (normal(32, 7),), "-2.0"),
    Layer("nn.CELU", (0.3,), (normal(32, 7, scale=1e-4),), "0.3 small"),
    Refusal("nn.CELU", (0.0,), (normal(5, 3),), "alpha=0"),
    refuses_integers("nn.CELU"),
    *elementwise("nn.ELU"),
    *elementwise("nn.ELU", 2.0, kinks=(0,)),
    *elementwise("nn.ELU", -1.5, kinks=(0,)),
    small("nn.ELU"),
    refuses_integers("nn.ELU"),
    *elementwise("nn.GELU"),
    *elementwise("nn.GELU", "tanh"),
    small("nn.GELU"),
    small("nn.GELU", "tanh"),
    Refusal("nn.GELU", ("sigmoid",), (normal(5, 3),), "an unknown approximation"),
    refuses_integers("nn.GELU"),
    Layer("nn.GLU", (), (normal(7, 6),)),
    Layer("nn.GLU", (0,), (normal(6, 5, 3),), "dim=0"),
    Layer("nn.GLU", (-2,), (normal(7, 10, 3),), "dim=-2"),
    Layer("nn.GLU", (), (LARGE_GATES,), "large", smooth=False),
    Refusal("nn.GLU", (), (normal(7, 5),), "an odd length"),
    Refusal("nn.GLU", (2,), (normal(7, 6),), "no such dim"),
    Refusal("nn.GLU", (), (normal(),), "a scalar"),
    refuses_integers("nn.GLU", 1),
    *elementwise("nn.Hardshrink", kinks=(-0.5, 0.5)),
    *elementwise("nn.Hardshrink", 1.0, kinks=(-1, 1)),
    *elementwise("nn.Hardshrink", -1.0),
    refuses_integers("nn.Hardshrink"),
    *elementwise("nn.Hardsigmoid", kinks=(-3, 3), finite_differences=HARDSIGMOID_NOTE),
    refuses_integers("nn.Hardsigmoid"),
    *elementwise("nn.Hardswish", kinks=(-3, 3)),
    refuses_integers("nn.Hardswish"),
    *elementwise("nn.Hardtanh", kinks=(-1, 1)),
    *elementwise("nn.Hardtanh", -0.5, 3.0, kinks=(-0.5, 3)),
    Refusal("nn.Hardtanh", (1.0, -1.0), (), "bounds swapped"),
    *elementwise("nn.LeakyReLU", kinks=(0,)),
    *elementwise("nn.LeakyReLU", 0.3, kinks=(0,)),
    *elementwise("nn.LeakyReLU", -0.3, kinks=(0,)),
    *elementwise("nn.LeakyReLU", 0.0, kinks=(0,)),
    refuses_integers("nn.LeakyReLU"),
    *elementwise("nn.LogSigmoid"),
    tail("nn.LogSigmoid", loc=20.0),
    refuses_integers("nn.LogSigmoid"),
    Layer("nn.LogSoftmax", (1,), (normal(7, 5),)),
    Layer("nn.LogSoftmax", (0,), (normal(7, 5, 3),), "dim=0"),
    Layer("nn.LogSoftmax", (-2,), (normal(7, 5, 3),), "dim=-2"),
    Layer("nn.LogSoftmax", (-1,), (normal(5),), "one dimension"),
    Layer("nn.LogSoftmax", (), (normal(7, 5, 3),), "no dim given"),
    Layer("nn.LogSoftmax", (1,), (MASKED,), "masked, large, ties", smooth=False),
    Layer("nn.LogSoftmax", (1,), (normal(3, 1009),), "long rows"),
    Layer("nn.LogSoftmax", (1,), (normal(61, 5, scale=60),), "wide", smooth=False),
    Refusal("nn.LogSoftmax", (2,), (normal(7, 5),), "no such dim"),
    refuses_integers("nn.LogSoftmax", 1),
    *elementwise("nn.Mish"),
    small("nn.Mish"),
    tail("nn.Mish"),
    refuses_integers("nn.Mish"),
    *elementwise("nn.PReLU", kinks=(0,)),
    Layer("nn.PReLU", (5,), (normal(7, 5),), "5 weights", smooth=False),
    Layer("nn.PReLU", (5, -0.5), (normal(7, 5, 3, 2),), "5 weights, images", smooth=False),
    Layer("nn.PReLU", (3,), (normal(16381, 3),), "long sums", smooth=False),
    Refusal("nn.PReLU", (5,), (normal(7, 3),), "other channels"),
    Refusal("nn.PReLU", (5,), (normal(5),), "no channel dimension"),
    Refusal("nn.PReLU", (5,), (normal(),), "a scalar"),
    Refusal("nn.PReLU", (-1,), (), "a negative number of weights"),
    refuses_integers("nn.PReLU"),
    *elementwise("nn.RReLU", kinks=(0,)),
    *elementwise("nn.RReLU", 0.1, 0.9, kinks=(0,)),
    Layer("nn.RReLU", (), (normal(7, 5, 3),), "extra dimension", smooth=False),
    Refusal("nn.RReLU", (0.5, 0.1), (normal(5, 3),), "bounds swapped"),
    refuses_integers("nn.RReLU"),
    *elementwise("nn.ReLU", kinks=(0,)),
    *elementwise("nn.ReLU6", kinks=(0, 6)),
    *elementwise("nn.SELU", kinks=(0,)),
    small("nn.SELU"),
    refuses_integers("nn.SELU"),
    *elementwise("nn.SiLU"),
    small("nn.SiLU"),
    tail("nn.SiLU"),
    refuses_integers("nn.SiLU"),
    *elementwise("nn.Sigmoid"),
    tail("nn.Sigmoid"),
    Layer("nn.Softmax", (1,), (normal(7, 5),)),
    Layer("nn.Softmax", (0,), (normal(7, 5, 3),), "dim=0"),
    Layer("nn.Softmax", (-2,), (normal(7, 5, 3),), "dim=-2"),
    Layer("nn.Softmax", (-1,), (normal(5),), "one dimension"),
    Layer("nn.Softmax", (), (normal(5),), "no dim given, 1 dimension"),
    Layer("nn.Softmax", (), (normal(7, 5),), "no dim given, 2 dimensions"),
    Layer("nn.Softmax", (), (normal(7, 5, 3),), "no dim given, 3 dimensions"),
    Layer("nn.Softmax", (), (normal(7, 5, 3, 2),), "no dim given, 4 dimensions"),
    Layer("nn.Softmax", (1,), (MASKED,), "masked, large, ties", smooth=False),
    Layer("nn.Softmax", (1,), (normal(3, 1009),), "long rows"),
    Layer("nn.Softmax", (1,), (normal(61, 5, scale=60),), "wide", smooth=False),
    Refusal("nn.Softmax", (2,), (normal(7, 5),), "no such dim"),
    Refusal("nn.Softmax", (-3,), (normal(7, 5),), "no such negative dim"),
    Refusal("nn.Softmax", (1,), (normal(),), "a scalar's second dim"),
    Refusal("nn.Softmax", (0.5,), (normal(7, 5),), "half a dim"),
    refuses_integers("nn.Softmax", 1),
    Layer("nn.Softmax2d", (), (normal(7, 5, 3, 2),)),
    Layer("nn.Softmax2d", (), (normal(5, 3, 2),), "unbatched"),
    Refusal("nn.Softmax2d", (), (normal(7, 5),), "two dimensions"),
    Layer("nn.Softmin", (1,), (normal(7, 5),)),
    Layer("nn.Softmin", (-1,), (normal(7, 5, 3),), "dim=-1"),
    Layer("nn.Softmin", (), (normal(7, 5, 3, 2),), "no dim given"),
    Layer("nn.Softmin", (1,), (MASKED,), "masked, large, ties", smooth=False),
    Refusal("nn.Softmin", (2,), (normal(7, 5),), "no such dim"),
    refuses_integers("nn.Softmin", 1),
    *elementwise("nn.Softplus"),
    *elementwise("nn.Softplus", 2.0, 6.0, kinks=(3,)),
    *elementwise("nn.Softplus", -2.0, 2.0, kinks=(-1,)),
    tail("nn.Softplus"),
    refuses_integers("nn.Softplus"),
    *elementwise("nn.Softshrink", kinks=(-0.5, 0.5)),
    *elementwise("nn.Softshrink", 1.0, kinks=(-1, 1)),
    *elementwise("nn.Softshrink", 0.0, kinks=(0,)),
    Refusal("nn.Softshrink", (-1.0,), (normal(5, 3),), "a negative lambd"),
    refuses_integers("nn.Softshrink"),
    *elementwise("nn.Softsign"),
    small("nn.Softsign"),
    *elementwise("nn.Tanh"),
    small("nn.Tanh"),
    *elementwise("nn.Tanhshrink"),
    *elementwise("nn.Threshold", 0.5, 7.0, kinks=(0.5,)),
    *elementwise("nn.Threshold", 0.0, -3.0, kinks=(0,)),
]
