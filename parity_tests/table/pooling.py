"""Rows: pooling."""

import math
from typing import Any

import numpy as np

from parity_tests.table.recipe import Recipe, booleans, given, integers, normal, uniform
from parity_tests.table.row import Layer, Refusal, Row

INF, NAN = float("inf"), float("nan")
SIZES = {1: (3, 11), 2: (3, 7, 11), 3: (3, 5, 7, 11)}
UNEVEN, STEPS, SHIFTS = {1: (3,), 2: (3, 2), 3: (2, 3, 2)}, {1: (2,), 2: (2, 3), 3: (3, 2, 1)}, (0, 1, 0, 1)
TIES = given([
    [[2.0, 2.0, 1.0, 1.0, 1.0, 2.0, 2.0], [0.0, -0.0, 0.0, 0.0, -0.0, 0.0, 0.0],
     [-INF, -INF, -INF, -INF, 1.0, -INF, 9.0]],
    [[NAN, 1.0, NAN, 2.0, NAN, NAN, 3.0], [-INF, NAN, NAN, -INF, INF, NAN, 0.0], [INF, INF, 1.0, 1.0, 0.0, 0.0, -1.0]],
])  # fmt: skip
SMALL = given([[[1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.25], [0.0, INF, 1.0, -1.0, NAN, 1.0, 1.0]]])
FLAT_TIES = given([[[[1.0, 1.0, 2.0, 2.0], [1.0, 2.0, 2.0, 1.0], [0.0, 0.0, 0.0, 0.0], [NAN, 0.0, NAN, 0.0]]]])


def apart(*shape):
    """Shuffled multiples of 1/16, without zero: too far apart for a finite difference to change the largest."""
    n = math.prod(shape)
    return Recipe(lambda rng: (rng.permutation(n).reshape(shape) * 2 + 1 - n) / 32)


def distinct(*shape, high):
    """Indices that occur once in each image."""
    images, pixels = math.prod(shape[:2]), math.prod(shape[2:])
    return Recipe(
        lambda rng: np.stack([rng.permutation(high)[:pixels] for _ in range(images)]).reshape(shape),
        differentiable=False,
    )


# Refusals of every kind of sliding window.
BAD_WINDOWS: list[tuple[str, tuple[Any, ...]]] = [
    ("kernel 0", (0,)),
    ("negative kernel", (-1,)),
    ("kernel wider than the input", (12,)),
    ("fractional kernel", (2.0,)),
    ("kernel None", (None,)),
    ("kernel True", (True,)),
    ("stride 0", (2, 0)),
    ("negative stride", (2, -1)),
    ("fractional stride", (2, 1.5)),
    ("four strides", (2, (1, 1, 1, 1))),
]
BAD_PADDING: list[tuple[str, tuple[Any, ...]]] = [
    ("padding beyond half a window", (2, 2, 2)),
    ("negative padding", (2, 2, -1)),
]


def bad_dimensions(name, args, n):
    """Other numbers of dimensions, and empty images."""
    return [
        Refusal(name, args, (normal(2, 2, *SIZES[n]),), "one dimension more"),
        Refusal(name, args, (normal(2, 3, *SIZES[n][:-1], 0),), "an empty image"),
    ]


def max_pool(n):
    name, x = f"nn.MaxPool{n}d", (apart(2, *SIZES[n]),)
    return [
        Layer(name, (2,), x),
        Layer(name, (3, 2, 1), x, "overlap"),
        Layer(name, (UNEVEN[n], STEPS[n], SHIFTS[:n]), x, "per axis"),
        Layer(name, (3, 1, 1), x, "stride 1"),
        Layer(name, (2, 3), x, "gaps"),
        Layer(name, (tuple(size - 1 for size in SIZES[n][1:]), 2), x, "one window"),
        Layer(name, (2, 1, 1, 2), x, "dilation"),
        Layer(name, (4, 3), x, "ceil_mode", {"ceil_mode": True}),
        Layer(name, (2, 3, 1, 2), x, "ceil_mode, padding, dilation", {"ceil_mode": True}),
        Layer(name, (2,), x, "return_indices", {"return_indices": True}),
        Layer(name, (3, 2, 1), x, "return_indices, overlap", {"return_indices": True, "ceil_mode": True}),
        Layer(name, ([2] * n,), x, "lists"),
        *(Refusal(name, args, x, case) for case, args in BAD_WINDOWS + BAD_PADDING),
        Refusal(name, (2,), x, "dilation 0", {"dilation": 0}),
        Refusal(name, (2,), x, "dilation beyond the input", {"dilation": 11}),
        *bad_dimensions(name, (2,), n),
        Refusal(name, (2,), (normal(*SIZES[n][1:]),), "no channels"),
        Refusal(name, (2,), (booleans(*SIZES[n]),), "booleans"),
    ]


