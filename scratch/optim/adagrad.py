"""Adagrad: every weight's rate falls with the sum of its squared gradients."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from scratch.optim.flat import Run, in_blocks
from scratch.optim.inplace import Array, addcdiv_, addcmul_
from scratch.optim.optimizer import Optimizer, check_range


class Adagrad(Optimizer):
    """Adaptive rates by the sum of squared gradients.

        g = grad + weight_decay θ                  (grad negated if maximize)
        s = s + g²
        θ = θ - lr / (1 + (t - 1) lr_decay) · g / (sqrt(s) + eps)

    Options   params, an iterable of parameters or of groups with their own options; lr; lr_decay; weight_decay;
              initial_accumulator_value, the initial value of the sums; eps; maximize.
    State     step: t; sum: s, which starts at initial_accumulator_value. Both exist before the first step.
    Differs   lr_decay is torch's own. Keras starts s at 0.1, adds eps 1e-7 inside the root, and has lr 0.001; here s
              starts at 0, eps 1e-10 is outside, and lr is 0.01, so the first step has size lr for every weight.
    Torch     torch.optim.Adagrad; same names and defaults.
    Raises    ValueError for a negative hyperparameter.
    Source    Duchi, Hazan, Singer 2011, JMLR 12.
    """

    vectors = ("sum",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
        }
        for name, value in defaults.items():
            check_range("Adagrad", name, value)
        super().__init__(params, {**defaults, "maximize": maximize})
        for flat in (flat for flats in self.flats for flat in flats):
            run = Run(flat, self.state, 0, len(flat.parameters))
            run.set("step", np.float32(0))
            self._sum(run)

    def _sum(self, run: Run) -> np.ndarray:
        return run.vector("sum", fill=self.defaults["initial_accumulator_value"])

    def update(self, group: dict[str, Any], run: Run) -> None:
        t = run.count()
        lr = group["lr"] / (1 + (t - 1) * group["lr_decay"])
        vectors = run.theta, self.gradient(group, run), self._sum(run)

        def rule(theta: Array, g: Array, s: Array, root: Array, tmp: Array) -> None:
            addcmul_(s, g, g, 1, tmp)
            np.sqrt(s, out=root)
            root += group["eps"]
            addcdiv_(theta, g, root, -lr, tmp)

        in_blocks(rule, vectors, work=2)
