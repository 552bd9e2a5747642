"""Adafactor: Adam's second moment from row and column means, in the memory of a row and a column."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from scratch.optim.flat import Run
from scratch.optim.inplace import lerp_
from scratch.optim.optimizer import Optimizer, check_range
from scratch.optim.saved import Shapes
from scratch.products import norm


class Adafactor(Optimizer):
    """Adaptive steps with sublinear memory, relative to the size of the weights.

        w = t^beta2_decay              weight of the newest gradient: 1, 0.57, 0.42, ...
        α = max(eps2, rms(θ)) · min(lr, 1/sqrt(t))
        θ = (1 - lr weight_decay) θ
        R = R + w (<g²>_columns - R)   C = C + w (<g²>_rows - C)      a matrix, or the last two dimensions
        v = R C / max(<R>, eps1)                                      vectors: v = v + w (g² - v)
        u = g / sqrt(max(v, eps1²))
        θ = θ - α / max(1, rms(u) / d) · u

    The gradient is negated if maximize. eps = (eps1, eps2); eps1 None is the machine epsilon of the dtype.

    Options   params, an iterable of parameters or of groups with their own options; lr; beta2_decay; eps = (eps1,
              eps2); d, the largest rms of an update; weight_decay; maximize.
    State     step: t; row_var: R (..., rows, 1) and col_var: C (..., 1, columns), or variance: v for vectors.
    Why       R C / <R> is the matrix of rank one that is nearest to v in the I-divergence; only the means of rows and
              columns are needed for it.
    Differs   as torch, it takes lr for the paper's 1e-2 in min(lr, 1/sqrt(t)), decays weights decoupled, and has no
              momentum. The Transformers library scales lr by rms(θ) only with scale_parameter.
    Torch     torch.optim.Adafactor; same names and defaults.
    Raises    ValueError for a negative lr, eps or weight_decay, a positive beta2_decay, or d < 1.
    Source    Shazeer, Stern 2018, arXiv:1804.04235.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        check_range("Adafactor", "lr", lr)
        check_range("Adafactor", "beta2_decay", beta2_decay, -math.inf, 0)
        if not isinstance(eps, tuple | list):
            raise TypeError(f"Adafactor: eps must be two numbers, the first of which may be None, got {eps!r}.")
        if eps[0] is not None:
            check_range("Adafactor", "eps[0]", eps[0])
        check_range("Adafactor", "eps[1]", eps[1])
        check_range("Adafactor", "d", d, 1)
        check_range("Adafactor", "weight_decay", weight_decay)
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def state_shapes(self, shape: tuple[int, ...]) -> Shapes:
        if len(shape) < 2:
            return {"step": (), "variance": shape}
        *outer, rows, columns = shape
        return {"step": (), "row_var": (*outer, rows, 1), "col_var": (*outer, 1, columns)}

    def update(self, group: dict[str, Any], run: Run) -> None:
        lr, (eps1, eps2) = group["lr"], group["eps"]
        t = run.count()
        weight = t ** group["beta2_decay"]
        for theta, grad, state in run.each():
            g = -grad if group["maximize"] else grad
            floor = float(np.finfo(theta.dtype).eps) if eps1 is None else eps1
            alpha = max(eps2, _rms(theta)) * min(lr, 1 / t**0.5)
            if group["weight_decay"] != 0:
                theta *= 1 - lr * group["weight_decay"]
            v = _factored(g, state, weight, floor) if g.ndim > 1 else _full(g, state, weight)
            np.maximum(v, floor * floor, out=v)
            u = np.divide(1, np.sqrt(v, out=v), out=v)
            u *= g
            theta -= u * (alpha / max(1.0, _rms(u) / group["d"]))


def _factored(g: np.ndarray, state: dict[str, Any], weight: float, floor: float) -> np.ndarray:
    for name, axis in (("row_var", -1), ("col_var", -2)):
        mean = np.square(np.linalg.norm(g, axis=axis, keepdims=True)) / g.shape[axis]
        lerp_(state.setdefault(name, np.zeros_like(mean)), mean, weight, np.empty_like(mean))
    v = state["row_var"] * state["col_var"]
    v /= np.maximum(state["row_var"].mean(axis=-2, keepdims=True), floor)
    return v


def _full(g: np.ndarray, state: dict[str, Any], weight: float) -> np.ndarray:
    variance = state.setdefault("variance", np.zeros(g.shape, g.dtype))
    lerp_(variance, np.square(g, out=np.empty_like(g)), weight, np.empty_like(g))
    return variance.copy()


def _rms(x: np.ndarray) -> float:
    if x.size == 0:
        raise ZeroDivisionError(f"Adafactor: a parameter of shape {x.shape} has no mean. Leave it out.")
    return float(norm(x)) / x.size**0.5
