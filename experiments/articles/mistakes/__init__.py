"""The mistakes of the five texts, each with the computation that shows it; and what is right, though suspected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from experiments.articles.article import Article, Replay, quiet, under
from experiments.articles.mistakes import adventure, chapter, math_behind, soft
from experiments.articles.texts import ADVENTURE, ALGORITHM, CHAPTER, MATH, SOFT

SUSPECTED = "Not wrong, although suspected"


def run(output: Path, data_dir: str | Path | None = None, progress: Callable[[str], None] = quiet) -> Replay:
    found = ARTICLE.start()
    for part, figures in {
        MATH.english: math_behind.figures,
        ADVENTURE.english: adventure.figures,
        ALGORITHM.english: adventure.algorithm,
        CHAPTER.english: chapter.figures,
        SOFT.english: soft.figures,
        SUSPECTED: chapter.suspected,
    }.items():
        progress(part)
        found.figures += under(part, figures())
    return found


ARTICLE = Article(
    name="mistakes",
    title="The mistakes of the five texts, each with the computation that shows it",
    claim="Mistakes of the authors, of the printed code and of the translation, in the order of the texts. Wrong "
    "formulas of gradients are caught by gradient checks as well, in digits-mlp and toy-16.",
    run=run,
)
