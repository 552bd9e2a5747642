"""How torch draws numbers in one release and not in another, written with operations that all releases have."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from scratch.random import libm_float32


def _share_below(x: float) -> float:
    return (1 + math.erf(x / math.sqrt(2))) / 2


def by_rejection(x: Any, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0) -> Any:
    """Normal numbers, or uniform ones that are accepted with the density's probability, drawn until all lie in [a, b].

    torch's method from release 2.12 on.
    """
    fresh = lambda: torch.empty_like(x)  # noqa: E731
    with torch.no_grad():
        if _share_below((b - mean) / std) - _share_below((a - mean) / std) > 0.3:
            low, high = x.new_tensor(a).item(), x.new_tensor(b).item()
            result = x.normal_(mean, std).clone()
            while (outside := (result < low) | (result > high)).any():
                result = torch.where(outside, fresh().normal_(mean, std), result)
            return x.copy_(result)
        log_peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
        result, open_ = x, torch.ones_like(x, dtype=torch.bool)
        while open_.any():
            drawn = fresh().uniform_(a, b)
            result = torch.where(open_, drawn, result)
            log_density = drawn.sub(mean).div_(std).pow_(2).mul_(-0.5).sub_(log_peak)
            open_ &= fresh().uniform_().log_().gt(log_density)
        return x.copy_(result)


def by_inverse(x: Any, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0) -> Any:
    """One uniform number each, through the inverse error function: torch's method before 2.12."""
    low, high = _share_below((a - mean) / std), _share_below((b - mean) / std)
    with torch.no_grad():
        x.uniform_(2 * low - 1, 2 * high - 1).erfinv_().mul_(std * math.sqrt(2.0)).add_(mean)
        return x.clamp_(min=a, max=b)


def below_the_bound(x: torch.Tensor, a: float = 0.0, b: float = 1.0) -> torch.Tensor:
    """Uniform numbers, of which none is b; float16 is drawn as float32 and rounded. Torch's from release 2.12 on."""
    with torch.no_grad():
        x.copy_(_wide(x).uniform_(a, b))
        return x.masked_fill_(x == b, a)


def up_to_the_bound(x: torch.Tensor, a: float = 0.0, b: float = 1.0) -> torch.Tensor:
    """Uniform numbers that may round to b; float16 from units of eleven bits. Torch's before 2.12."""
    low, high = (torch.tensor(bound, dtype=x.dtype) for bound in (a, b))
    unit = _units_of_eleven_bits(_wide(x)) if x.dtype == torch.float16 else torch.empty_like(x).uniform_()
    with torch.no_grad():
        return x.copy_(unit.mul_(float(high - low)).add_(float(low)))


def xavier_below_the_bound(x: torch.Tensor, gain: float = 1.0) -> torch.Tensor:
    bound = _xavier_bound(x, gain)
    with torch.no_grad():
        return torch.nn.init.xavier_uniform_(x, gain).masked_fill_(x == bound, -bound)


def xavier_up_to_the_bound(x: torch.Tensor, gain: float = 1.0) -> torch.Tensor:
    bound = _xavier_bound(x, gain)
    return up_to_the_bound(x, -bound, bound)


def _xavier_bound(x: torch.Tensor, gain: float) -> float:
    if x.ndim < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    fans = (x.shape[0] + x.shape[1]) * math.prod(x.shape[2:])
    return math.sqrt(3.0) * gain * math.sqrt(2.0 / fans)


ROW = 16  # normal numbers of a tensor come in rows of so many; the last row starts so far before the end


def normal_in_float32(x: torch.Tensor, mean: float = 0.0, std: float = 1.0) -> torch.Tensor:
    """Normal numbers; those of float16 are drawn as float32 and rounded. Torch's from release 2.13 on."""
    whole = x.numel() - x.numel() % ROW
    if x.dtype != torch.float16 or not whole or not x.is_contiguous():
        return torch.nn.init.normal_(x, mean, std)
    drawn = torch.empty(x.numel())
    drawn[:whole].normal_(mean, std)
    if whole < x.numel():  # without the units of the unfinished row, which float32 draws and drops
        drawn[-ROW:] = torch.empty(ROW).normal_(mean, std)
    with torch.no_grad():
        return x.copy_(drawn.view_as(x))


