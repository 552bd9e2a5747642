"""scikit-learn estimators that train with scratch: networks, losses, optimizers and random streams in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from experiments.estimators.classifier import ScratchMLPClassifier
from experiments.estimators.regressor import ScratchMLPRegressor

if TYPE_CHECKING:
    from experiments.estimators.comparison import SideBySide


def side_by_side(*arguments: Any, **options: Any) -> SideBySide:
    """`comparison.side_by_side`, which needs torch; the estimators do not, so it is imported when it is called."""
    from experiments.estimators.comparison import side_by_side

    return side_by_side(*arguments, **options)


__all__ = ["ScratchMLPClassifier", "ScratchMLPRegressor", "side_by_side"]
