"""Information of a coin: surprise, entropy, cross-entropy, and their difference.

    I(x) = -log p(x)        H(p) = -Σ p log p        H(p, q) = -Σ p log q        KL(p|q) = Σ p log(p / q)

In bits with log to base 2. H(p, q) is what it costs to tell outcomes of p in a code made for q; H(p) is the least that
any code costs; KL is the loss, so KL = H(p, q) - H(p) >= 0. The libraries count in nats: one bit is ln 2 of them.
Both losses have the gradient -p by log q. By the logits z of q = softmax(z) it is q - p, since
log q_i = z_i - log Σ e^z.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from experiments.articles.article import Replay
from experiments.articles.curves import Panel, draw
from experiments.articles.foundations.evaluate import backward_checks, numbers, on_both_evaluated, outputs, slopes
from experiments.articles.judge import equal_to, largest
from experiments.articles.twin import Twin

FAIR, BENT = np.array([[0.5, 0.5]]), np.array([[0.2, 0.8]])
BIT = math.log(2)


def cross_entropy(twin: Twin) -> Any:
    return twin.lib.nn.CrossEntropyLoss(reduction="none")


def divergence(twin: Twin) -> Any:
    return twin.lib.nn.KLDivLoss(reduction="none")


def bits(values: dict[str, Any]) -> dict[str, np.ndarray]:
    return {name: value / BIT for name, value in outputs(values).items()}


def replay(found: Replay, output: Path) -> None:
    surprise = bits(
        on_both_evaluated(
            lambda twin: twin.lib.nn.NLLLoss(reduction="none"), np.log(np.repeat(BENT, 2, 0)), target=[0, 1]
        )
    )
    found.figures += [
        equal_to("coin: surprise of a side of probability 0.2, bits", -math.log2(0.2), numbers(surprise, 0)),
        equal_to("coin: surprise of a side of probability 0.8, bits", -math.log2(0.8), numbers(surprise, 1)),
    ]
    entropy = {}
    for name, p in (("fair", FAIR), ("bent", BENT)):
        entropy[name] = bits(on_both_evaluated(cross_entropy, np.log(p), target=p))
        expected = -float(np.sum(p * np.log2(p)))
        found.figures.append(equal_to(f"coin: entropy of the {name} one, bits", expected, numbers(entropy[name], 0)))
    for names, p, q in ((("fair", "bent"), FAIR, BENT), (("bent", "fair"), BENT, FAIR)):
        crossed = bits(on_both_evaluated(cross_entropy, np.log(q), target=p))
        parts = bits(on_both_evaluated(divergence, np.log(q), target=p))
        apart = {engine: value.sum() for engine, value in parts.items()}
        told = f"{names[0]} told in the code of the {names[1]}"
        found.figures += [
            equal_to(f"coin: cross-entropy, {told}, bits", -float(np.sum(p * np.log2(q))), numbers(crossed, 0)),
            equal_to(f"coin: KL divergence, {told}, bits", float(np.sum(p * np.log2(p / q))), numbers(apart)),
            equal_to(
                f"coin: KL - (cross-entropy - entropy), {told}",
                0.0,
                {engine: float(apart[engine] - (crossed[engine] - entropy[names[0]][engine])[0]) for engine in apart},
            ),
        ]
    logits = np.random.default_rng(0).normal(size=(3, 5))
    p = np.random.default_rng(1).dirichlet(np.ones(5), 3)
    q = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    gradient = slopes(on_both_evaluated(cross_entropy, logits, target=p))
    found.figures.append(
        largest(
            "cross-entropy: gradient by the logits beside q - p", {e: g - (q - p) for e, g in gradient.items()}, 1e-15
        )
    )
    found.checks += backward_checks("cross-entropy by the logits", cross_entropy, logits, target=p)
    found.checks += backward_checks("KL divergence by log q", divergence, np.log(q), target=p)
    _draw(found, output / "information.png")


def _draw(found: Replay, path: Path) -> None:
    heads = np.linspace(0.005, 0.995, 199)
    coins = np.stack([heads, 1 - heads], axis=1)
    fair = np.repeat(FAIR, len(coins), axis=0)
    entropy = bits(on_both_evaluated(cross_entropy, np.log(coins), target=coins))
    crossed = bits(on_both_evaluated(cross_entropy, np.log(coins), target=fair))
    apart = {e: v.sum(axis=1) for e, v in bits(on_both_evaluated(divergence, np.log(coins), target=fair)).items()}
    draw(
        path,
        [
            *(
                Panel(
                    f"Entropy of a coin, {unit}",
                    {name: (heads, value * size) for name, value in entropy.items()},
                    "probability of heads",
                    unit,
                )
                for unit, size in (("nats", BIT), ("bits", 1.0))
            ),
            Panel(
                "A fair coin, told in another's code",
                {
                    "cross-entropy, scratch": (heads, crossed["scratch"]),
                    "cross-entropy, torch": (heads, crossed["torch"]),
                    "KL divergence, torch": (heads, apart["torch"]),
                    "entropy of the fair coin": (heads, np.ones_like(heads)),
                },
                "probability of heads in the code",
                "bits",
                {"ylim": (0, 4)},
            ),
        ],
    )
    caption = "Entropy is largest for a fair coin; cross-entropy is entropy plus divergence, and least where q = p."
    found.plots.append((path, caption))
