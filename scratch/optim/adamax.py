"""Adamax: Adam with the largest gradient in place of the root mean square."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from scratch.optim.flat import Run, in_blocks
from scratch.optim.inplace import Array, addcdiv_, lerp_
from scratch.optim.optimizer import Optimizer, check_betas, check_range


class Adamax(Optimizer):
    """Adam in the infinity norm.

        g = grad + weight_decay θ                  (grad negated if maximize)
        m = m + (1 - β1) (g - m)                   mean of the gradients
        u = max(β2 u, |g| + eps)                   decaying maximum of their sizes
        θ = θ - lr / (1 - β1^t) · m / u

    Options   params, an iterable of parameters or of groups with their own options; lr; betas (β1, β2); eps;
              weight_decay; maximize.
    State     step: t; exp_avg: m; exp_inf: u.
    Why       Adam's v with exponent p in place of 2 tends to this maximum as p grows. It needs no bias correction.
    Differs   the paper has no eps; torch adds it to |g|, Keras to u in the denominator.
    Torch     torch.optim.Adamax; same names and defaults.
    Raises    ValueError for a negative lr, eps or weight_decay, and for betas outside [0, 1).
    Source    Kingma, Ba 2015, arXiv:1412.6980, section 7.1.
    """

    vectors = ("exp_avg", "exp_inf")
    fading = ("exp_avg",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        check_range("Adamax", "lr", lr)
        check_range("Adamax", "eps", eps)
        check_betas("Adamax", betas)
        check_range("Adamax", "weight_decay", weight_decay)
        super().__init__(
            params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        )

    def update(self, group: dict[str, Any], run: Run) -> None:
        beta1, beta2 = group["betas"]
        t = run.count()
        vectors = run.theta, self.gradient(group, run), run.vector("exp_avg"), run.vector("exp_inf")

        def rule(theta: Array, g: Array, m: Array, u: Array, tmp: Array) -> None:
            lerp_(m, g, 1 - beta1, tmp)
            u *= beta2
            np.abs(g, out=tmp)
            tmp += group["eps"]
            np.maximum(u, tmp, out=u)
            addcdiv_(theta, m, u, -group["lr"] / (1 - beta1**t), tmp)

        in_blocks(rule, vectors, work=1)
