"""The catalog of conventions by which implementations of the same layer differ."""

from parity_tests.comparer.conventions import (
    activations,
    attention,
    linear,
    losses,
    normalization,
    precision,
    recurrent,
)
from parity_tests.comparer.conventions.variant import CATALOG, Variant, variants

__all__ = [
    "CATALOG", "Variant", "activations", "attention", "linear", "losses", "normalization", "precision", "recurrent",
    "variants",
]  # fmt: skip
