"""Perceptron: the parameters of MLPClassifier, the network they describe, and the objective."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from numbers import Integral
from typing import Any, ClassVar, NoReturn

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.neural_network import MLPClassifier
from sklearn.utils.validation import check_is_fitted, validate_data

import scratch
from experiments.estimators.views import Views
from scratch import nn

ACTIVATIONS = {"identity": nn.Identity, "logistic": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}
FLOATS = (np.float64, np.float32)
SPARSE_ROWS = 1024  # the number of rows of a sparse matrix that are made dense at once for a prediction


class Perceptron(BaseEstimator):
    """A multi-layer perceptron; the two estimators define the loss of a row and the meaning of the outputs.

        L = Σ_n w_n l_n / W + alpha / (2 W) Σ weight²        W = Σ_n w_n, over the rows of a batch; w_n = 1 if not given

    so alpha counts once for every batch, and biases are not shrunk. All attributes are those of MLPClassifier, and

    network_  the scratch.nn.Sequential that is trained; `coefs_` (in, out) and `intercepts_` are views of its weights,
              so est.coefs_[0] = w, est.coefs_[0][...] = w and est.coefs_ = [...] change the network.

    n_layers_, n_outputs_ and out_activation_ follow from the network and the loss; an assignment is refused.
    As in MLPClassifier, `activation` may be set at any time: the network uses it from the next call on.
    """

    _parameter_constraints: ClassVar[dict] = MLPClassifier._parameter_constraints

    def __init__(
        self,
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
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun

    # --- what an estimator defines ------------------------------------------------------------------------------------

    def _validated(self, X: Any, y: Any, first: bool, incremental: bool) -> tuple[Any, np.ndarray]:
        """X as floats, dense or CSR, and y as numbers (N, outputs). `first`: the fit starts anew."""
        raise NotImplementedError(f"{type(self).__name__}: define _validated(self, X, y, first, incremental).")

    def _task(self) -> tuple[str, nn.Module, float]:
        """The output activation's name, the loss of each row or number, and its factor in the objective."""
        raise NotImplementedError(f"{type(self).__name__}: define _task(self).")

    def _targets(self, y: np.ndarray) -> np.ndarray:
        """The target that the criterion compares with the network's output."""
        return y.astype(self._dtype, copy=False)

    def _reported(self, loss: float) -> float:
        """The factor of the objective without penalty in loss_ and loss_curve_."""
        return loss

    # --- what users see -----------------------------------------------------------------------------------------------

    @property
    def coefs_(self) -> list[np.ndarray]:
        return Views("coefs_", (weight.data.T for weight in self._parameters[::2]))

    @coefs_.setter
    def coefs_(self, arrays: Sequence[Any]) -> None:
        self.coefs_[:] = arrays

    @property
    def intercepts_(self) -> list[np.ndarray]:
        return Views("intercepts_", (bias.data for bias in self._parameters[1::2]))

    @intercepts_.setter
    def intercepts_(self, arrays: Sequence[Any]) -> None:
        self.intercepts_[:] = arrays

    @property
    def n_layers_(self) -> int:
        """The layers of units, those of the input and the output included."""
        return len(self._parameters) // 2 + 1

    @n_layers_.setter
    def n_layers_(self, value: Any) -> NoReturn:
        self._refuse("n_layers_")

    @property
    def n_outputs_(self) -> int:
        """The units of the output."""
        return self._parameters[-1].size

    @n_outputs_.setter
    def n_outputs_(self, value: Any) -> NoReturn:
        self._refuse("n_outputs_")

    @property
    def out_activation_(self) -> str:
        """The function of the output, which the loss decides."""
        return self._out_activation

    @out_activation_.setter
    def out_activation_(self, value: Any) -> NoReturn:
        self._refuse("out_activation_")

    def _refuse(self, name: str) -> NoReturn:
        raise AttributeError(
            f"{type(self).__name__}: {name} follows from the network and the loss, so it cannot be assigned. Assign "
            "network_, or set the parameters and fit again."
        )

    @property
    def _parameters(self) -> list[nn.Parameter]:
        """Weight and bias of one layer after another."""
        return list(self.network_.parameters())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    # --- the network --------------------------------------------------------------------------------------------------

    def _initialize(self, X: Any, y: np.ndarray, generator: scratch.Generator) -> None:
        """A new network. Its weights have MLPClassifier's distribution, Glorot's, drawn from torch's stream:
        weight and bias ~ U(-a, a) with a = sqrt(6 / (in + out)), for logistic sqrt(2 / (in + out)).
        """
        sizes = self.hidden_layer_sizes
        hidden = list(sizes if isinstance(sizes, Iterable) else [sizes])
        if not all(isinstance(size, Integral) for size in hidden):
            raise TypeError(f"{type(self).__name__}: hidden_layer_sizes must be whole numbers, got {hidden}.")
        if any(size <= 0 for size in hidden):
            raise ValueError(f"{type(self).__name__}: hidden_layer_sizes must be at least 1 each, got {hidden}.")
        self._dtype = X.dtype
        self._out_activation, self._criterion, self._scale = self._task()
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise([X.shape[1], *hidden, y.shape[1]]):
            linear = nn.Linear(fan_in, fan_out, dtype=self._dtype, generator=generator)
            layers += [linear, ACTIVATIONS[self.activation]()]
        self.network_ = nn.Sequential(*layers[:-1])
        self.network_.requires_input_grad_(False)
        gain = math.sqrt(1 / 3) if self.activation == "logistic" else 1.0
        for weight, bias in zip(self._parameters[::2], self._parameters[1::2], strict=True):
            bound = gain * math.sqrt(6 / sum(weight.shape))
            nn.init.xavier_uniform_(weight, gain, generator)
            nn.init.uniform_(bias, -bound, bound, generator)

    def _network(self) -> nn.Sequential:
        """The network with the current activation."""
        activation = ACTIVATIONS[self.activation]
        for i in range(1, len(self.network_), 2):
            if type(self.network_[i]) is not activation:
                setattr(self.network_, str(i), activation())
        return self.network_

    def _objective(self, x: np.ndarray, target: np.ndarray, weight: np.ndarray | None) -> float:
        """L of a batch. Its gradient is added into every Parameter.grad."""
        criterion, scale = self._criterion, self._scale
        total = len(x) if weight is None else float(weight.sum())
        losses = criterion(self._network()(x), target)
        dlosses = np.empty_like(losses)
        dlosses.T[...] = scale / total if weight is None else weight * (scale / total)
        self.network_.backward(criterion.backward(dlosses))
        loss = self._reported(float(np.vdot(losses, dlosses)))
        for parameter in self._parameters[::2]:
            w = parameter.data
            loss += self.alpha / (2 * total) * float(np.vdot(w, w))
            parameter.accumulate(w * (self.alpha / total))
        return loss

    def _outputs(self, X: Any) -> np.ndarray:
        """The network's output for validated rows."""
        network = self._network()
        with scratch.no_grad():
            if not issparse(X):
                return network(X)
            starts = range(0, X.shape[0], SPARSE_ROWS)
            return np.concatenate([network(X[i : i + SPARSE_ROWS].toarray()) for i in starts])

    def _rows(self, X: Any) -> Any:
        """X of a prediction, in the precision of the training."""
        check_is_fitted(self)
        return validate_data(self, X, accept_sparse="csr", dtype=self._dtype, reset=False)
