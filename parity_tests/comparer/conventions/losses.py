"""Conventions of losses: what is summed, what it is divided by, smoothing and class weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F

from parity_tests.comparer.conventions.variant import Variant, attribute, changed, convention

LOSSES = (
    "MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "CrossEntropyLoss", "NLLLoss", "KLDivLoss", "BCELoss",
    "BCEWithLogitsLoss", "PoissonNLLLoss", "GaussianNLLLoss", "SoftMarginLoss", "HingeEmbeddingLoss",
)  # fmt: skip


@convention("CrossEntropyLoss", "NLLLoss")
def classes(layer: Any) -> Iterator[Variant]:
    if layer.weight is not None and layer.reduction == "mean":

        def by_count(x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return changed(layer, reduction="sum")(x, target) / target.numel()

        text = "with the weighted sum divided by the number of rows, not by the sum of the picked weights"
        yield Variant("class-weights", text, by_count, layer)
        yield attribute(layer, "class-weights", "without the class weights", weight=None)

    def ignored(x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return changed(layer, reduction="sum")(x, target) / target.numel()

    yield Variant("ignored-rows", "with ignored rows counted in the mean", ignored, layer)
    if hasattr(layer, "label_smoothing"):
        for smoothing in (0.0, 0.1, 0.05, 0.2):
            if smoothing != layer.label_smoothing:
                yield attribute(
                    layer, "label-smoothing", f"with label_smoothing={smoothing:g}", label_smoothing=smoothing
                )
        s = layer.label_smoothing
        if s:

            def others(x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
                """The smoothing mass spread over the other classes alone."""
                k = x.shape[1]
                soft = torch.full_like(x, s / (k - 1)).scatter(1, target[:, None], 1 - s)
                return -(soft * F.log_softmax(x, 1)).sum(1).mean()

            yield Variant("label-smoothing", "with the smoothing spread over the other K - 1 classes", others, layer)
        yield Variant(
            "double-softmax", "with a softmax before the loss, which has one of its own",
            lambda x, t: layer(torch.softmax(x, 1), t), layer,
        )  # fmt: skip


@convention(*LOSSES)
def reductions(layer: Any) -> Iterator[Variant]:
    total = changed(layer, reduction="sum")
    if layer.reduction in ("mean", "batchmean"):
        yield Variant("reduction", "with reduction='sum'", total, layer)
        text = "with the sum divided by the batch, not by all elements"
        yield Variant("reduction", text, lambda x, *t: total(x, *t) / x.shape[0], layer)
    if layer.reduction in ("sum", "batchmean"):
        yield Variant(
            "reduction", "with reduction='mean', over all elements", lambda x, *t: total(x, *t) / x.numel(), layer
        )
    if layer.reduction == "sum":
        yield Variant("reduction", "with reduction='batchmean'", lambda x, *t: total(x, *t) / x.shape[0], layer)


@convention("MSELoss")
def half(layer: Any) -> Iterator[Variant]:
    yield Variant("mse-half", "with the textbook's factor 1/2", lambda x, t: layer(x, t) / 2, layer)

    def half_sum(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return ((x - t) ** 2).sum() / (2 * x.shape[0])

    yield Variant("mse-half", "with the factor 1/2 and the sum divided by the batch", half_sum, layer)
    yield Variant("mse-root", "with the root of the mean", lambda x, t: layer(x, t).sqrt(), layer)


@convention("HuberLoss", "SmoothL1Loss")
def huber(layer: Any) -> Iterator[Variant]:
    delta = layer.delta if hasattr(layer, "delta") else layer.beta
    factor, other = (1 / delta, "SmoothL1Loss") if hasattr(layer, "delta") else (delta, "HuberLoss")
    yield Variant(
        "huber-scale", f"with {other}: Huber is delta times SmoothL1", lambda x, t: layer(x, t) * factor, layer
    )


@convention("KLDivLoss")
def divergence(layer: Any) -> Iterator[Variant]:
    yield attribute(layer, "kl-log-target", f"with log_target={not layer.log_target}", log_target=not layer.log_target)


@convention("BCELoss", "BCEWithLogitsLoss")
def binary(layer: Any) -> Iterator[Variant]:
    logits = type(layer).__name__ == "BCEWithLogitsLoss"

    def clipped(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        p = (torch.sigmoid(x) if logits else x).clamp(1e-7, 1 - 1e-7)
        return F.binary_cross_entropy(p, t, layer.weight, reduction=layer.reduction)

    yield Variant("bce-clip", "with probabilities clipped to [1e-7, 1 - 1e-7]", clipped, layer)
    if logits and layer.pos_weight is not None:
        yield attribute(layer, "class-weights", "without pos_weight", pos_weight=None)
