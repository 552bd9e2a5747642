"""RMSprop: the gradient in units of its root mean square."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from scratch.optim.flat import Run, in_blocks
from scratch.optim.inplace import Array, add_, addcdiv_, addcmul_, lerp_
from scratch.optim.optimizer import Optimizer, check_range


class RMSprop(Optimizer):
    """Root mean square propagation.

        g = grad + weight_decay θ                  (grad negated if maximize)
        v = α v + (1 - α) g²                       mean square of the gradients
        a = a + (1 - α) (g - a)                    their mean, if centered
        d = sqrt(v) + eps                          sqrt(v - a²) + eps if centered
        θ = θ - lr g / d                           with momentum: b = momentum b + g / d,  θ = θ - lr b

    Options   params, an iterable of parameters or of groups with their own options; lr; alpha, the decay of the mean
              square; eps; weight_decay; momentum; centered; maximize.
    State     step; square_avg: v; momentum_buffer: b with momentum; grad_avg: a if centered.
    Differs   eps 1e-8 is outside the root; Keras and TensorFlow have it inside, sqrt(v + 1e-7), which is larger in
              effect, and rho = 0.9 where α = 0.99 here. autograd starts v at 1.
    Torch     torch.optim.RMSprop; same names and defaults.
    Raises    ValueError for a negative hyperparameter.
    Source    Hinton 2012, lecture 6e of Neural networks for machine learning; centered: Graves 2013, arXiv:1308.0850.
    """

    vectors = ("square_avg", "momentum_buffer", "grad_avg")
    optional = ("momentum_buffer", "grad_avg")
    fading = ("momentum_buffer", "grad_avg")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        maximize: bool = False,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "weight_decay": weight_decay}
        for name, value in defaults.items():
            check_range("RMSprop", name, value)
        super().__init__(params, {**defaults, "centered": centered, "maximize": maximize})

    def update(self, group: dict[str, Any], run: Run) -> None:
        lr, alpha, momentum, centered = group["lr"], group["alpha"], group["momentum"], group["centered"]
        run.count()
        v = run.vector("square_avg")
        a = run.vector("grad_avg") if centered else v
        b = run.vector("momentum_buffer") if momentum > 0 else v

        def rule(theta: Array, g: Array, v: Array, a: Array, b: Array, d: Array, tmp: Array) -> None:
            v *= alpha
            addcmul_(v, g, g, 1 - alpha, tmp)
            d[...] = v
            if centered:
                lerp_(a, g, 1 - alpha, tmp)
                addcmul_(d, a, a, -1, tmp)
            np.sqrt(d, out=d)
            d += group["eps"]
            if momentum > 0:
                b *= momentum
                addcdiv_(b, g, d, 1, tmp)
                add_(theta, b, -lr, tmp)
            else:
                addcdiv_(theta, g, d, -lr, tmp)

        in_blocks(rule, (run.theta, self.gradient(group, run), v, a, b), work=2)
