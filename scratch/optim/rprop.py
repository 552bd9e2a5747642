"""Rprop: steps by the sign of the gradient, with a separate step size for each weight."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from scratch.optim.flat import Run, in_blocks
from scratch.optim.inplace import Array, addcmul_
from scratch.optim.optimizer import Optimizer, check_range


class Rprop(Optimizer):
    """Resilient backpropagation, for gradients of the whole data set.

        e = η+ where g and the previous g have the same sign, η- where they differ, 1 where either is 0
        Δ = e Δ, kept within step_sizes
        g = 0 where the signs differ: no step, and no reversal next time
        θ = θ - Δ sign(g)

    The gradient is negated if maximize.

    Options   params, an iterable of parameters or of groups with their own options; lr, the first step size; etas (η-,
              η+), the factors by which it shrinks and grows; step_sizes, its bounds; maximize.
    State     step; prev: the previous g; step_size: Δ, which starts at lr.
    Why       the gradient's size says little about the distance to the minimum; a change of sign says that the step
              went past it.
    Differs   this is the variant iRprop-. The sign of NaN is 0 in torch, so a NaN gradient makes no step; here too.
    Torch     torch.optim.Rprop; same names and defaults.
    Raises    ValueError for a negative lr and unless 0 < η- < 1 < η+.
    Source    Riedmiller, Braun 1993; Igel, Hüsken 2000.
    """

    vectors = ("prev", "step_size")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        maximize: bool = False,
    ) -> None:
        check_range("Rprop", "lr", lr)
        if not isinstance(etas, tuple | list):
            raise TypeError(f"Rprop: etas must be two numbers, got {etas!r}.")
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Rprop: etas must be one factor between 0 and 1 and one greater than 1, got {etas}.")
        super().__init__(params, {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize})

    def update(self, group: dict[str, Any], run: Run) -> None:
        shrink, grow = group["etas"]
        run.count()

        def rule(theta: Array, g: Array, previous: Array, pace: Array, sign: Array, tmp: Array) -> None:
            np.multiply(g, previous, out=tmp)
            opposite = tmp < 0
            np.multiply(pace, grow, out=pace, where=tmp > 0)
            np.multiply(pace, shrink, out=pace, where=opposite)
            np.clip(pace, *group["step_sizes"], out=pace)
            previous[...] = g
            previous[opposite] = 0
            np.sign(previous, out=sign)
            sign[np.isnan(sign)] = 0
            addcmul_(theta, sign, pace, -1, tmp)

        vectors = run.theta, self.gradient(group, run), run.vector("prev"), run.vector("step_size", fill=group["lr"])
        in_blocks(rule, vectors, work=2)
