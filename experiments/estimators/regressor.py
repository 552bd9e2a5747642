"""ScratchMLPRegressor: MLPRegressor, trained by scratch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from experiments.estimators.mlp import ScratchMLP
from experiments.estimators.perceptron import FLOATS
from scratch import nn


class ScratchMLPRegressor(RegressorMixin, ScratchMLP):
    """A multi-layer perceptron that minimizes the squared error or the Poisson deviance: a stand-in for MLPRegressor.

        l_n = 1/2 Σ_o (z_no - y_no)²                         squared_error; z is the prediction
        l_n = Σ_o y_no log(y_no / μ_no) - y_no + μ_no        poisson; μ = exp(z) is the prediction, y >= 0

    Numerics  with several outputs, the squared error in loss_ and loss_curve_ is the mean over the outputs, while the
              gradient is that of the sum: MLPRegressor's convention.
    Differs   as ScratchMLPClassifier, in the random stream, partial_fit, lbfgs and precision. A negative y is refused
              with poisson, where MLPRegressor's loss is NaN. An X of float32 is trained in float32, whatever y is.
    """

    _parameter_constraints: ClassVar[dict] = {
        **ScratchMLP._parameter_constraints,
        "loss": [StrOptions({"squared_error", "poisson"})],
    }

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
    ) -> None:
        self.loss = loss
        super().__init__(
            hidden_layer_sizes,
            activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
        )

    @available_if(lambda self: self._can_step())
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One epoch over these rows."""
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> np.ndarray:
        """The prediction of each row, (N,) or (N, outputs)."""
        return self._predict(self._rows(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    # --- what ScratchMLP asks for -------------------------------------------------------------------------------------

    def _validated(self, X: Any, y: Any, first: bool, incremental: bool) -> tuple[Any, np.ndarray]:
        dtype = FLOATS if first else self._dtype
        X, y = validate_data(
            self, X, y, accept_sparse="csr", multi_output=True, y_numeric=True, dtype=dtype, reset=first
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if self.loss == "poisson" and y.min() < 0:
            raise ValueError(f"{type(self).__name__}: loss='poisson' needs y >= 0, got {y.min()}.")
        return X, y.reshape(len(y), -1)

    def _task(self) -> tuple[str, nn.Module, float]:
        if self.loss == "poisson":
            return "exp", HalfPoissonDeviance(reduction="none"), 1.0
        return "identity", nn.MSELoss(reduction="none"), 0.5

    def _reported(self, loss: float) -> float:
        return loss / self.n_outputs_ if self.loss == "squared_error" else loss

    def _predict(self, X: Any) -> np.ndarray:
        z = self._outputs(X)
        y = np.exp(z) if self.out_activation_ == "exp" else z
        return y.ravel() if self.n_outputs_ == 1 else y

    def _score(self, X: Any, y: np.ndarray, weight: np.ndarray | None) -> float:
        prediction = self._predict(X)
        return r2_score(y, prediction, sample_weight=weight) if np.isfinite(prediction).all() else np.nan


class HalfPoissonDeviance(nn.PoissonNLLLoss):
    """The Poisson loss, shifted so that it is 0 for a perfect prediction.

        l_i = t_i log t_i - t_i - (t_i x_i - exp(x_i)),        0 log 0 = 0

    Backward  PoissonNLLLoss's: the shift depends on the target alone.
    """

    def forward(self, x: np.ndarray, target: np.ndarray) -> Any:
        losses = super().forward(x, target)
        return losses + (target * np.log(np.where(target > 0, target, 1)) - target)
