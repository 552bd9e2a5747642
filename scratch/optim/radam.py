"""RAdam: Adam that waits until it can trust its variance."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from scratch.optim.flat import Run, in_blocks
from scratch.optim.inplace import Array, addcmul_, lerp_
from scratch.optim.optimizer import Optimizer, check_betas, check_range


class RAdam(Optimizer):
    """Rectified Adam.

        g = grad + weight_decay θ                  (grad negated if maximize; θ shrinks instead if decoupled)
        m = m + (1 - β1) (g - m)        v = β2 v + (1 - β2) g²
        ρ∞ = 2 / (1 - β2) - 1           ρ = ρ∞ - 2 t β2^t / (1 - β2^t)
        θ = θ - lr m / (1 - β1^t) · r · sqrt(1 - β2^t) / (sqrt(v) + eps)        if ρ > 5, else
        θ = θ - lr m / (1 - β1^t)
        r = sqrt((ρ - 4) (ρ - 2) ρ∞ / ((ρ∞ - 4) (ρ∞ - 2) ρ))

    Options   params, an iterable of parameters or of groups with their own options; lr; betas (β1, β2); eps;
              weight_decay; decoupled_weight_decay; maximize.
    State     step: t; exp_avg: m; exp_avg_sq: v.
    Why       ρ is the number of gradients that v averages in effect. The variance of 1/sqrt(v) exists only for ρ > 4;
              r scales it to its value for many gradients. With β2 = 0.999 the first five steps are plain momentum.
    Differs   the paper tests ρ > 4 and has no eps; torch tests ρ > 5 and adds eps to the uncorrected root.
    Torch     torch.optim.RAdam; same names and defaults.
    Raises    ValueError for a negative lr, eps or weight_decay, and for betas outside [0, 1).
    Source    Liu et al. 2020, arXiv:1908.03265.
    """

    vectors = ("exp_avg", "exp_avg_sq")
    fading = ("exp_avg",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        check_range("RAdam", "lr", lr)
        check_range("RAdam", "eps", eps)
        check_betas("RAdam", betas)
        check_range("RAdam", "weight_decay", weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def update(self, group: dict[str, Any], run: Run) -> None:
        beta1, beta2 = group["betas"]
        t = run.count()
        correction2 = 1 - beta2**t
        rho_inf = 2 / (1 - beta2) - 1
        rho = rho_inf - 2 * t * beta2**t / correction2
        vectors = run.theta, self.gradient(group, run), run.vector("exp_avg"), run.vector("exp_avg_sq")

        def rule(theta: Array, g: Array, m: Array, v: Array, step: Array, tmp: Array) -> None:
            lerp_(m, g, 1 - beta1, tmp)
            v *= beta2
            addcmul_(v, g, g, 1 - beta2, tmp)
            np.divide(m, 1 - beta1**t, out=step)
            step *= group["lr"]
            if rho > 5:
                np.sqrt(v, out=tmp)
                tmp += group["eps"]
                np.divide(1, tmp, out=tmp)
                tmp *= math.sqrt(correction2)
                step *= tmp
                step *= math.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
            theta -= step

        in_blocks(rule, vectors, work=2)