def avg_pool(n):
    name, x = f"nn.AvgPool{n}d", (normal(2, *SIZES[n]),)
    rows = [
        Layer(name, (2,), x),
        Layer(name, (3, 2, 1), x, "overlap"),
        Layer(name, (UNEVEN[n], STEPS[n], SHIFTS[:n]), x, "per axis"),
        Layer(name, (2, 3), x, "gaps"),
        Layer(name, (3,), (normal(2, 3, *(6, 15, 9)[-n:]),), "no remainder"),
        Layer(name, (3, 2, 1), x, "padding does not count", {"count_include_pad": False}),
        Layer(name, (4, 3), x, "ceil_mode", {"ceil_mode": True}),
        Layer(name, (4, 2, 1), x, "ceil_mode, padding", {"ceil_mode": True}),
        Layer(name, (3, 3, 1, True, False), x, "ceil_mode, padding does not count"),
        *(Refusal(name, args, x, case) for case, args in BAD_WINDOWS + BAD_PADDING),
        *bad_dimensions(name, (2,), n),
        Refusal(name, (2,), (booleans(*SIZES[n]),), "booleans"),
    ]
    if n > 1:
        rows += [
            Layer(name, (3, 2, 1), x, "divisor", {"divisor_override": 7}),
            Layer(name, (2,), x, "negative divisor, ceil_mode", {"divisor_override": -2, "ceil_mode": True}),
            Refusal(name, (2,), x, "divisor 0", {"divisor_override": 0}),
            Refusal(name, (2,), x, "fractional divisor", {"divisor_override": 2.5}),
        ]
    return rows


def lp_pool(n):
    name, x = f"nn.LPPool{n}d", (normal(2, *SIZES[n]),)
    positive = (uniform(2, *SIZES[n], low=0.25, high=2.0),)
    return [
        Layer(name, (2, 2), x),
        Layer(name, (2, 4, 3), x, "overlap, ceil_mode", {"ceil_mode": True}),
        Layer(name, (1, 2), x, "p=1"),
        Layer(name, (3.0, 2), positive, "p=3"),
        Layer(name, (1.5, 3, 2), positive, "p=1.5"),
        Layer(name, (-1, 2), positive, "p=-1"),
        Layer(name, (3.0, 2), x, "p=3, negative sums", smooth=False),
        Layer(name, (1.5, 2), x, "p=1.5, negative", smooth=False),
        Layer(name, (INF, 3, 2), (apart(2, *SIZES[n]),), "p=inf", {"ceil_mode": True}, smooth=False),
        Layer(name, (-INF, 3, 2), positive, "p=-inf", smooth=False),
        *(Refusal(name, (2, *args), x, case) for case, args in BAD_WINDOWS),
        Refusal(name, (0, 2), x, "p=0"),
        *bad_dimensions(name, (2, 2), n),
    ]


def adaptive_pool(n):
    rows = []
    for kind in ("Avg", "Max"):
        name, x = f"nn.Adaptive{kind}Pool{n}d", (apart(2, *SIZES[n]),)
        sizes = (3, 4, 2)[:n]
        rows += [
            Layer(name, (3,), x),
            Layer(name, (sizes,), x, "per axis"),
            Layer(name, (1,), x, "global"),
            Layer(name, (13,), x, "larger than the input"),
            Refusal(name, (-1,), x, "negative size"),
            Refusal(name, (2.5,), x, "fractional size"),
            Refusal(name, (None,), x, "None for all axes"),
            Refusal(name, ((2,) * (n - 1),), x, "a size missing"),
            *bad_dimensions(name, (2,), n),
            Refusal(name, (2,), (integers(2, *SIZES[n], high=9),), "integers"),
        ]
        if n > 1:
            rows.append(Layer(name, ((None, 3, None)[:n],), x, "None keeps an axis"))
        else:
            rows.append(Refusal(name, ((None,),), x, "None in 1d"))
        if kind == "Max":
            rows.append(Layer(name, (3,), x, "return_indices", {"return_indices": True}))
    return rows


def fractional_max_pool(n):
    name, x = f"nn.FractionalMaxPool{n}d", (apart(2, *SIZES[n]),)
    ones = {"output_size": 1, "return_indices": True}
    samples = {"output_size": 3, "_random_samples": uniform(2, 3, n)}
    more = {"output_size": 3, "_random_samples": uniform(5, 3, n)}
    return [
        Layer(name, (2, 3), x, noise_per_dtype=True),
        Layer(name, (UNEVEN[n], (3, 4, 5)[:n]), x, "per axis", noise_per_dtype=True),
        Layer(name, (2,), x, "ratio", {"output_ratio": 0.5, "return_indices": True}, noise_per_dtype=True),
        Layer(name, (2,), x, "ratio per axis", {"output_ratio": (0.6, 0.5, 0.7)[:n]}, noise_per_dtype=True),
        Layer(name, (3,), x, "one output", ones, noise_per_dtype=True),
        Layer(name, (2,), x, "given samples", samples),
        Layer(name, (2,), x, "more samples than needed", more),
        Refusal(name, (2,), x, "no size"),
        Refusal(name, (2, 3, 0.5), x, "size and ratio"),
        Refusal(name, (2,), x, "ratio 1", {"output_ratio": 1.0}),
        Layer(name, (2,), x, "as many as fit", {"output_size": (6, 10) if n == 2 else (3, 5, 9)}, noise_per_dtype=True),
        Refusal(name, (2,), x, "one more", {"output_size": (7, 3) if n == 2 else (4, 3, 3)}),
        Refusal(name, (12, 1), x, "kernel wider than the input"),
        Refusal(name, (2, -1), x, "negative size"),
        Refusal(name, (2.0, 3), x, "fractional kernel"),
        Refusal(name, (2, 3.0), x, "fractional size"),
        Refusal(name, (2,), x, "samples of another batch", {"output_size": 3, "_random_samples": uniform(1, 3, n)}),
        Refusal(name, (2,), x, "samples of other channels", {"output_size": 3, "_random_samples": uniform(2, 2, n)}),
        Refusal(name, (2,), x, "samples of other axes", {"output_size": 3, "_random_samples": uniform(2, 3, 5)}),
        *bad_dimensions(name, (2, 3), n),
        Refusal(name, (2, 3), (integers(2, *SIZES[n], high=9),), "integers"),
    ]


