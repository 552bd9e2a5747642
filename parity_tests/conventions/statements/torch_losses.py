"""torch: losses, their means and their edges."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F

from parity_tests.conventions.statement import Table, raises, which

TABLE = Table("torch")
shows = TABLE.shows


def scores() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Log-probabilities, labels and class weights, in float64."""
    x = torch.tensor([[1.0, 2.0, 0.5], [0.3, -1.0, 2.0], [2.0, 0.0, 1.0]], dtype=torch.float64)
    return x, torch.tensor([0, 2, 1]), torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)


@shows(
    "cross_entropy with class weights divides by the sum of the picked weights.",
    "picked",
    "nn.CrossEntropyLoss nn.NLLLoss",
)
def weighted_mean() -> Any:
    x, y, w = scores()
    each = F.cross_entropy(x, y, reduction="none") * w[y]
    return which(F.cross_entropy(x, y, w), picked=each.sum() / w[y].sum(), rows=each.mean())


@shows("Rows with the ignored label leave the denominator.", "kept", "nn.CrossEntropyLoss nn.NLLLoss")
def ignored_rows() -> Any:
    x, y, _ = scores()
    y[1] = -100
    each = F.cross_entropy(x, y, reduction="none")
    return which(F.cross_entropy(x, y), kept=each.sum() / 2, every=each.mean())


@shows("If all rows are ignored the mean is NaN.", "nan", "nn.CrossEntropyLoss nn.NLLLoss")
def all_ignored() -> Any:
    x, y, _ = scores()
    return str(F.cross_entropy(x, torch.full_like(y, -100)).item())


@shows("cross_entropy of probabilities divides by the number of rows, with weights too.", "rows", "nn.CrossEntropyLoss")
def weighted_probabilities() -> Any:
    x, y, w = scores()
    p = F.one_hot(y, 3).double()
    each = -(p * w * x.log_softmax(1)).sum(1)
    return which(F.cross_entropy(x, p, w), rows=each.mean(), picked=each.sum() / w[y].sum())


@shows(
    "cross_entropy with smoothing and weights: the uniform part uses the class weights, the denominator is the sum of "
    "the picked ones.",
    "weighted",
    "nn.CrossEntropyLoss",
)
def weighted_smoothing() -> Any:
    x, y, w = scores()
    logs = x.log_softmax(1)
    picked = -(logs.gather(1, y[:, None])[:, 0] * w[y]).sum() / w[y].sum()
    weighted, plain = -(logs * w).sum() / w[y].sum() / 3, -logs.mean()
    return which(
        F.cross_entropy(x, y, w, label_smoothing=0.3),
        weighted=0.7 * picked + 0.3 * weighted,
        plain=0.7 * picked + 0.3 * plain,
    )


@shows("binary_cross_entropy cuts logarithms off at -100.", [100.0], "nn.BCELoss")
def cut_logarithm() -> Any:
    return [F.binary_cross_entropy(torch.zeros(1), torch.ones(1)).item()]


@shows("kl_div's mean is over elements; the divergence is batchmean, over rows.", 3.0, "nn.KLDivLoss")
def mean_of_kl_div() -> Any:
    x, _, _ = scores()
    p = torch.full_like(x, 1 / 3)
    rows = F.kl_div(x.log_softmax(1), p, reduction="batchmean")
    return (rows / F.kl_div(x.log_softmax(1), p, reduction="mean")).item()


@shows("huber_loss is delta times smooth_l1_loss with beta = delta.", True, "nn.HuberLoss nn.SmoothL1Loss")
def huber_and_smooth_l1() -> Any:
    x, y = torch.linspace(-3, 3, 50, dtype=torch.float64), torch.zeros(50, dtype=torch.float64)
    return torch.allclose(F.huber_loss(x, y, delta=0.7), 0.7 * F.smooth_l1_loss(x, y, beta=0.7), rtol=1e-14)


@shows("mse_loss averages over elements, without a factor 1/2.", 4.0, "nn.MSELoss")
def mean_of_squares() -> Any:
    return F.mse_loss(torch.full((3, 2), 2.0), torch.zeros(3, 2)).item()


@shows(
    "margin_ranking_loss of equal scores at margin 0 has the gradient (-1, 1).",
    [-1.0, 1.0],
    "nn.MarginRankingLoss",
    before="2.14",
)
def ranking_of_equals() -> Any:
    return _ranking()


@shows(
    "margin_ranking_loss of equal scores at margin 0 has the gradient (0, 0).",
    [0.0, 0.0],
    "nn.MarginRankingLoss",
    since="2.14",
)
def ranking_of_equals_now() -> Any:
    return _ranking()


def _ranking() -> Any:
    a, b = (torch.zeros(1, requires_grad=True) for _ in range(2))
    F.margin_ranking_loss(a, b, torch.ones(1)).backward()
    return [float(x.grad.item()) for x in (a, b) if x.grad is not None]


@shows("ctc_loss of an impossible alignment is infinite, its gradient NaN.", ["inf", True], "nn.CTCLoss")
def impossible_alignment() -> Any:
    x = torch.zeros(1, 1, 3, requires_grad=True)
    loss = F.ctc_loss(x.log_softmax(2), torch.tensor([[1, 2]]), torch.tensor([1]), torch.tensor([2]), reduction="sum")
    loss.backward()
    return [str(loss.item()), bool(x.grad is not None and not x.grad.isfinite().all())]


@shows(
    "poisson_nll_loss takes the input as a logarithm by default and leaves Stirling's term out.",
    math.e - 2.0,
    "nn.PoissonNLLLoss",
)
def poisson_defaults() -> Any:
    return F.poisson_nll_loss(torch.ones(1, dtype=torch.float64), torch.full((1,), 2.0, dtype=torch.float64)).item()


@shows("gaussian_nll_loss leaves log(2π)/2 out unless full=True.", 0.5, "nn.GaussianNLLLoss")
def gaussian_constant() -> Any:
    return F.gaussian_nll_loss(torch.ones(1), torch.zeros(1), torch.ones(1)).item()


@shows("A label of -1 in cross_entropy is refused.", "IndexError", "nn.CrossEntropyLoss")
def negative_label() -> Any:
    return raises(lambda: F.cross_entropy(torch.zeros(1, 3), torch.tensor([-1])))
