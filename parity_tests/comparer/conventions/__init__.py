"""The catalog of conventions by which implementations of the same function differ."""

from parity_tests.comparer.conventions import (
    activations,
    attention,
    convolution,
    ctc,
    linear,
    losses,
    normalization,
    parts,
    precision,
    recognition,
    recurrent,
    regularization,
    resampling,
    rotary,
    sampling,
    slopes,
    structure,
)
from parity_tests.comparer.conventions.convention import CATALOG, FUNCTIONS, By, Deviation, Site, called, deviations
from parity_tests.comparer.conventions.tape import Recording, Tape, Values

__all__ = [
    "CATALOG", "FUNCTIONS", "By", "Deviation", "Recording", "Site", "Tape", "Values", "activations", "attention",
    "called", "convolution", "ctc", "deviations", "linear", "losses", "normalization", "parts", "precision",
    "recognition", "recurrent", "regularization", "resampling", "rotary", "sampling", "slopes", "structure",
]  # fmt: skip