def normal_by_c_library(x: torch.Tensor, mean: float = 0.0, std: float = 1.0) -> torch.Tensor:
    """Normal numbers; rows of float16 are drawn as float32, from mean and std rounded to float16, and rounded.

    Their logarithm, sine and cosine are those of the C library. Torch's in 2.12.
    """
    if x.dtype != torch.float16 or x.numel() < ROW or not x.is_contiguous():
        return torch.nn.init.normal_(x, mean, std)
    mean, std = (float(torch.tensor(number, dtype=x.dtype)) for number in (mean, std))
    whole = x.numel() - x.numel() % ROW
    drawn = torch.empty(x.numel())
    drawn[:whole] = _rows_by_c_library(torch.empty(whole).uniform_(), mean, std)
    if whole < x.numel():
        drawn[-ROW:] = _rows_by_c_library(torch.empty(ROW).uniform_(), mean, std)
    with torch.no_grad():
        return x.copy_(drawn.view_as(x))


def _rows_by_c_library(unit: torch.Tensor, mean: float, std: float) -> torch.Tensor:
    radius_unit, angle_unit = unit.view(-1, 2, ROW // 2).unbind(1)
    radius = torch.from_numpy(np.sqrt(libm_float32.log(1 - radius_unit.numpy()) * -2))  # torch's root rounds otherwise
    angle = (angle_unit.double() * (2 * math.pi)).float()
    sin, cos = (torch.from_numpy(part) for part in libm_float32.sin_cos(angle.numpy()))
    z = torch.cat([radius * cos, radius * sin], dim=1)
    return (z.double() * std + mean).float().view(-1)


def normal_in_float16(x: torch.Tensor, mean: float = 0.0, std: float = 1.0) -> torch.Tensor:
    """Normal numbers; rows of float16 come from units of eleven bits, and every operation rounds to float16.

    Torch's before 2.12.
    """
    if x.dtype != torch.float16 or x.numel() < ROW or not x.is_contiguous():
        return torch.nn.init.normal_(x, mean, std)
    mean, std = (float(torch.tensor(number, dtype=x.dtype)) for number in (mean, std))
    unit = _units_of_eleven_bits(torch.empty(x.numel()))
    starts = [*range(0, x.numel() - ROW + 1, ROW)]
    drawn = torch.empty(x.numel(), dtype=x.dtype)
    for start in starts:
        drawn[start : start + ROW] = _row_of_float16(unit[start : start + ROW], mean, std)
    if x.numel() % ROW:
        drawn[-ROW:] = _row_of_float16(_units_of_eleven_bits(torch.empty(ROW)), mean, std)
    with torch.no_grad():
        return x.copy_(drawn.view_as(x))


def _row_of_float16(unit: torch.Tensor, mean: float, std: float) -> torch.Tensor:
    radius = ((1 - unit[: ROW // 2]).log().half() * -2).float().sqrt().half()
    angle = (unit[ROW // 2 :].double() * (2 * math.pi)).half().float()
    return torch.cat([radius * angle.cos().half(), radius * angle.sin().half()]) * std + mean


def _units_of_eleven_bits(x: torch.Tensor) -> torch.Tensor:
    """Fill float32 x with numbers in [0, 1): the last eleven of a unit's 24 bits."""
    return x.uniform_().mul_(2**13).frac_()


def _wide(x: torch.Tensor) -> torch.Tensor:
    """Room for the numbers of x, in float32 if x is float16."""
    return torch.empty_like(x, dtype=torch.float32 if x.dtype == torch.float16 else x.dtype)
