"""NAdam: Adam with Nesterov's momentum."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from scratch.optim.flat import Run, in_blocks
from scratch.optim.inplace import Array, addcdiv_, addcmul_, lerp_
from scratch.optim.optimizer import Optimizer, check_betas, check_range


class NAdam(Optimizer):
    """Adam whose step looks one momentum ahead.

        g = grad + weight_decay θ                  (grad negated if maximize; θ shrinks instead if decoupled)
        m = m + (1 - β1) (g - m)        v = β2 v + (1 - β2) g²
        μ_t = β1 (1 - 0.96^(t momentum_decay) / 2)        P_t = μ_1 μ_2 ... μ_t
        θ = θ - lr ((1 - μ_t) / (1 - P_t) g + μ_(t+1) / (1 - P_(t+1)) m) / (sqrt(v / (1 - β2^t)) + eps)

    Options   params, an iterable of parameters or of groups with their own options; lr; betas (β1, β2); eps;
              weight_decay; momentum_decay; decoupled_weight_decay; maximize.
    State     step: t; mu_product: P_t; exp_avg: m; exp_avg_sq: v.
    Differs   P is kept in float32, in float64 training too, as torch keeps it. torch has weight_decay in the gradient
              and decoupled_weight_decay; Keras has only the latter.
    Torch     torch.optim.NAdam; same names and defaults.
    Raises    ValueError for a negative lr, eps, weight_decay or momentum_decay, and for betas outside [0, 1).
    Source    Dozat 2016, Incorporating Nesterov momentum into Adam.
    """

    scalars = ("step", "mu_product")
    vectors = ("exp_avg", "exp_avg_sq")
    fading = ("exp_avg",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        check_range("NAdam", "lr", lr)
        check_range("NAdam", "eps", eps)
        check_betas("NAdam", betas)
        check_range("NAdam", "weight_decay", weight_decay)
        check_range("NAdam", "momentum_decay", momentum_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def update(self, group: dict[str, Any], run: Run) -> None:
        lr, (beta1, beta2) = group["lr"], group["betas"]
        t = run.count()
        mu, mu_next = (beta1 * (1.0 - 0.5 * 0.96 ** (s * group["momentum_decay"])) for s in (t, t + 1))
        run.set("mu_product", run.scalar("mu_product", 1) * mu)
        product = float(run.scalar("mu_product", 1))
        vectors = run.theta, self.gradient(group, run), run.vector("exp_avg"), run.vector("exp_avg_sq")

        def rule(theta: Array, g: Array, m: Array, v: Array, denominator: Array, tmp: Array) -> None:
            lerp_(m, g, 1 - beta1, tmp)
            v *= beta2
            addcmul_(v, g, g, 1 - beta2, tmp)
            np.divide(v, 1 - beta2**t, out=denominator)
            np.sqrt(denominator, out=denominator)
            denominator += group["eps"]
            addcdiv_(theta, g, denominator, -lr * (1.0 - mu) / (1.0 - product), tmp)
            addcdiv_(theta, m, denominator, -lr * mu_next / (1.0 - product * mu_next), tmp)

        in_blocks(rule, vectors, work=2)
