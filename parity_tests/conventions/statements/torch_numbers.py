"""torch: rounding, sums, casts, switches of precision, and what draws random numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from parity_tests.conventions.statement import Table

TABLE = Table("torch")
shows = TABLE.shows


@shows(
    "cuDNN may use TF32 by default (10 bits of mantissa), in convolutions and recurrent layers; matrix products may "
    "not.",
    [True, False, "highest", "tf32", "tf32"],
    "nn.Conv?d nn.ConvTranspose?d nn.LSTM nn.GRU nn.RNN",
)
def tf32_by_default() -> Any:
    cudnn: Any = torch.backends.cudnn
    return [
        cudnn.allow_tf32,
        torch.backends.cuda.matmul.allow_tf32,
        torch.get_float32_matmul_precision(),
        cudnn.conv.fp32_precision,
        cudnn.rnn.fp32_precision,
    ]


@shows("torch.var is unbiased by default.", 1.0)
def unbiased_variance() -> Any:
    return torch.tensor([0.0, 1.0, 2.0]).var().item()


@shows("float32 tensor times NumPy's float64 scalar stays float32.", "torch.float32")
def scalar_product() -> Any:
    return str((torch.ones(1) * np.float64(0.1)).dtype)


@shows("cumsum of float32 adds in float64: the last of 2^20 sums of 0.1 is right to the last digit.", True)
def long_cumsum() -> Any:
    x = torch.full((2**20,), 0.1)
    return abs(x.cumsum(0)[-1].item() / x.double().sum().item() - 1) < 1e-7


@shows(
    "var uses a mean of its own: a float32 variance at mean 10^4 keeps its digits, E[x²] - E[x]² does not.",
    [True, False],
    "nn.LayerNorm nn.BatchNorm?d",
)
def variance_far_from_0() -> Any:
    x = torch.randn(1000) + 1e4
    true = x.double().var(unbiased=False).item()
    naive = (x * x).mean() - x.mean() ** 2
    return [abs(value.item() / true - 1) < 1e-3 for value in (x.var(unbiased=False), naive)]


@shows(
    "A cast from float64 to float16 rounds twice, through float32: 1 + 2^-11 + 2^-25 becomes 1, where NumPy gives the "
    "next float16.",
    [1.0, 1.0009765625],
)
def double_rounding() -> Any:
    x = 1 + 2.0**-11 + 2.0**-25
    return [torch.tensor(x, dtype=torch.float64).half().item(), float(np.float64(x).astype(np.float16))]


@shows("A cast to float8_e4m3fn saturates: 1e6 and infinity become 448.", [448.0, 448.0], since="2.13")
def saturating_float8() -> Any:
    return _float8()


@shows("A cast of 1e6 or infinity to float8_e4m3fn gives NaN.", [math.nan, math.nan], before="2.13")
def float8_beyond_its_range() -> Any:
    return _float8()


def _float8() -> Any:
    return torch.tensor([1e6, float("inf")]).to(torch.float8_e4m3fn).float().tolist()


@shows("torch.rand in bfloat16 gives multiples of 1/256: 0 once in 256 draws.", [256, True], before="2.12")
def values_of_rand_in_bfloat16() -> Any:
    return _uniform(256)


@shows(
    "torch.rand in bfloat16 draws 9 bits more and rounds: 1281 values in 10^5 draws, 0 once in 512, since what rounds "
    "up to 1 becomes 0.",
    [1281, True],
    since="2.12",
)
def values_of_rand_in_bfloat16_now() -> Any:
    return _uniform(512)


def _uniform(often: int) -> Any:
    """How many values there are, and whether 0 comes once in so many draws."""
    x = torch.rand(100000, dtype=torch.bfloat16)
    return [len(x.unique()), 0.8 < int((x == 0).sum()) * often / 100000 < 1.2]


@shows("torch.rand in float16 gives an exact 0 once in 4096 draws.", True, since="2.12")
def zeros_of_rand_in_float16() -> Any:
    return 0.8 < int((torch.rand(200 * 4096, dtype=torch.float16) == 0).sum()) / 200 < 1.2


@shows("A Linear of a batch of 32 rows and the same rows one by one: most bits differ.", [True, True], "nn.Linear")
def rows_one_by_one() -> Any:
    layer, x = nn.Linear(256, 64), torch.randn(32, 256)
    whole, single = layer(x), torch.cat([layer(x[i : i + 1]) for i in range(32)])
    return [bool(torch.allclose(whole, single, atol=1e-5)), bool((whole == single).float().mean() < 0.5)]


@shows("A DataLoader without shuffle draws from the global generator once an iteration.", True)
def loader_draws() -> Any:
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.zeros(4, 1)))
    torch.manual_seed(0)
    torch.empty((), dtype=torch.int64).random_()
    after_one = torch.get_rng_state()
    torch.manual_seed(0)
    list(loader)
    return bool(torch.equal(torch.get_rng_state(), after_one))


@shows("manual_seed takes a negative seed modulo 2^64.", 2**64 - 1)
def negative_seed() -> Any:
    return torch.manual_seed(-1).initial_seed()


@shows(
    "softmax of one long row adds its exponentials in float32, less exactly than sum does: over 2^24 numbers it is off "
    "by more than 2e-6, the sum of the same exponentials by less than 2e-7 (over 2^27 once by 0.7 %).",
    [True, True],
    "nn.Softmax nn.LogSoftmax",
)
def softmax_of_a_long_row() -> Any:
    x = torch.randn(2**24)
    true = sum(part.double().exp().sum().item() for part in x.split(2**22))
    first = F.softmax(x, 0)[0].item() / x[0].double().exp().item()
    return [abs(first * true - 1) > 2e-6, abs(x.exp_().sum().item() / true - 1) < 2e-7]


@shows("A tensor written into a view raises the version counter of both.", [1, 1])
def version_of_a_view() -> Any:
    x = torch.zeros(4)
    x[:2].fill_(1)
    return [x._version, x[:2]._version]
