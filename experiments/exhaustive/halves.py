"""torch in half precision: all 65,536 inputs of float16 and of bfloat16. scratch refuses both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from experiments.exhaustive.functions import Function

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Half:
    """The worst error of y where it is a normal number, in ulp of itself; its input, and what else is wrong."""

    worst: float
    at: float
    zeros: int  # 0 where the truth, rounded, is not
    not_numbers: int  # NaN where the truth is a number
    infinite: int  # where the truth is in range


def measure(function: Function, dtype: str) -> Half:
    """One function at every finite number of a half precision, on the CPU."""
    kind = DTYPES[dtype]
    info = torch.finfo(kind)
    every = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(kind)
    x = every[every.isfinite()]
    inputs = (x,) if function.target is None else (x, torch.full_like(x, function.target))
    module = getattr(torch.nn, function.component.removeprefix("nn."))(*function.args, **function.kwargs)
    y: Any = module(*inputs).double().numpy()
    wide = x.double().numpy()
    with np.errstate(all="ignore"):
        truth = function.y(wide)
        size = np.abs(truth)
        unit = np.exp2(np.floor(np.log2(np.where(size > 0, size, 1)))) * info.eps
        smallest = info.tiny * info.eps
        error = np.where((size >= info.tiny) & (size <= info.max) & np.isfinite(y), np.abs(y - truth) / unit, 0)
    place = int(error.argmax())
    return Half(
        float(error[place]),
        float(wide[place]),
        int(np.count_nonzero((y == 0) & (size > smallest / 2))),
        int(np.count_nonzero(np.isnan(y))),
        int(np.count_nonzero(np.isinf(y) & (size <= info.max))),
    )
