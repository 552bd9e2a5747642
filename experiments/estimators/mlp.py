"""ScratchMLP: fitting, by gradient descent or by L-BFGS."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight

import scratch
from experiments.estimators.perceptron import Perceptron
from experiments.estimators.rules import AdamRule, Rule, SGDRule
from scratch.data import DataLoader, TensorDataset


class ScratchMLP(Perceptron):
    """A Perceptron that is fitted as MLPClassifier is, with its batches, schedules, stopping rules and warnings."""

    n_iter_: int  # epochs of the last fit
    loss_curve_: list[float]
    best_loss_: Any  # None with early_stopping
    validation_scores_: Any  # None without early_stopping, and so is best_validation_score_
    best_validation_score_: Any
    _stalled: int  # epochs in a row without progress
    _best: dict[str, np.ndarray]  # the weights of the best validation score

    def _score(self, X: Any, y: np.ndarray, weight: np.ndarray | None) -> float:
        """The score of validated data, NaN if predictions are not finite."""
        raise NotImplementedError(f"{type(self).__name__}: define _score(self, X, y, weight).")

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train up to `max_iter` epochs, from new weights unless `warm_start`.

        X (N, features), dense or sparse; y (N,) labels or numbers, or (N, outputs); sample_weight (N,).
        """
        return self._fit(X, y, sample_weight, incremental=False)

    def _can_step(self) -> bool:
        if self.solver == "lbfgs":
            raise AttributeError(
                f"{type(self).__name__}.partial_fit: takes one epoch of a stochastic solver, 'sgd' or 'adam'; "
                "'lbfgs' has none. Set solver, or call fit."
            )
        return True

    # --- fitting ------------------------------------------------------------------------------------------------------

    def _fit(self, X: Any, y: Any, sample_weight: Any, incremental: bool) -> Self:
        self._validate_params()
        if incremental and self.early_stopping:
            raise ValueError(
                f"{type(self).__name__}.partial_fit: early_stopping needs all epochs in one call. Call fit, or set "
                "early_stopping=False."
            )
        first = not hasattr(self, "network_") or not (self.warm_start or incremental)
        X, y = self._validated(X, y, first, incremental)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, dtype=X.dtype)
        if not incremental or first:
            self._generator = scratch.Generator().manual_seed(self._seed())
            self._rule: Rule | None = None
        if not first and self._task()[0] != self.out_activation_:
            raise ValueError(
                f"{type(self).__name__}: it began with the output {self.out_activation_} and its loss, and now has "
                f"another loss, with {self._task()[0]}. Set warm_start=False."
            )
        if first:
            self._initialize(X, y, self._generator)
            self.n_iter_ = self.t_ = 0
            self.loss_curve_ = []
        if first or self.early_stopping == (self.validation_scores_ is None):
            self._start_watching()
        train, held = (X, y, sample_weight), None
        with np.errstate(all="ignore"):  # an overflow leads to the error below
            if self.solver == "lbfgs":
                self._minimize(*train)
            else:
                if self.early_stopping:
                    train, held = self._hold_back(*train)
                self._descend(*train, held, incremental)
        if not all(np.isfinite(parameter.data).all() for parameter in self.network_.parameters()):
            raise ValueError(
                f"{type(self).__name__}: training ended in weights that are not finite. Scale the data, for example "
                f"with StandardScaler, or lower learning_rate_init={self.learning_rate_init}."
            )
        return self

    def _seed(self) -> int:
        """An integer seeds scratch's stream, and so names torch's; RandomState, and None for NumPy's own, give one."""
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31))

    # --- sgd and adam -------------------------------------------------------------------------------------------------

    def _descend(self, X: Any, y: np.ndarray, weight: np.ndarray | None, held: Any, incremental: bool) -> None:
        """Epoch after epoch until progress stalls; a single one if `incremental`."""
        if self._rule is None or self._rule.optimizer.param_groups[0]["params"] != self._parameters:
            self._rule = self._new_rule()
        rule = self._rule
        n, targets = X.shape[0], self._targets(y)
        loader = DataLoader(TensorDataset(np.arange(n)), self._batch_size(n), self.shuffle, generator=self._generator)
        self.n_iter_ = 0
        try:
            while self.n_iter_ < self.max_iter:
                self.n_iter_ += 1
                self.loss_ = self._epoch(rule, loader, X, targets, weight)
                self.loss_curve_.append(self.loss_)
                self.t_ += n
                self._say(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
                self._watch(held)
                rule.epoch_ends(self.t_)
                if self._stalled > self.n_iter_no_change:
                    self._say(f"No progress of more than tol={self.tol} in {self.n_iter_no_change} epochs.")
                    if not rule.slow_down():
                        break
                    self._say(f"Setting learning rate to {rule.lr:f}")
                    self._stalled = 0
                if incremental:
                    break
            else:
                warnings.warn(
                    f"{type(self).__name__}: max_iter={self.max_iter} epochs were not enough to converge. Raise "
                    "max_iter, or tol.",
                    ConvergenceWarning,
                    stacklevel=4,
                )
        except KeyboardInterrupt:
            warnings.warn(f"{type(self).__name__}: interrupted in epoch {self.n_iter_}.", stacklevel=4)
        if held is not None:
            self.network_.load_state_dict(self._best)

    def _epoch(self, rule: Rule, loader: DataLoader, X: Any, targets: np.ndarray, weight: np.ndarray | None) -> float:
        """One step per batch; the mean of L over the rows. A batch whose weights are all 0 is skipped."""
        total = 0.0
        for (rows,) in loader:
            w = None if weight is None else weight[rows]
            if w is None or w.any():
                rule.optimizer.zero_grad()
                total += len(rows) * self._objective(_dense(X[rows]), targets[rows], w)
                rule.step()
        return total / X.shape[0]

    def _start_watching(self) -> None:
        self._stalled = 0
        self._best = self._copied()
        self.best_loss_ = None if self.early_stopping else np.inf
        self.best_validation_score_ = -np.inf if self.early_stopping else None
        self.validation_scores_ = [] if self.early_stopping else None

    def _watch(self, held: Any) -> None:
        """Count the epochs in a row without progress: in the validation score if there is one, else in the loss."""
        if held is None:
            self._stalled = self._stalled + 1 if self.loss_ > self.best_loss_ - self.tol else 0
            self.best_loss_ = min(self.best_loss_, self.loss_)
            return
        score = self._score(*held)
        self.validation_scores_.append(score)
        self._say(f"Validation score: {score:f}")
        self._stalled = self._stalled + 1 if score < self.best_validation_score_ + self.tol else 0
        if score > self.best_validation_score_:
            self.best_validation_score_ = score
            self._best = self._copied()

    def _hold_back(self, X: Any, y: np.ndarray, weight: np.ndarray | None) -> tuple[Any, Any]:
        """Training and validation rows (X, y, weight); with two classes both keep their shares, as in MLPClassifier."""
        parts = [X, y] if weight is None else [X, y, weight]
        pieces = train_test_split(
            *parts,
            test_size=self.validation_fraction,
            random_state=int(scratch.randint(2**31, (), generator=self._generator)),
            stratify=y if is_classifier(self) and self.n_outputs_ == 1 else None,
        )
        if pieces[1].shape[0] < 2:
            raise ValueError(
                f"{type(self).__name__}: the validation set has {pieces[1].shape[0]} of {X.shape[0]} rows and needs 2. "
                f"Raise validation_fraction={self.validation_fraction}, or fit more data."
            )
        train, held = pieces[::2], pieces[1::2]
        return (train, held) if weight is not None else ([*train, None], [*held, None])

    def _new_rule(self) -> Rule:
        parameters, lr = list(self.network_.parameters()), float(self.learning_rate_init)
        if self.solver == "adam":
            return AdamRule(parameters, lr, self.beta_1, self.beta_2, self.epsilon)
        return SGDRule(parameters, lr, self.learning_rate, self.momentum, self.nesterovs_momentum, self.power_t)

    def _batch_size(self, n: int) -> int:
        if self.batch_size == "auto":
            return min(200, n)
        if int(self.batch_size) > n:
            warnings.warn(f"{type(self).__name__}: batch_size={self.batch_size} is cut to the {n} rows.", stacklevel=5)
        return min(int(self.batch_size), n)

    # --- lbfgs --------------------------------------------------------------------------------------------------------

    def _minimize(self, X: Any, y: np.ndarray, weight: np.ndarray | None) -> None:
        """L of all rows, by scratch.optim.LBFGS with the memory and the tolerances of SciPy's L-BFGS-B."""
        optimizer = scratch.optim.LBFGS(
            self.network_.parameters(),
            max_iter=self.max_iter,
            max_eval=self.max_fun,
            tolerance_grad=self.tol,
            tolerance_change=2.2e-9,
            history_size=10,
            line_search_fn="strong_wolfe",
        )
        x, targets = _dense(X), self._targets(y)

        def closure() -> float:
            optimizer.zero_grad()
            return self._objective(x, targets, weight)

        optimizer.step(closure)
        state = optimizer.state[optimizer.param_groups[0]["params"][0]]
        self.n_iter_, self.loss_ = state["n_iter"], closure()
        self.best_loss_ = self.loss_
        if self.n_iter_ >= self.max_iter or state["func_evals"] >= self.max_fun:
            warnings.warn(
                f"{type(self).__name__}: lbfgs did not converge in {self.n_iter_} iterations and {state['func_evals']} "
                "evaluations. Scale the data, or raise max_iter or max_fun.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _copied(self) -> dict[str, np.ndarray]:
        return {name: array.copy() for name, array in self.network_.state_dict().items()}

    def _say(self, text: str) -> None:
        if self.verbose:
            print(text)


def _dense(X: Any) -> np.ndarray:
    return X.toarray() if issparse(X) else X
