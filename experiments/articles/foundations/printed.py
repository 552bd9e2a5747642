"""The numbers that the chapter prints, each beside its recomputation by both engines.

E[X] = Σ p x        Var[X] = Σ p (x - E[X])²        I = -ln P        H = Σ P I        KL = H(P, Q) - H(P)
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments.articles.article import Figure, Replay
from experiments.articles.judge import equal_to
from experiments.articles.twin import SCRATCH, Twin, on_both

CHANCE, SETS, BAYES, VARIABLE, INFORMATION, FUNCTIONS, SGD = (
    "Introduction to probability",
    "Probability and sets",
    "Conditional probability and Bayes' rule",
    "Random variables and probability distributions",
    "Information theory",
    "Activation functions",
    "SGD improvements",
)
X, P = np.arange(6.0), np.array([0.1, 0.2, 0.3, 0.2, 0.1, 0.1])  # the chapter's discrete variable
FAIR, BENT = np.array([0.5, 0.5]), np.array([0.2, 0.8])


def replay(found: Replay, output: Path) -> None:
    found.figures += [*_probabilities(), *_variable(), *_information(), *_functions()]


# --- probability ------------------------------------------------------------------------------------------------------


def deck(twin: Twin) -> tuple[Any, Any]:
    """Suit (0, hearts, and 1 are red) and rank (10 is the jack) of 52 cards."""
    card = twin.tensor(np.arange(52))
    return card // 13, card % 13


def red_jack(twin: Twin) -> float:
    suit, rank = deck(twin)
    return float(twin.array((suit < 2) & (rank == 10)).mean())


def second_heart(twin: Twin) -> float:
    """Counted among the 51 cards that are left when the first, a heart, is gone."""
    return float(twin.array(deck(twin)[0] == 0)[1:].mean())


def _probabilities() -> list[Figure]:
    tosses = on_both(lambda twin: float(twin.array(twin.tensor(np.arange(100) < 56)).mean()))
    die = on_both(lambda twin: float(twin.array(twin.tensor(np.arange(1, 7)) == 4).mean()))
    red, jack, heart = (
        on_both(lambda twin, one=one: float(twin.array(one(*deck(twin))).mean()))  # type: ignore[misc]
        for one in (lambda suit, rank: suit < 2, lambda suit, rank: rank == 10, lambda suit, rank: suit == 0)
    )
    return [
        equal_to("one side of a die", 1 / 6, die, text="1/6", place=CHANCE),
        equal_to("heads, 56 of 100", 0.56, tosses, text="0.56", place=CHANCE),
        equal_to("a red card, counted in a deck", 1 / 2, red, text="1/2", place=SETS),
        equal_to("a jack", 1 / 13, jack, text="1/13", place=SETS),
        equal_to("a red jack", 1 / 26, on_both(red_jack), text="1/26", place=SETS),
        equal_to("a heart", 0.25, heart, text="0.25", place=BAYES),
        equal_to("a second heart, P(heart2 | heart1)", 12 / 51, on_both(second_heart), text="0.235", place=BAYES),
        *_sets(),
    ]


def _sets() -> list[Figure]:
    """A = {1, 2, 3} and B = {3, 4, 5} in S = {1, 2, 3, 4, 5}."""

    def members(twin: Twin, pick: Any) -> str:
        s = twin.tensor(np.arange(1, 6))
        return "{" + ", ".join(str(int(x)) for x in s[pick(s <= 3, s >= 3)]) + "}"

    rows = []
    for what, pick, expected in (
        ("A ∩ B, for A = {1, 2, 3} and B = {3, 4, 5} in {1, ..., 5}", lambda a, b: a & b, "{3}"),
        ("A ∪ B: together they are exhaustive", lambda a, b: a | b, "{1, 2, 3, 4, 5}"),
        ("complement of A", lambda a, b: ~a, "{4, 5}"),
        ("A without B, disjoint from B", lambda a, b: a & ~b, "{1, 2}"),
    ):
        both = on_both(lambda twin, pick=pick: members(twin, pick))  # type: ignore[misc]
        ok = {*both.values()} == {expected}
        rows.append(Figure(what, expected=expected, scratch=both["scratch"], torch=both["torch"], ok=ok))
    return rows


def _variable() -> list[Figure]:
    def mean(twin: Twin) -> float:
        return float((twin.tensor(X) * twin.tensor(P)).sum())

    def variance(twin: Twin) -> float:
        return float(((twin.tensor(X) - mean(twin)) ** 2 * twin.tensor(P)).sum())

    deviation = {engine: math.sqrt(v) for engine, v in on_both(variance).items()}
    return [
        equal_to("mean of 0 to 5 with 0.1, 0.2, 0.3, 0.2, 0.1, 0.1", 2.3, on_both(mean), "g", "2.3", VARIABLE),
        equal_to("its variance, weighted by the probabilities", 2.01, on_both(variance), "g", "2.01", VARIABLE),
        equal_to("its standard deviation", math.sqrt(2.01), deviation),
    ]


# --- information, in nats ---------------------------------------------------------------------------------------------


def surprise(twin: Twin, p: float = 0.8) -> float:
    """-ln p: the cross-entropy of an event that has come, for one who gave it p."""
    return float(twin.lib.nn.BCELoss()(twin.tensor(np.array([p])), twin.tensor(np.array([1.0]))))


def crossed(twin: Twin, p: np.ndarray, q: np.ndarray) -> float:
    """H(p, q) of a coin."""
    return float(twin.lib.nn.BCELoss()(twin.tensor(q[:1]), twin.tensor(p[:1])))


def _information() -> list[Figure]:
    entropy = {name: -float(p @ np.log(p)) for name, p in (("fair", FAIR), ("bent", BENT))}
    between = -float(FAIR @ np.log(BENT))
    own, bent, other = (
        on_both(lambda twin, p=p, q=q: crossed(twin, p, q))  # type: ignore[misc]
        for p, q in ((FAIR, FAIR), (BENT, BENT), (FAIR, BENT))
    )
    apart = {engine: other[engine] - own[engine] for engine in own}
    few = on_both(lambda twin: surprise(twin, 0.2))
    return [
        equal_to("information of P = 0.8, nats", -math.log(0.8), on_both(surprise), text="0.22", place=INFORMATION),
        equal_to("information of P = 0.2, nats", -math.log(0.2), few, text="1.61", place=INFORMATION),
        equal_to("entropy of a fair coin, nats", entropy["fair"], own),
        equal_to("entropy of a coin of 0.2 and 0.8, nats", entropy["bent"], bent),
        equal_to("cross-entropy of P = 0.5, 0.5 and Q = 0.2, 0.8, nats", between, other),
        equal_to("KL divergence of the two, nats", between - entropy["fair"], apart),
    ]


# --- functions --------------------------------------------------------------------------------------------------------


def twice(twin: Twin) -> float:
    """σ(σ(2))."""
    sigmoid = twin.lib.nn.Sigmoid()
    return float(sigmoid(sigmoid(twin.tensor(np.array([2.0]))))[0])


def adam_moment(twin: Twin, gradient: float = 10.0) -> float:
    """The first moment after one step of the engine's Adam: from the length of a step without its correction."""
    theta = twin.lib.nn.Parameter(twin.tensor(np.zeros(1)))
    optimizer = twin.lib.optim.Adam([theta], lr=1.0, betas=(0.9, 0.999))
    theta.grad = twin.tensor(np.array([gradient]))
    optimizer.step()
    state = optimizer.state_dict()["state"][0]
    return float(state["exp_avg"][0])


