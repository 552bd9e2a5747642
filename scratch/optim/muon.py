"""Muon: momentum whose update is made orthogonal, for weight matrices."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from scratch.optim.flat import Run
from scratch.optim.inplace import lerp_
from scratch.optim.optimizer import Optimizer, check_range
from scratch.products import matmul, norm


class Muon(Optimizer):
    """Momentum, orthogonalized by Newton-Schulz iterations.

        b = b + (1 - momentum) (g - b)
        u = g + momentum (b - g) if nesterov, else b
        O = the iteration below, about U V^T where u = U S V^T
        θ = (1 - lr weight_decay) θ - lr ratio O

        X = u / |u|, then ns_steps times: A = X X^T,  X = a X + (b A + c A²) X      a, b, c = ns_coefficients

    ratio is sqrt(max(1, rows / columns)), or 0.2 sqrt(max(rows, columns)) with adjust_lr_fn="match_rms_adamw", so that
    updates are as large as AdamW's.

    Options   params, an iterable of parameters or of groups with their own options; lr; weight_decay; momentum;
              nesterov; ns_coefficients a, b, c; eps, the least |u|; ns_steps; adjust_lr_fn.
    State     momentum_buffer: b. There is no step count.
    Why       all directions of the update get about the same length, while a gradient is dominated by a few. The
              polynomial moves singular values in (0, 1] to between 0.7 and 1.2 in five iterations.
    Numerics  as in torch the iterations run in bfloat16: float32 products, rounded to 8 significant bits after each.
              The order of summation decides a few of these roundings. For small matrices O equals torch's to the bit;
              in large ones some of its elements differ by a step of bfloat16, 2^-8 of their size.
    Differs   Jordan's original adds the momentum without (1 - momentum), which the normalization removes again.
    Torch     torch.optim.Muon; same names and defaults. Use another optimizer for biases and embeddings.
    Raises    ValueError for a parameter that is not a matrix, a negative lr, momentum or weight_decay, an unknown
              adjust_lr_fn, and ns_steps of 100 or more.
    Source    Jordan et al. 2024, https://kellerjordan.github.io/posts/muon; Liu et al. 2025, arXiv:2502.16982.
    """

    scalars = ()
    vectors = ("momentum_buffer",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        check_range("Muon", "lr", lr)
        check_range("Muon", "momentum", momentum)
        check_range("Muon", "weight_decay", weight_decay)
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Muon: adjust_lr_fn must be 'original' or 'match_rms_adamw', got {adjust_lr_fn!r}.")
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)

    def _check_group(self, group: dict[str, Any], names: list[str]) -> None:
        super()._check_group(group, names)
        for parameter in group["params"]:
            if parameter.ndim != 2:
                raise ValueError(
                    f"Muon: only matrices can be made orthogonal, got a parameter of shape {parameter.shape}. "
                    "Give it to another optimizer, for example AdamW."
                )

    def update(self, group: dict[str, Any], run: Run) -> None:
        lr, momentum = group["lr"], group["momentum"]
        b, tmp = run.vector("momentum_buffer"), run.scratch("tmp")
        lerp_(b, run.grad, 1 - momentum, tmp)
        for theta, grad, state in run.each():
            u = state["momentum_buffer"].copy()
            if group["nesterov"]:
                u = grad.copy()
                lerp_(u, state["momentum_buffer"], momentum, np.empty_like(u))
            o = orthogonalize(u, group["ns_coefficients"], group["ns_steps"], group["eps"])
            theta *= 1 - lr * group["weight_decay"]
            theta -= o.astype(theta.dtype) * (lr * _ratio(theta.shape, group["adjust_lr_fn"]))


def orthogonalize(u: np.ndarray, coefficients: tuple[float, float, float], steps: int, eps: float) -> np.ndarray:
    """About U V^T for u = U S V^T, by Newton-Schulz iterations in bfloat16."""
    if steps >= 100:
        raise ValueError(f"Muon: ns_steps must be less than 100, got {steps}. The usual value is 5.")
    if len(coefficients) != 3:
        raise ValueError(f"Muon: ns_coefficients must be three numbers, got {len(coefficients)}.")
    a, b, c = coefficients
    x = to_bfloat16(u.T if u.shape[0] > u.shape[1] else u)
    length = np.maximum(to_bfloat16(norm(x)), to_bfloat16(x.dtype.type(eps)))
    x = to_bfloat16(x / length)
    for _ in range(steps):
        gram = to_bfloat16(matmul(x, x.T))
        polynomial = to_bfloat16(b * gram + c * matmul(gram, gram))
        x = to_bfloat16(a * x + matmul(polynomial, x))
    return x.T if u.shape[0] > u.shape[1] else x


def to_bfloat16(x: np.ndarray | np.floating) -> np.ndarray:
    """Round to 8 significant bits, ties to even; kept as float32, of which bfloat16 is the upper half."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return np.where(np.isnan(x), np.float32(np.nan), rounded.astype(np.uint32).view(np.float32))


def _ratio(shape: tuple[int, ...], adjust_lr_fn: str | None) -> float:
    rows, columns = shape
    if adjust_lr_fn == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1, rows / columns))
