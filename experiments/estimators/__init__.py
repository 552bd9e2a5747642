"""scikit-learn estimators whose training is scratch's: networks, losses, optimizers and random streams in NumPy."""

from experiments.estimators.classifier import ScratchMLPClassifier
from experiments.estimators.comparison import side_by_side
from experiments.estimators.regressor import ScratchMLPRegressor

__all__ = ["ScratchMLPClassifier", "ScratchMLPRegressor", "side_by_side"]