def _functions() -> list[Figure]:
    def exps(twin: Twin) -> np.ndarray:
        exp = np.exp if twin is SCRATCH else torch.exp
        return twin.array(exp(twin.tensor(np.array([1.0, 2.0]))))

    e = on_both(exps)
    share = on_both(lambda t: float(np.divide(*t.array(t.lib.nn.Softmax(-1)(t.tensor(np.array([1.0, 2.0])))))))
    idle = on_both(lambda t: float(t.lib.nn.ReLU()(t.lib.nn.ReLU()(t.tensor(np.array([2.0]))))[0]))
    sigma = [2.0]
    for _ in range(2):
        sigma.append(1 / (1 + math.exp(-sigma[-1])))
    return [
        equal_to("σ(σ(2))", sigma[-1], on_both(twice), ".3f", "0.707", FUNCTIONS),
        equal_to("ReLU(ReLU(2))", 2.0, idle, "g", "2", FUNCTIONS),
        equal_to("exp(1)", math.e, {k: float(v[0]) for k, v in e.items()}, ".3f", "2.7", FUNCTIONS),
        equal_to("exp(2)", math.e**2, {k: float(v[1]) for k, v in e.items()}, ".3f", "7.39", FUNCTIONS),
        equal_to(
            "1 / 2, the ratio before softmax",
            0.5,
            on_both(lambda t: float(t.tensor(np.float64(1)) / 2)),
            "g",
            "0.5",
            FUNCTIONS,
        ),
        equal_to("the ratio after it", math.exp(-1), share, ".3f", "0.36", FUNCTIONS, errs=True),
        equal_to("Adam: first moment of a first gradient of 10", 1.0, on_both(adam_moment), "g", "1", SGD),
    ]