def max_unpool(n):
    name, shape = f"nn.MaxUnpool{n}d", (2, 3, *(3, 2, 5)[-n:])
    x, few = normal(*shape), distinct(*shape, high=9 if n == 1 else 40)
    double = tuple(2 * o for o in shape[2:])
    layout = {"noncontiguous": "torch's backward fails on Fortran-ordered indices; here any strides work"}
    notes = layout if n > 1 else {}
    return [
        Layer(name, (2,), (x, few), notes=notes),
        Layer(name, (3, 2), (x, few), "overlap", notes=notes),
        Layer(name, (2, 3, -1), (x, few), "gaps, negative padding", notes=notes),
        Layer(name, (2,), (x, few), "larger", call={"output_size": tuple(i + 1 for i in double)}, notes=notes),
        Layer(name, (2,), (x, few), "whole shape", call={"output_size": (2, 3, *double)}, notes=notes),
        Refusal(name, (1,), (x, integers(*shape, low=40, high=50)), "indices outside"),
        Refusal(name, (2,), (x, integers(*shape, low=-9, high=-1)), "negative indices"),
        Refusal(name, (2,), (x, integers(1, *shape[1:], high=9)), "indices of another batch"),
        Refusal(name, (2,), (x, uniform(*shape)), "floating indices"),
        Refusal(name, (2,), (x, few), "a size too far off", call={"output_size": (20,) * n}),
        Refusal(name, (2,), (x, few), "a size missing", call={"output_size": (7,) * (n + 1)}),
        Refusal(name, (2, -1), (x, few), "negative stride"),
        Refusal(name, (2,), (few, few), "integers"),
        Refusal(name, (2,), (normal(*shape[2:]), integers(*shape[2:], high=2)), "no channels"),
    ]


ROWS: list[Row] = [
    *adaptive_pool(1), *adaptive_pool(2), *adaptive_pool(3),
    Layer("nn.AdaptiveMaxPool1d", (4,), (TIES,), "ties", {"return_indices": True}, smooth=False),
    Layer("nn.AdaptiveMaxPool2d", (2,), (FLAT_TIES,), "ties", {"return_indices": True}, smooth=False),
    Layer("nn.AdaptiveMaxPool1d", (1,), (TIES,), "global, ties", {"return_indices": True}, smooth=False),
    Layer("nn.AdaptiveMaxPool2d", (1,), (FLAT_TIES,), "global, ties", {"return_indices": True}, smooth=False),
    *avg_pool(1), *avg_pool(2), *avg_pool(3),
    *fractional_max_pool(2), *fractional_max_pool(3),
    Layer("nn.FractionalMaxPool2d", (2, 3), (FLAT_TIES,), "ties", {"return_indices": True}, smooth=False),
    Refusal("nn.FractionalMaxPool2d", (0, 3), (FLAT_TIES,), "no window"),
    *lp_pool(1), *lp_pool(2), *lp_pool(3),
    Layer("nn.LPPool1d", (2, 2), (TIES,), "zero sums", smooth=False),
    Layer("nn.LPPool1d", (0.5, 3, 2), (SMALL,), "zero sums, p=0.5", smooth=False),
    Layer("nn.LPPool1d", (INF, 3, 2), (TIES,), "ties", smooth=False),
    *max_pool(1), *max_pool(2), *max_pool(3),
    Layer("nn.MaxPool1d", (3, 2, 1), (TIES,), "ties", {"return_indices": True}, smooth=False),
    Layer("nn.MaxPool1d", (3,), (TIES,), "ties, ceil_mode", {"return_indices": True, "ceil_mode": True}, smooth=False),
    Layer("nn.MaxPool1d", (2, 1, 1, 2), (TIES,), "ties, dilation", {"return_indices": True}, smooth=False),
    Layer("nn.MaxPool2d", (2, 1, 1), (FLAT_TIES,), "ties", {"return_indices": True}, smooth=False),
    *max_unpool(1), *max_unpool(2), *max_unpool(3),
]  # fmt: skip
