"""The text's step-by-step example: two inputs, two ReLU units, one sigmoid unit, binary cross-entropy.

The text works in symbols and its formulas are pictures, so the numbers are ours, and so is the reading of the indices:
w12 is the weight of x2 in the first hidden unit.
"""

from __future__ import annotations

import numpy as np

from experiments.articles.worked import Worked

TITLE = "The text's worked example, with numbers of ours"
EXAMPLE = Worked(
    x=np.array([[0.6, -0.4]]),
    t=1.0,
    start={  # of the two hidden units the first is on, the second off
        "W": np.array([[0.5, -0.3], [-0.8, 0.2]]),
        "b": np.array([0.1, -0.1]),
        "V": np.array([[0.7, -0.9]]),
        "c": np.array([0.2]),
    },
    hidden="ReLU",
    output="Sigmoid",
    criterion="BCELoss",
    lr=0.1,
    names={
        "x": ("x1", "x2"),
        "W": ("w11", "w12", "w21", "w22"),
        "b": ("b1", "b2"),
        "z": ("z1", "z2"),
        "a": ("a1", "a2"),
        "V": ("w31", "w32"),
        "c": ("b3",),
        "s": ("z3",),
        "y": ("a3",),
    },
    forward={
        "z": ("z1 = w11 x1 + w12 x2 + b1", "z2 = w21 x1 + w22 x2 + b2"),
        "a": ("a1 = max(0, z1)", "a2 = max(0, z2)"),
        "s": ("z3 = w31 a1 + w32 a2 + b3",),
        "y": ("a3 = σ(z3)",),
        "L": ("L = -y log a3 - (1 - y) log(1 - a3), y = 1",),
    },
    backward={
        "y": ("dL/da3 = (1 - y) / (1 - a3) - y / a3",),
        "s": ("dL/dz3 = dL/da3 a3 (1 - a3) = a3 - y",),
        "V": ("dL/dw31 = dL/dz3 a1", "dL/dw32 = dL/dz3 a2"),
        "c": ("dL/db3 = dL/dz3",),
        "a": ("dL/da1 = dL/dz3 w31", "dL/da2 = dL/dz3 w32"),
        "z": ("dL/dz1 = dL/da1 [z1 > 0]", "dL/dz2 = dL/da2 [z2 > 0]"),
        "W": ("dL/dw11 = dL/dz1 x1", "dL/dw12 = dL/dz1 x2", "dL/dw21 = dL/dz2 x1", "dL/dw22 = dL/dz2 x2"),
        "b": ("dL/db1 = dL/dz1", "dL/db2 = dL/dz2"),
        "x": ("dL/dx1 = dL/dz1 w11 + dL/dz2 w21", "dL/dx2 = dL/dz1 w12 + dL/dz2 w22"),
    },
    quoted={},
)
