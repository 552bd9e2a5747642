"""ASGD: gradient descent with a falling rate, and the average of its path."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from scratch.optim.flat import Run, in_blocks
from scratch.optim.inplace import Array, add_
from scratch.optim.optimizer import Optimizer, check_range


class ASGD(Optimizer):
    """Averaged stochastic gradient descent.

        g = grad + weight_decay θ                  (grad negated if maximize)
        θ = (1 - lambd η) θ - η g
        a = θ while μ = 1, then a + μ (θ - a)      the average of θ since step t0
        η = lr / (1 + lambd lr t)^alpha            for the next step; lr in the first one
        μ = 1 / max(1, t - t0)                     for the next step

    Options   params, an iterable of parameters or of groups with their own options; lr; lambd, the decay; alpha, the
              power of the step size; t0, the step at which averaging begins; weight_decay; maximize.
    State     step: t; eta: η; mu: μ; ax: a. The average is not used by the steps: copy it into the model to evaluate.
    Differs   η and μ are rounded to float32, in float64 training too, as torch does.
              With torch's default t0 of a million steps, a is θ itself until then.
    Torch     torch.optim.ASGD; same names and defaults.
    Raises    ValueError for a negative lr, lambd, alpha or weight_decay.
    Source    Polyak, Juditsky 1992; the schedule is Bottou's, https://leon.bottou.org/projects/sgd.
    """

    scalars = ("step", "eta", "mu")
    vectors = ("ax",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        maximize: bool = False,
    ) -> None:
        check_range("ASGD", "lr", lr)
        check_range("ASGD", "lambd", lambd)
        check_range("ASGD", "alpha", alpha)
        check_range("ASGD", "weight_decay", weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def update(self, group: dict[str, Any], run: Run) -> None:
        lr, lambd = group["lr"], group["lambd"]
        vectors = run.theta, self.gradient(group, run), run.vector("ax")
        t = run.count()
        eta, mu = run.scalar("eta", lr), run.scalar("mu", 1)

        def rule(theta: Array, g: Array, a: Array, tmp: Array) -> None:
            theta *= 1 - lambd * float(eta)
            add_(theta, g, -float(eta), tmp)
            if mu == 1:
                a[...] = theta
            else:
                np.subtract(theta, a, out=tmp)
                tmp *= float(mu)
                a += tmp

        in_blocks(rule, vectors, work=1)
        run.set("eta", np.float32(lr / (1 + lambd * lr * t) ** group["alpha"]).astype(eta.dtype))
        run.set("mu", np.float32(1 / max(1, t - group["t0"])).astype(mu.dtype))
