"""ScratchMLPClassifier: MLPClassifier, trained by scratch."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    check_classification_targets,
    type_of_target,
    unique_labels,
)
from sklearn.utils.validation import validate_data

import scratch
from experiments.estimators.mlp import ScratchMLP
from experiments.estimators.perceptron import FLOATS
from scratch import nn


class ScratchMLPClassifier(ClassifierMixin, ScratchMLP):
    """A multi-layer perceptron that minimizes the cross-entropy: a stand-in for MLPClassifier.

        l_n = -log p(y_n)        p = softmax(z), or σ(z) for two classes, or for each label of several on its own

    Parameters, attributes and methods are MLPClassifier's, and from the same weights and batches the numbers are equal
    up to rounding. `solver`, `learning_rate`, `momentum`, `epsilon`, `tol` and the stopping rules have the same
    meaning.

    Differs   random_state=0 is the stream of scratch.manual_seed(0) and torch.manual_seed(0): other weights and batches
              than MLPClassifier's, of the same distribution, and those of a torch network set up in the same way.
              partial_fit continues the stream, so n calls with one set of rows are fit(max_iter=n) to the bit;
              MLPClassifier starts the stream again in every call.
              The loss and predict_log_proba are computed from logits. MLPClassifier takes logarithms of probabilities,
              cut off at eps in the loss, so it reports at most 36 for one row (16 in float32), and -inf for a log of 0.
              lbfgs is scratch.optim.LBFGS, whose line search is torch's: the same minimum by other steps than SciPy's.
              Predictions are made in the precision of the training, whatever X is. The shares of a batch whose sample
              weights are all 0 are undefined, so the batch is skipped; MLPClassifier raises ZeroDivisionError.
    """

    @available_if(lambda self: self._can_step())
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """One epoch over these rows. The first call must name all `classes`."""
        if _check_partial_fit_first_call(self, classes):
            self._label_binarizer = LabelBinarizer()
            self._label_binarizer.fit(y if type_of_target(y).startswith("multilabel") else classes)
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row; with several labels, those with a probability above one half."""
        return self._predict(self._rows(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (N, classes), in the order of `classes_`."""
        return self._probabilities(self._rows(X))

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Their logarithms, finite even where a probability underflows."""
        z = self._logits(self._rows(X))
        return nn.LogSoftmax(1)(z) if self.out_activation_ == "softmax" else nn.LogSigmoid()(z)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    # --- what ScratchMLP asks for -------------------------------------------------------------------------------------

    def _validated(self, X: Any, y: Any, first: bool, incremental: bool) -> tuple[Any, np.ndarray]:
        dtype = FLOATS if first else self._dtype
        X, y = validate_data(self, X, y, accept_sparse="csr", multi_output=True, dtype=dtype, reset=first)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        if first and not incremental:
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            self._check_known(unique_labels(y), incremental)
        return X, self._label_binarizer.transform(y)

    def _check_known(self, classes: np.ndarray, incremental: bool) -> None:
        """Continued training must have the same classes; a single batch may lack some."""
        new, absent = np.setdiff1d(classes, self.classes_), np.setdiff1d(self.classes_, classes)
        if len(new) or (len(absent) and not incremental):
            raise ValueError(
                f"{type(self).__name__}: it began with the classes {self.classes_} and continues with {classes}. "
                + ("Name all classes in the first partial_fit." if incremental else "Set warm_start=False.")
            )

    def _task(self) -> tuple[str, nn.Module, float]:
        if self._label_binarizer.y_type_ == "multiclass":
            return "softmax", nn.CrossEntropyLoss(reduction="none"), 1.0
        return "logistic", nn.BCEWithLogitsLoss(reduction="none"), 1.0

    def _targets(self, y: np.ndarray) -> np.ndarray:
        return y.argmax(1) if self.out_activation_ == "softmax" else super()._targets(y)

    def _logits(self, X: Any) -> np.ndarray:
        """(N, classes); for two classes -z and z, as p = σ(z) and 1 - p = σ(-z)."""
        z = self._outputs(X)
        return np.hstack([-z, z]) if self.n_outputs_ == 1 else z

    def _probabilities(self, X: Any) -> np.ndarray:
        z = self._logits(X)
        with scratch.no_grad():
            return nn.Softmax(1)(z) if self.out_activation_ == "softmax" else nn.Sigmoid()(z)

    def _predict(self, X: Any) -> np.ndarray:
        p = self._probabilities(X)
        return self._label_binarizer.inverse_transform(p[:, 1] if self.n_outputs_ == 1 else p)

    def _score(self, X: Any, y: np.ndarray, weight: np.ndarray | None) -> float:
        if not np.isfinite(self._outputs(X)).all():
            return np.nan
        labels = self._label_binarizer.inverse_transform(y)
        return accuracy_score(labels, self._predict(X), sample_weight=weight)
