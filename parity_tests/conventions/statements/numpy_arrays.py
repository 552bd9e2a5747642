"""NumPy: what a port from torch meets."""

from __future__ import annotations

from typing import Any

import numpy as np

from parity_tests.conventions.statement import Table

TABLE = Table("NumPy")
shows = TABLE.shows


@shows(
    "float32 array times a Python float is float32, times a float64 scalar float64 (NEP 50).", ["float32", "float64"]
)
def promotion() -> Any:
    x = np.ones(2, np.float32)
    return [str((x * 0.1).dtype), str((x * np.float64(0.1)).dtype)]


@shows("np.var is biased by default, torch.var is not.", 2 / 3, "nn.BatchNorm?d nn.LayerNorm")
def biased_variance() -> Any:
    return float(np.var([0.0, 1.0, 2.0]))


@shows(
    "np.sum of an array's last axis adds in pairs, of its first axis one by one, and cumsum too: 2^20 numbers 0.1 are "
    "off by less than 2e-6, by 0.01 and by 0.01.",
    [True, 0.01, 0.01],
    "nn.LayerNorm nn.BatchNorm?d",
)
def sums_by_axis() -> Any:
    x = np.full((2**20, 2), 0.1, np.float32)
    true = float(x[0, 0]) * 2**20
    one = np.ascontiguousarray(x[:, 0])
    pairs, *others = (abs(float(value) / true - 1) for value in (one.sum(), x.sum(0)[0], np.cumsum(one)[-1]))
    return [pairs < 2e-6, *(float(f"{value:.0e}") for value in others)]


@shows("NumPy has no error function.", False, "nn.GELU")
def no_erf() -> Any:
    return hasattr(np, "erf") or hasattr(np, "special")


@shows("A cast from float64 to float16 rounds once.", 1.0009765625)
def single_rounding() -> Any:
    return float(np.float64(1 + 2.0**-11 + 2.0**-25).astype(np.float16))


@shows("The mean of an int8 array is summed in float64, its sum in int64.", ["float64", "int64"])
def wide_sums() -> Any:
    x = np.ones(3, np.int8)
    return [str(x.mean().dtype), str(x.sum().dtype)]


@shows("np.round rounds halves to the even number.", [0.0, 2.0, 2.0])
def halves() -> Any:
    return np.round([0.5, 1.5, 2.5]).tolist()


@shows("np.sign(NaN) is NaN; torch.sign(NaN) is 0.", "nan", "optim.Rprop")
def sign_of_nan() -> Any:
    return str(float(np.sign(np.nan)))


@shows("np.maximum and max give NaN if any number is NaN, fmax leaves it out.", ["nan", "1.0"])
def maximum_of_nan() -> Any:
    x = np.array([1.0, np.nan])
    return [str(float(x.max())), str(float(np.fmax.reduce(x)))]


@shows(
    "E[x²] - E[x]² in float32 at mean 1000 loses four digits of the variance; np.var, with two passes, keeps them.",
    [True, True],
    "nn.LayerNorm",
)
def naive_variance() -> Any:
    x = np.random.RandomState(0).standard_normal(10000).astype(np.float32) + np.float32(1000)
    true = np.var(x.astype(np.float64))
    naive = np.mean(x * x) - np.mean(x) ** 2
    return [bool(abs(naive / true - 1) > 1e-3), bool(abs(np.var(x) / true - 1) < 1e-5)]
