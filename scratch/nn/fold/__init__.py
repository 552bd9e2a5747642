"""Images as lists of windows."""

from scratch.nn.fold.fold import Fold, Unfold

__all__ = ["Fold", "Unfold"]
