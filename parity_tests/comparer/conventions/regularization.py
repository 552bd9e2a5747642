"""Conventions of dropout: the divisor of the kept values, and when it applies."""

from __future__ import annotations

from collections.abc import Iterator

import torch.nn.functional as F

from parity_tests.comparer.conventions.convention import By, Deviation, Options, convention, function

NAMES = ("dropout", "dropout1d", "dropout2d", "dropout3d")
for _name in NAMES:
    function(_name)(getattr(F, _name))


@convention(*NAMES)
def dropouts(o: Options) -> Iterator[Deviation]:
    p = o.p
    if not 0 < p < 1:
        return
    if o.training:
        yield Deviation(
            "dropout-scale", "without the division by 1 - p (not inverted)", {"output": By(lambda y: (1 - p) * y)}
        )
        text = "with division by p in place of 1 - p"
        yield Deviation("dropout-scale", text, {"output": By(lambda y: (1 - p) / p * y)})
        yield Deviation("dropout-off", "without dropout in training", {"instead": lambda o: o.input * 1})
        yield Deviation("dropout-keep", "with p as the probability to keep", {"p": 1 - p})
    else:
        text = "with x * (1 - p) in eval mode (not inverted)"
        yield Deviation("dropout-scale", text, {"instead": lambda o: o.input * (1 - p)})
        yield Deviation("dropout-eval", "with dropout left on in eval mode", {"training": True})
