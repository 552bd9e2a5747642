"""Conventions of precision: a product computed from operands rounded to fewer bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from parity_tests.comparer.conventions.convention import By, Deviation, Options, convention

PRODUCTS = ("linear", "addmm", "matmul", "mm", "bmm", "conv1d", "conv2d", "conv3d", "conv_transpose2d")


def mantissa(bits: int) -> Callable[[Tensor], Tensor]:
    """Round to the nearest number of that many bits after the leading one; TF32 keeps 10."""

    def rounded(x: Tensor) -> Tensor:
        fraction, exponent = torch.frexp(x.detach())
        scale = 2.0 ** (bits + 1)
        return x + (torch.ldexp(torch.round(fraction * scale) / scale, exponent) - x).detach()

    return rounded


def through(dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    return lambda x: x + (x.detach().to(dtype).to(x.dtype) - x).detach()


ROUNDINGS = (
    ("tf32", "TF32, 10 bits of mantissa", mantissa(10)),
    ("half", "float16", through(torch.float16)),
    ("bfloat16", "bfloat16", through(torch.bfloat16)),
)


@convention(*PRODUCTS)
def rounded(o: Options) -> Iterator[Deviation]:
    for name, text, round_ in ROUNDINGS:
        by = By(lambda x, r=round_: None if x is None else r(x))
        operands = {"input": by, "weight": by}
        if name != "tf32" and "bias" in o:  # a TF32 product adds its bias in float32
            operands["bias"] = by
        yield Deviation(name, f"with operands rounded to {text}", operands, gradients=False)
        if name != "tf32":
            both = {**operands, "output": by}
            yield Deviation(name, f"with operands and result rounded to {text}", both, gradients=False)
        yield Deviation(name, f"with the result rounded to {text}", {"output": by}, gradients=False)


@convention("layer_norm", "rms_norm", "softmax", "gelu", "silu", "tanh", "sigmoid", "embedding")
def results(o: Options) -> Iterator[Deviation]:
    for name, text, round_ in ROUNDINGS[1:]:
        by = By(round_)
        yield Deviation(name, f"with the result rounded to {text}", {"output": by}, gradients=False)
        if "input" in o and o.input.is_floating_point():
            yield Deviation(name, f"with the input rounded to {text}", {"input": by}, gradients=False)
