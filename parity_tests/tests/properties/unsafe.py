"""Input that torch takes without a look: it reads outside of its arrays or divides by 0, and the process may die.

So torch is not asked. Scratch refuses it; that much a test demands of every witness.
"""

from __future__ import annotations

from parity_tests.tests.properties.example import Cut, Example, Option, Plant, Resize

# component -> words of scratch's refusal, and a witness
UNSAFE: dict[str, tuple[tuple[str, ...], Example]] = {
    "nn.CTCLoss": (("class labels must be", "targets must"), Example("nn.CTCLoss", (Plant(1, 0.0, "13"),))),
    "nn.EmbeddingBag": (
        ("offsets must start", "offsets: indices must lie"),
        Example("nn.EmbeddingBag[mean, offsets and an empty bag]", (Plant(1, 0.999, "0"),)),
    ),
    "nn.MaxPool1d": (
        ("holds nothing but padding",),
        Example("nn.MaxPool1d[dilation]", (Option("kernel_size", 2), Resize(11, 1))),
    ),
    "nn.MaxPool2d": (("holds nothing but padding",), Example("nn.MaxPool2d[dilation]", (Resize(7, 1),))),
    "nn.MaxPool3d": (("holds nothing but padding",), Example("nn.MaxPool3d[dilation]", (Resize(7, 1),))),
    "nn.ScaledDotProductAttention": (
        ("not a multiple of 0 key heads",),
        Example("nn.ScaledDotProductAttention[grouped heads]", (Cut(1, 1, 0), Cut(2, 1, 0))),
    ),
}


def is_unsafe(name: str, error: Exception | None) -> bool:
    """Whether scratch's refusal is one of those."""
    return name in UNSAFE and any(words in str(error) for words in UNSAFE[name][0])
