"""scikit-learn: what MLPClassifier and MLPRegressor compute, and how their solvers step."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from parity_tests.conventions.statement import Late, Table, which

TABLE = Table("scikit-learn")
shows = TABLE.shows
optimizers = Late("sklearn.neural_network._stochastic_optimizers")
networks = Late("sklearn.neural_network")
losses = Late("sklearn.neural_network._base")


def steps(optimizer: Any, params: list[np.ndarray], gradients: list[float]) -> list[float]:
    found = []
    for g in gradients:
        optimizer.update_params(params, [np.array([g])])
        found.append(float(params[0][0]))
    return found


@shows(
    "SGD keeps lr inside the velocity: v = m v - lr g.",
    "inside",
    "optim.SGD",
    causes=("sgd-lr-inside: inside the velocity",),
)
def lr_inside_the_velocity() -> Any:
    params = [np.zeros(1)]
    optimizer = optimizers.SGDOptimizer(params, 1.0, momentum=0.9, nesterov=False)
    steps(optimizer, params, [1.0])
    optimizer.learning_rate = 0.1
    last = steps(optimizer, params, [1.0])[-1]
    return which(last, outside=-(1 + 0.1 * 1.9), inside=-(1 + 0.9 + 0.1))


@shows("SGD uses Nesterov's momentum by default, torch's does not.", [True, 0.9], "optim.SGD")
def nesterov_by_default() -> Any:
    network = networks.MLPClassifier()
    return [network.nesterovs_momentum, network.momentum]


@shows(
    "Adam adds epsilon to the uncorrected root (epsilon-hat), 1e-8 by default.",
    ["hat", 1e-8],
    "optim.Adam",
    causes=("adam-eps-hat",),
)
def adam_epsilon() -> Any:
    params = [np.zeros(1)]
    (p,) = steps(optimizers.AdamOptimizer(params, 1.0, epsilon=1e-4), params, [1e-4])
    g, root = 1e-4, np.sqrt(1 - 0.999)
    return [which(p, outside=-g / (g + 1e-4), hat=-g / (g + 1e-4 / root)), networks.MLPClassifier().epsilon]


@shows("MLPRegressor's loss has a factor 1/2.", 2.0, "nn.MSELoss")
def half_the_squares() -> Any:
    y, p = np.full((3, 1), 2.0), np.zeros((3, 1))
    loss = losses.LOSS_FUNCTIONS["squared_error"]
    return float(loss(y, p))


@shows("alpha adds alpha/2 |W|² / n to the loss of a batch: of weights, not of biases.", [True, True], "optim.SGD")
def penalty() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x, y = np.array([[1.0], [2.0]]), np.array([0.0, 0.0])
        network = networks.MLPRegressor(
            hidden_layer_sizes=(1,),
            alpha=3.0,
            max_iter=1,
            solver="sgd",
            batch_size=2,
            learning_rate_init=1e-12,
            random_state=0,
        )
        network.fit(x, y)
    weights = sum(float((w**2).sum()) for w in network.coefs_)
    plain = 0.5 * float((network.predict(x) ** 2).mean())
    with_biases = weights + sum(float((b**2).sum()) for b in network.intercepts_)
    loss = network.loss_
    return [bool(np.isclose(loss, plain + 3 / 4 * weights)), not bool(np.isclose(loss, plain + 3 / 4 * with_biases))]


@shows(
    "Weights start Glorot uniform, biases too; the factor is 2 instead of 6 for the logistic activation.",
    [[0.1732, 0.1727], [0.1, 0.0997]],
    "nn.init.xavier_* nn.Linear",
)
def initial_weights() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = []
        for activation in ("relu", "logistic"):
            network = networks.MLPRegressor(
                hidden_layer_sizes=(100,),
                activation=activation,
                max_iter=1,
                solver="sgd",
                learning_rate_init=1e-12,
                random_state=0,
            )
            network.fit(np.zeros((2, 100)), np.zeros(2))
            found.append([round(float(np.abs(p[0]).max()), 4) for p in (network.coefs_, network.intercepts_)])
    return found


@shows("A weight is (in, out).", [2, 5], "nn.Linear")
def weight_shape() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = networks.MLPRegressor(hidden_layer_sizes=(5,), max_iter=1).fit(np.zeros((2, 2)), np.zeros(2))
    return list(network.coefs_[0].shape)


@shows(
    "loss_ of an MLP holds the L2 term once for every minibatch, alpha/2 |W|² over the rows of the minibatch: with "
    "half as many rows in each it is twice as large.",
    2.0,
    "nn.MSELoss",
)
def penalty_in_the_loss() -> Any:
    x, y, found = np.zeros((8, 1)), np.zeros(8), []
    for rows in (8, 4):
        losses = []
        for alpha in (0.0, 1.0):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                options = {"solver": "sgd", "learning_rate_init": 1e-12, "max_iter": 1, "random_state": 0}
                network = networks.MLPRegressor(hidden_layer_sizes=(3,), alpha=alpha, batch_size=rows, **options)
                losses.append(network.fit(x, y).loss_)
        found.append(losses[1] - losses[0])
    return found[1] / found[0]
