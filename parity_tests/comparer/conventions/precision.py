"""Conventions of precision: the layer computed from operands rounded to fewer bits."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch

from parity_tests.comparer.conventions.variant import Variant, convention


def mantissa(bits: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Round to the nearest number of that many bits after the leading one; TF32 keeps 10."""

    def rounded(x: torch.Tensor) -> torch.Tensor:
        fraction, exponent = torch.frexp(x.detach())
        scale = 2.0 ** (bits + 1)
        return x + (torch.ldexp(torch.round(fraction * scale) / scale, exponent) - x).detach()

    return rounded


def through(dtype: torch.dtype) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: x + (x.detach().to(dtype).to(x.dtype) - x).detach()


ROUNDINGS = (
    ("tf32", "TF32, 10 bits of mantissa", mantissa(10)),
    ("half", "float16", through(torch.float16)),
    ("bfloat16", "bfloat16", through(torch.bfloat16)),
)


@convention()
def rounded(layer: Any) -> Iterator[Variant]:
    for name, text, round_ in ROUNDINGS:
        twin = copy.deepcopy(layer)
        with torch.no_grad():
            for own, parameter in twin.named_parameters():
                if name != "tf32" or "bias" not in own:  # a TF32 product adds its bias in float32
                    parameter.copy_(round_(parameter))

        def compute(*args: Any, twin: Any = twin, round_: Any = round_, **kwargs: Any) -> Any:
            cut = [round_(a) if isinstance(a, torch.Tensor) and a.is_floating_point() else a for a in args]
            return twin(*cut, **kwargs)

        def outside(*args: Any, compute: Any = compute, round_: Any = round_, **kwargs: Any) -> Any:
            y = compute(*args, **kwargs)
            return round_(y) if isinstance(y, torch.Tensor) else y

        def result(*args: Any, round_: Any = round_, **kwargs: Any) -> Any:
            y = layer(*args, **kwargs)
            return round_(y) if isinstance(y, torch.Tensor) else y

        yield Variant(name, f"with operands rounded to {text}", compute, twin, gradients=False)
        if name != "tf32":
            yield Variant(name, f"with operands and result rounded to {text}", outside, twin, gradients=False)
        yield Variant(name, f"with the result rounded to {text}", result, layer, gradients=False)
