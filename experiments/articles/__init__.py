"""The articles replayed: small systems from texts about neural networks, each built once on scratch and once on torch.

An article is a module with an `ARTICLE`. It is imported on use, so that no article needs another's dependencies.
"""

from __future__ import annotations

from importlib import import_module

from experiments.articles.article import Article

ARTICLES = {
    "digits-mlp": "experiments.articles.digits_mlp",
    "tree-age": "experiments.articles.tree_age",
    "mnist-mlp": "experiments.articles.mnist_mlp",
    "foundations": "experiments.articles.foundations",
    "toy-16": "experiments.articles.toy_16",
    "cnn": "experiments.articles.cnn",
    "lstm": "experiments.articles.lstm",
    "rnn": "experiments.articles.rnn",
    "gan": "experiments.articles.gan",
    "mistakes": "experiments.articles.mistakes",
}


def article(name: str) -> Article:
    """The article of this name."""
    return import_module(ARTICLES[name]).ARTICLE
