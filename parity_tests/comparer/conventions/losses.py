"""Conventions of losses: the summands, the divisor, smoothing and class weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from parity_tests.comparer.conventions.convention import ADDED, By, Deviation, Options, convention, function
from parity_tests.table.versions import CHANGES

REDUCED = (
    "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "cross_entropy", "nll_loss", "kl_div",
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "poisson_nll_loss", "gaussian_nll_loss",
    "soft_margin_loss", "hinge_embedding_loss", "margin_ranking_loss", "cosine_embedding_loss",
    "triplet_margin_loss", "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss",
)  # fmt: skip
CLAMPED = {  # losses whose slope at the margin changed between releases of torch
    name: change for name in REDUCED for change in CHANGES if change.component.lower() == f"nn.{name.replace('_', '')}"
}
for _name in REDUCED:
    function(_name)(getattr(F, _name))


def again(o: Options, **changes: Any) -> Tensor:
    """The loss with other arguments."""
    given = {key: value for key, value in o.items() if key not in ADDED}
    return getattr(F, o.function)(**{**given, **changes})


@convention("cross_entropy", "nll_loss")
def classes(o: Options) -> Iterator[Deviation]:
    by_count = lambda o: again(o, reduction="sum") / o.target.numel()  # noqa: E731
    if o.weight is not None and o.reduction == "mean":
        text = "with the weighted sum divided by the number of rows, not by the sum of the picked weights"
        yield Deviation("class-weights", text, {"instead": by_count})
        yield Deviation("class-weights", "without the class weights", {"weight": None})
    hard = not o.target.is_floating_point()
    if hard and bool((o.target == o.ignore_index).any()):
        yield Deviation("ignored-rows", "with ignored rows counted in the mean", {"instead": by_count})
        k = o.input.shape[1] if o.input.ndim > 1 else o.input.shape[0]
        if -k <= o.ignore_index < 0:
            text = f"with the ignored label {o.ignore_index} read as an index from the end: class {k + o.ignore_index}"
            yield Deviation("ignored-rows", text, {"target": By(lambda t: t % k)})
    if o.function == "cross_entropy":
        yield from _smoothing(o, hard)
        text = "with a softmax before the loss, which has one of its own"
        yield Deviation("double-softmax", text, {"input": By(lambda x: torch.softmax(x, 1))})
    if hard and o.reduction == "mean":
        k = o.input.shape[1] if o.input.ndim > 1 else 1
        text = "with the sum divided by all elements, rows times classes"
        yield Deviation("reduction", text, {"instead": lambda o: again(o, reduction="sum") / (o.target.numel() * k)})
    if hard and o.target.ndim > 1:
        text = "with the sum over places and the mean over the batch"
        yield Deviation("reduction", text, {"instead": lambda o: again(o, reduction="sum") / o.target.shape[0]})
        text = "with the mean of each sequence's mean"

        def each(o: Options) -> Tensor:
            rows = again(o, reduction="none").flatten(1)
            return (rows.sum(1) / (o.target.flatten(1) != o.ignore_index).sum(1)).mean()

        yield Deviation("reduction", text, {"instead": each})


def _smoothing(o: Options, hard: bool) -> Iterator[Deviation]:
    own = o.label_smoothing
    for smoothing in (0.0, 0.1, 0.05, 0.2):
        if smoothing != own:
            changes = {"label_smoothing": smoothing}
            yield Deviation("label-smoothing", f"with label_smoothing={smoothing:g}", changes)
    if own and hard:

        def others(o: Options) -> Tensor:
            """The smoothing mass spread over the other classes alone."""
            k = o.input.shape[1]
            soft = torch.full_like(o.input, own / (k - 1)).scatter(1, o.target[:, None], 1 - own)
            return -(soft * F.log_softmax(o.input, 1)).sum(1).mean()

        text = "with the smoothing spread over the other K - 1 classes"
        yield Deviation("label-smoothing", text, {"instead": others})


@convention(*REDUCED)
def reductions(o: Options) -> Iterator[Deviation]:
    total = lambda o: again(o, reduction="sum")  # noqa: E731
    if o.reduction in ("mean", "batchmean"):
        yield Deviation("reduction", "with reduction='sum'", {"reduction": "sum"})
        if o.input.ndim:
            text = "with the sum divided by the batch, not by all elements"
            yield Deviation("reduction", text, {"instead": lambda o: total(o) / o.input.shape[0]})
    if o.reduction in ("sum", "batchmean"):
        text = "with reduction='mean', over all elements"
        yield Deviation("reduction", text, {"instead": lambda o: total(o) / o.input.numel()})
    if o.reduction == "sum":
        text = "with reduction='batchmean'"
        yield Deviation("reduction", text, {"instead": lambda o: total(o) / o.input.shape[0]})


@convention("mse_loss")
def halves(o: Options) -> Iterator[Deviation]:
    yield Deviation("mse-half", "with the textbook's factor 1/2", {"output": By(lambda y: y / 2)})
    text = "with the factor 1/2 and the sum divided by the batch"
    half = lambda o: ((o.input - o.target) ** 2).sum() / (2 * o.input.shape[0])  # noqa: E731
    yield Deviation("mse-half", text, {"instead": half})
    yield Deviation("mse-root", "with the root of the mean", {"output": By(lambda y: y.sqrt())})
    absolute = lambda o: F.l1_loss(o.input, o.target)  # noqa: E731
    yield Deviation("other-loss", "with absolute errors, L1", {"instead": absolute})


@convention("l1_loss")
def squares(o: Options) -> Iterator[Deviation]:
    square = lambda o: F.mse_loss(o.input, o.target, reduction=o.reduction)  # noqa: E731
    yield Deviation("other-loss", "with squared errors", {"instead": square})


@convention("huber_loss", "smooth_l1_loss")
def hubers(o: Options) -> Iterator[Deviation]:
    own = o.delta if "delta" in o else o.beta
    factor, other = (1 / own, "SmoothL1Loss") if "delta" in o else (own, "HuberLoss")
    if factor != 1:
        text = f"with {other}: Huber is delta times SmoothL1"
        yield Deviation("huber-scale", text, {"output": By(lambda y: y * factor)})
    for delta in (1.0, 0.5, 0.1, 1.35, 2.0, 1 / 9):
        if delta != own:
            key = "delta" if "delta" in o else "beta"
            yield Deviation("huber-delta", f"with {key}={delta:g}", {key: delta})


@convention("kl_div")
def targets(o: Options) -> Iterator[Deviation]:
    yield Deviation("kl-log-target", f"with log_target={not o.log_target}", {"log_target": not o.log_target})

    def exchanged(o: Options) -> Tensor:
        return F.kl_div(o.target.log(), o.input.exp(), reduction=o.reduction)

    if not o.log_target:
        yield Deviation("kl-direction", "with the other direction, KL(q || p)", {"instead": exchanged})


@convention("binary_cross_entropy", "binary_cross_entropy_with_logits")
def binaries(o: Options) -> Iterator[Deviation]:
    logits = o.function == "binary_cross_entropy_with_logits"
    for eps in (1e-7, 1e-12, 1e-8, 1e-6, 1e-5):

        def clipped(o: Options, eps: float = eps) -> Tensor:
            low, high = (float(np.float32(bound)) for bound in (eps, 1 - eps))
            p = (torch.sigmoid(o.input) if logits else o.input).clamp(low, high)
            return F.binary_cross_entropy(p, o.target, o.weight, reduction=o.reduction)

        text = f"with probabilities clipped to [{eps:g}, 1 - {eps:g}]"
        yield Deviation("bce-clip", text, {"instead": clipped})
    if logits:
        if o.pos_weight is not None:
            yield Deviation("class-weights", "without pos_weight", {"pos_weight": None})
        text = "with a sigmoid before the loss, which has one of its own"
        yield Deviation("double-sigmoid", text, {"input": By(torch.sigmoid)})


@convention("triplet_margin_loss", "margin_ranking_loss", "hinge_embedding_loss", "cosine_embedding_loss")
def margins(o: Options) -> Iterator[Deviation]:
    for margin in (0.0, 0.1, 0.2, 0.5, 1.0):
        if margin != o.margin:
            yield Deviation("margin", f"with margin={margin:g}", {"margin": margin})


@convention(*CLAMPED)
def slope_at_margin(o: Options) -> Iterator[Deviation]:
    for text, kind in CLAMPED[o.function].sides:

        def instead(o: Options, kind: Any = kind) -> Tensor:
            options = {key: o[key] for key in ("margin", "p", "eps", "swap", "reduction") if key in o}
            loss: Tensor = kind(**options)(*(value for value in o.values() if isinstance(value, Tensor)))
            return loss

        yield Deviation("kink", f"with the {text}", {"instead": instead})


@convention("poisson_nll_loss", "gaussian_nll_loss")
def constants(o: Options) -> Iterator[Deviation]:
    yield Deviation("nll-full", f"with full={not o.full}", {"full": not o.full})
    if "log_input" in o:
        text = f"with log_input={not o.log_input}"
        yield Deviation("nll-log-input", text, {"log_input": not o.log_input})
