"""Adadelta: the size of past updates over the size of past gradients."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from scratch.optim.flat import Run, in_blocks
from scratch.optim.inplace import Array, add_, addcmul_
from scratch.optim.optimizer import Optimizer, check_range


class Adadelta(Optimizer):
    """Steps in the units of the parameters, without a rate to choose.

        g = grad + weight_decay θ                  (grad negated if maximize)
        v = ρ v + (1 - ρ) g²                       mean square of the gradients
        δ = sqrt(u + eps) / sqrt(v + eps) · g
        u = ρ u + (1 - ρ) δ²                       mean square of the updates
        θ = θ - lr δ

    Options   params, an iterable of parameters or of groups with their own options; lr, a factor; rho, the decay of
              both means; eps; weight_decay; maximize.
    State     step; square_avg: v; acc_delta: u.
    Why       g / sqrt(v) has no unit, and sqrt(u) has that of θ. u starts at 0, so the first steps are of size
              sqrt(eps): eps sets how fast learning begins; it is not only a safeguard.
    Differs   lr is 1 in the paper and here; Keras' default is 0.001 and its eps 1e-7, scaled down a thousandfold.
    Torch     torch.optim.Adadelta; same names and defaults.
    Raises    ValueError for a negative lr, eps or weight_decay, and for rho outside [0, 1].
    Source    Zeiler 2012, arXiv:1212.5701.
    """

    vectors = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        check_range("Adadelta", "lr", lr)
        check_range("Adadelta", "rho", rho, 0, 1)
        check_range("Adadelta", "eps", eps)
        check_range("Adadelta", "weight_decay", weight_decay)
        super().__init__(params, {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize})

    def update(self, group: dict[str, Any], run: Run) -> None:
        rho, eps = group["rho"], group["eps"]
        run.count()
        vectors = run.theta, self.gradient(group, run), run.vector("square_avg"), run.vector("acc_delta")

        def rule(theta: Array, g: Array, v: Array, u: Array, delta: Array, tmp: Array) -> None:
            v *= rho
            addcmul_(v, g, g, 1 - rho, tmp)
            np.add(u, eps, out=delta)
            np.sqrt(delta, out=delta)
            np.add(v, eps, out=tmp)
            delta /= np.sqrt(tmp, out=tmp)
            delta *= g
            u *= rho
            addcmul_(u, delta, delta, 1 - rho, tmp)
            add_(theta, delta, -group["lr"], tmp)

        in_blocks(rule, vectors, work=2)
