"""The five texts that are replayed: their titles, and which replay takes what from them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """A text, read in Chinese; `english` is the title of the English original, as far as the text gives it away."""

    title: str  # as it is printed over the text
    english: str
    kind: str
    replays: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.english} ({self.title})"


MATH = Text(
    "【翻译】神经网络背后的数学原理",
    "The Math Behind Neural Networks",
    "an article with two listings on handwritten digits",
    ("digits-mlp", "cnn", "lstm", "rnn", "gan", "mistakes"),
)
ADVENTURE = Text(
    "神经网络训练背后的数学",
    "Adventure of the Neurons: Theory Behind the Neural Networks",
    "an article with a worked example",
    ("tree-age", "cnn", "lstm", "rnn", "mistakes"),
)
ALGORITHM = Text(
    "终于把神经网络算法搞懂了!!",
    "Neural networks, understood at last",
    "a post with two listings; the English title is a translation",
    ("mnist-mlp", "mistakes"),
)
CHAPTER = Text(
    "二、神经网络的基本要素",
    "The Nuts and Bolts of Neural Networks",
    "the second chapter of a book; its English title is translated back",
    ("foundations", "cnn", "rnn", "mistakes"),
)
SOFT = Text(
    "神经网络导论",
    "A Soft Introduction to Neural Networks",
    "an article with one listing",
    ("toy-16", "mistakes"),
)
TEXTS = (MATH, ADVENTURE, ALGORITHM, CHAPTER, SOFT)


def texts_of(replay: str) -> list[Text]:
    """The texts that name what this replay shows."""
    return [text for text in TEXTS if replay in text.replays]
