"""ScratchMLPClassifier and ScratchMLPRegressor against scikit-learn: its own checks, its curves, its errors."""

import inspect
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
import sklearn.neural_network._multilayer_perceptron as theirs
from scipy.sparse import csc_array, csr_matrix
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.multiclass import unique_labels

import scratch
from experiments.estimators import ScratchMLPClassifier, ScratchMLPRegressor, mlp, side_by_side

LIMIT = 1e-12  # relative, as for every float64 training of two engines
N = 97
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 5))
Z = X @ RNG.normal(size=(5, 3)) + 0.3 * RNG.normal(size=(N, 3))
WEIGHT = RNG.uniform(0, 2, N)
CLASSES = np.array(["ant", "bee", "cat"])[Z.argmax(1)]
# name: ours, theirs, targets, sample weights, parameters
TASKS = {
    "two classes": (ScratchMLPClassifier, MLPClassifier, Z[:, 0] > 0, WEIGHT, {}),
    "classes": (ScratchMLPClassifier, MLPClassifier, CLASSES, None, {}),
    "labels": (ScratchMLPClassifier, MLPClassifier, (Z > 0).astype(int), WEIGHT, {}),
    "number": (ScratchMLPRegressor, MLPRegressor, Z[:, 0], None, {}),
    "numbers": (ScratchMLPRegressor, MLPRegressor, Z, WEIGHT, {}),
    "counts": (ScratchMLPRegressor, MLPRegressor, np.floor(np.exp(Z / 3)), WEIGHT, {"loss": "poisson"}),
}
SGD = {"solver": "sgd", "batch_size": 20, "learning_rate_init": 0.01, "alpha": 0.01}
ADAPTIVE = {**SGD, "learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 2}
SETTINGS = {
    "adam": {},
    "adam, tanh": {"activation": "tanh", "batch_size": 32, "beta_1": 0, "alpha": 1},
    "adam, large epsilon": {"activation": "logistic", "batch_size": 32, "epsilon": 1e-3},
    "adam until tol": {"tol": 0.02, "batch_size": 20, "n_iter_no_change": 2, "learning_rate_init": 0.01},
    "two hidden layers": {"hidden_layer_sizes": (7, 6), "activation": "identity", "batch_size": 20},
    "sgd": {**SGD, "momentum": 0},
    "sgd, momentum": {**SGD, "nesterovs_momentum": False},
    "sgd, nesterov": SGD,
    "sgd, invscaling": {**SGD, "learning_rate": "invscaling", "power_t": 0.3},
    "sgd, adaptive": {**ADAPTIVE, "nesterovs_momentum": False},
    "sgd, adaptive, nesterov": ADAPTIVE,
}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@parametrize_with_checks(
    [
        ScratchMLPClassifier(max_iter=100),
        ScratchMLPRegressor(max_iter=100),
        ScratchMLPClassifier(solver="lbfgs", max_iter=100),
        ScratchMLPRegressor(solver="sgd", max_iter=100),
    ]
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(("ours", "their"), [task[:2] for task in TASKS.values()])
def test_names_order_and_defaults(ours, their):
    def parameters(call):
        return [(p.name, p.default, p.kind) for p in inspect.signature(call).parameters.values()]

    for method in (name for name, value in vars(their).items() if callable(value) and not name.startswith("__")):
        if not method.startswith("_"):
            assert parameters(getattr(ours, method)) == parameters(getattr(their, method)), method
    assert parameters(ours) == parameters(their)
    assert parameters(ours.fit) == parameters(their.fit)


# --- the numbers ------------------------------------------------------------------------------------------------------


def twins(task, **settings):
    """Ours and theirs with the same weights, ready to be fitted, and their data."""
    ours, their, y, weight, extra = TASKS[task]
    data = (X, y) if weight is None else (X, y, weight)
    models = [
        kind(max_iter=1, warm_start=True, shuffle=False, random_state=0, **extra, **settings).fit(*data)
        for kind in (ours, their)
    ]
    for mine, other in zip(*(model.coefs_ + model.intercepts_ for model in models), strict=True):
        mine[...] = other
    for model in models:
        model.loss_curve_.clear()
        model.best_loss_ = None if model.early_stopping else np.inf
        model.set_params(max_iter=40)
    return *models, data


def apart(a, b):
    return np.abs(np.subtract(a, b)).max() / np.abs(b).max()


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("task", TASKS)
def test_same_curve_as_scikit_learn(task, settings):
    """From the same weights and batches: every loss, the weights, the predictions, and when it stops."""
    ours, their, data = twins(task, **SETTINGS[settings])
    for model in (ours, their):
        model.fit(*data)
    assert len(their.loss_curve_) >= 5
    assert len(ours.loss_curve_) == len(their.loss_curve_)
    assert apart(ours.loss_curve_, their.loss_curve_) < LIMIT
    assert (ours.n_iter_, ours.t_, ours.out_activation_) == (their.n_iter_, their.t_, their.out_activation_)
    assert (ours.n_layers_, ours.n_outputs_) == (their.n_layers_, their.n_outputs_)
    assert abs(ours.best_loss_ - their.best_loss_) <= LIMIT * their.best_loss_
    for mine, other in zip(ours.coefs_ + ours.intercepts_, their.coefs_ + their.intercepts_, strict=True):
        assert apart(mine, other) < LIMIT
    if isinstance(their, MLPClassifier):
        assert np.array_equal(ours.predict(X), their.predict(X))
        assert np.array_equal(ours.classes_, their.classes_)
        assert apart(ours.predict_proba(X), their.predict_proba(X)) < LIMIT
        assert apart(np.exp(ours.predict_log_proba(X)), their.predict_proba(X)) < LIMIT
    else:
        assert apart(ours.predict(X), their.predict(X)) < LIMIT


@pytest.mark.parametrize("task", TASKS)
def test_same_early_stopping_as_scikit_learn(task, monkeypatch):
    """With the same rows held back: the scores, when it stops, and the weights that it goes back to."""
    calls = []

    def split(*arrays, random_state, **options):
        calls.append(options["stratify"] is not None)
        return train_test_split(*arrays, random_state=0, **options)

    monkeypatch.setattr(mlp, "train_test_split", split)
    monkeypatch.setattr(theirs, "train_test_split", split)
    ours, their, data = twins(task, early_stopping=True, batch_size=20, learning_rate_init=0.01, n_iter_no_change=4)
    for model in (ours, their):
        model.validation_scores_.clear()
        model.best_validation_score_ = -np.inf
        model.fit(*data)
    assert calls[::2] == calls[1::2]
    assert len(ours.validation_scores_) == len(their.validation_scores_)
    assert apart(ours.validation_scores_, their.validation_scores_) < LIMIT
    assert ours.best_validation_score_ == pytest.approx(their.best_validation_score_, rel=LIMIT)
    assert ours.best_loss_ is their.best_loss_ is None
    for mine, other in zip(ours.coefs_, their.coefs_, strict=True):
        assert apart(mine, other) < LIMIT


def test_same_weights_and_batches_as_torch(capsys):
    """From one seed, nothing copied: an ordinary torch training has the same losses."""
    result = side_by_side(seeds=[3, 4], epochs=4, dtype="float64")
    assert result.largest_difference < LIMIT
    sklearn, ours, torch = result.engines
    assert ours.accuracies == torch.accuracies
    assert all(fit.losses[-1] < fit.losses[0] for engine in result.engines for fit in engine.fits)
    assert all(engine.seconds > 0 and len(engine.ratios) == 2 for engine in result.engines)
    assert sklearn.ratios == [1, 1]
    assert result.as_dict()["engines"][1]["fits"][0]["accuracy"] == ours.accuracies[0]
    assert "ScratchMLPClassifier" in capsys.readouterr().out


def test_lbfgs_finds_the_minimum():
    """Without hidden layers the objective is convex: it is that of LogisticRegression(C=1 / alpha)."""
    ours = ScratchMLPClassifier((), solver="lbfgs", alpha=1.0, tol=1e-8, max_iter=1000).fit(X, CLASSES, WEIGHT)
    best = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(X, CLASSES, WEIGHT)
    p = best.predict_proba(X)[np.arange(N), np.searchsorted(best.classes_, CLASSES)]
    least = (WEIGHT @ -np.log(p) + (best.coef_**2).sum() / 2) / WEIGHT.sum()
    assert least <= ours.loss_ * (1 + LIMIT)
    assert ours.loss_ - least < 1e-7  # it stops when a step gains less than 2.2e-9, where several are still left
    # W (L - least) >= alpha / 2 |weights - best weights|²
    assert np.square(ours.coefs_[0].T - best.coef_).sum() <= 2 * WEIGHT.sum() * (ours.loss_ - least)


@pytest.mark.parametrize("task", TASKS)
def test_lbfgs_fits_like_scikit_learn(task):
    ours, their, y, weight, extra = TASKS[task]
    data = (X, y) if weight is None else (X, y, weight)
    mine, other = (kind(solver="lbfgs", random_state=0, **extra).fit(*data) for kind in (ours, their))
    assert mine.score(*data) > 0.95
    assert mine.score(*data) == pytest.approx(other.score(*data), abs=0.05)


# --- the stand-in -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ScratchMLPClassifier, MLPClassifier])
def test_pipeline_and_grid_search(kind):
    model = make_pipeline(StandardScaler(), kind(max_iter=30, random_state=0, learning_rate_init=0.02))
    name = model.steps[-1][0]
    grid = {f"{name}__solver": ["sgd", "adam", "lbfgs"], f"{name}__hidden_layer_sizes": [(5,), (20,)]}
    search = GridSearchCV(model, grid, cv=3).fit(X, CLASSES)
    assert search.best_score_ > 0.85
    assert clone(search.best_estimator_).fit(X, CLASSES).score(X, CLASSES) > 0.9


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_partial_fit_goes_on_where_fit_would_be(task, solver):
    """Five calls, pickled on the way, are one fit of five epochs, to the bit; shuffled batches too."""
    kind, _, y, weight, extra = TASKS[task]
    options = {"solver": solver, "batch_size": 20, "learning_rate": "invscaling", "random_state": 1, **extra}
    options["learning_rate_init"] = 1e-3
    whole = kind(max_iter=5, **options).fit(X, y, weight)
    parts = kind(**options)
    named = {"classes": unique_labels(y)} if kind is ScratchMLPClassifier else {}
    parts.partial_fit(X, y, weight, **named)
    for epoch in range(4):
        parts = pickle.loads(pickle.dumps(parts)) if epoch % 2 else parts
        parts.partial_fit(X, y, weight)
    assert parts.loss_curve_ == whole.loss_curve_
    assert np.array_equal(parts.predict(X), whole.predict(X))
    assert (parts.n_iter_, whole.n_iter_, parts.t_) == (1, 5, whole.t_)


def test_partial_fit_of_batches_without_some_classes():
    model = ScratchMLPClassifier(random_state=0).partial_fit(X[:1], CLASSES[:1], classes=np.unique(CLASSES))
    assert model.predict_proba(X).shape == (N, 3)
    with pytest.raises(ValueError, match="Name all classes in the first partial_fit"):
        model.partial_fit(X[:2], ["ant", "dog"])


@pytest.mark.parametrize("sparse", [csr_matrix, csc_array])
def test_sparse_rows_are_dense_rows(sparse, monkeypatch):
    monkeypatch.setattr("experiments.estimators.perceptron.SPARSE_ROWS", 10)
    holes = np.where(np.abs(X) < 0.7, 0, X)
    for solver in ("adam", "lbfgs"):
        dense, model = (
            ScratchMLPClassifier(solver=solver, max_iter=3, batch_size=20, random_state=0).fit(x, CLASSES)
            for x in (holes, sparse(holes))
        )
        assert model.loss_curve_ == dense.loss_curve_
        assert model.loss_ == dense.loss_
        assert apart(model.predict_proba(sparse(holes)), dense.predict_proba(holes)) < LIMIT


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_single_precision_stays(task, solver):
    kind, _, y, weight, extra = TASKS[task]
    x = X.astype("f")
    model = kind(solver=solver, max_iter=20, random_state=0, **extra).fit(x, y, weight)
    assert {w.dtype for w in model.coefs_ + model.intercepts_} == {np.dtype("f")}
    methods = ["predict_proba", "predict_log_proba"] if kind is ScratchMLPClassifier else ["predict"]
    assert {getattr(model, method)(x).dtype for method in methods} == {np.dtype("f")}


def test_random_state():
    """An integer is the seed of scratch's stream; whatever is given, the global stream is left alone."""
    state = scratch.get_rng_state()
    first, again = (ScratchMLPClassifier(max_iter=2, random_state=5).fit(X, CLASSES) for _ in range(2))
    assert first.loss_curve_ == again.loss_curve_
    streams = [np.random.RandomState(5) for _ in range(2)]
    first, again, further = (
        ScratchMLPClassifier(max_iter=2, random_state=stream).fit(X, CLASSES) for stream in (*streams, streams[0])
    )
    assert first.loss_curve_ == again.loss_curve_ != further.loss_curve_
    assert np.array_equal(scratch.get_rng_state(), state)
    layer = scratch.nn.Linear(5, 100, dtype=float, generator=(generator := scratch.Generator().manual_seed(5)))
    scratch.nn.Linear(100, 3, dtype=float, generator=generator)
    scratch.nn.init.xavier_uniform_(layer.weight, generator=generator)
    untrained = ScratchMLPClassifier(max_iter=1, learning_rate_init=1e-300, random_state=5).fit(X, CLASSES)
    assert np.array_equal(untrained.coefs_[0], layer.weight.data.T)


@pytest.mark.parametrize("activation", ["logistic", "tanh"])
def test_initial_weights_have_the_distribution_of_scikit_learn(activation):
    """Uniform up to Glorot's bound, weights and biases: the two-sample distance of 30000 draws stays under 1.63/√n."""
    from scipy.stats import ks_2samp

    data = RNG.normal(size=(4, 150)), [0, 1, 0, 1]
    options = {"hidden_layer_sizes": (200,), "activation": activation, "learning_rate_init": 1e-300, "max_iter": 1}
    mine, other = (kind(random_state=0, **options).fit(*data) for kind in (ScratchMLPClassifier, MLPClassifier))
    for a, b in zip(mine.coefs_ + mine.intercepts_, other.coefs_ + other.intercepts_, strict=True):
        if b.size > 100:
            assert ks_2samp(a.ravel(), b.ravel()).pvalue > 0.01
            assert np.abs(a).max() <= np.abs(b).max() * 1.05


def test_warm_start_goes_on():
    model = ScratchMLPRegressor(max_iter=5, warm_start=True, random_state=0).fit(X, Z)
    before, network = model.loss_, model.network_
    model.fit(X, Z)
    assert model.network_ is network
    assert len(model.loss_curve_) == 10
    assert model.loss_ < before
    cold = model.set_params(warm_start=False).fit(X, Z)
    assert cold.network_ is not network
    assert len(cold.loss_curve_) == 5
    model.set_params(warm_start=True, early_stopping=True).fit(X, Z)  # it now watches something else
    assert len(model.validation_scores_) == 5
    assert model.best_loss_ is None


def test_a_batch_of_weight_zero_is_passed_over():
    weight = np.where(np.arange(N) < 20, 0.0, 1.0)
    options = {"batch_size": 20, "shuffle": False, "max_iter": 3, "random_state": 0}
    model = ScratchMLPRegressor(**options).fit(X, Z, weight)
    others = ScratchMLPRegressor(**options).fit(X[20:], Z[20:])
    assert np.array_equal(model.coefs_[0], others.coefs_[0])
    with pytest.raises(ZeroDivisionError):
        MLPRegressor(**options).fit(X, Z, weight)


def test_logarithms_of_probabilities_that_vanish():
    """Where scikit-learn's probability is 0 and its logarithm -inf, ours is the difference of the logits."""
    model = ScratchMLPClassifier((), solver="lbfgs", random_state=0).fit(X, CLASSES)
    p, logp = model.predict_proba(X * 1000), model.predict_log_proba(X * 1000)
    assert (p == 0).any()
    assert np.isfinite(logp).all()
    assert np.allclose(np.exp(logp), p)


def test_no_torch():
    """The training is scratch's: nothing imports torch."""
    code = """
import sys
from sklearn.datasets import load_iris
from experiments.estimators import ScratchMLPClassifier
model = ScratchMLPClassifier(max_iter=1, tol=9, n_iter_no_change=1).fit(*load_iris(return_X_y=True))
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


# --- what is refused --------------------------------------------------------------------------------------------------

REFUSED = {
    "alpha": {"alpha": -1},
    "solver": {"solver": "newton"},
    "activation": {"activation": "gelu"},
    "no layer": {"hidden_layer_sizes": (5, 0)},
    "half a unit": {"hidden_layer_sizes": (2.5,)},
    "batch_size": {"batch_size": 0},
    "seed": {"random_state": "zero"},
    "fraction": {"early_stopping": True, "validation_fraction": 1.0},
    "one row to validate": {"early_stopping": True, "validation_fraction": 0.005},
    "diverges": {"solver": "sgd", "learning_rate_init": 1e100, "activation": "identity", "alpha": 1e100},
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning:sklearn")
@pytest.mark.parametrize("refused", REFUSED)
def test_errors_of_the_same_class(refused):
    errors = []
    for kind in (ScratchMLPRegressor, MLPRegressor):
        with pytest.raises((ValueError, TypeError)) as caught, np.errstate(all="ignore"):
            kind(**REFUSED[refused]).fit(X, Z)
        errors.append(caught.value)
    ours, their = errors
    assert type(ours) is type(their)
    assert "MLP" in str(ours)


def test_errors_of_calls():
    with pytest.raises(ValueError, match="early_stopping needs all epochs"):
        ScratchMLPRegressor(early_stopping=True).partial_fit(X, Z)
    for kind in (ScratchMLPClassifier, ScratchMLPRegressor):
        assert not hasattr(kind(solver="lbfgs"), "partial_fit")
        with pytest.raises(AttributeError):
            kind(solver="lbfgs").partial_fit  # noqa: B018
    with pytest.raises(ValueError, match="needs y >= 0"):
        ScratchMLPRegressor("poisson").fit(X, Z)
    model = ScratchMLPClassifier(max_iter=1, warm_start=True).fit(X, CLASSES)
    with pytest.raises(ValueError, match="Set warm_start=False"):
        model.fit(X, Z[:, 0] > 0)


def test_warnings(capsys):
    with pytest.warns(UserWarning, match="batch_size=500 is cut to the 97 rows"):
        ScratchMLPClassifier(batch_size=500, max_iter=1, tol=10).fit(X, CLASSES)
    for solver in ("adam", "lbfgs"):
        with pytest.warns(ConvergenceWarning, match="max_iter"):
            ScratchMLPClassifier(solver=solver, max_iter=2).fit(X, CLASSES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = ScratchMLPClassifier(tol=10.0, n_iter_no_change=2, verbose=True).fit(X, CLASSES)
    assert model.n_iter_ == 4  # the first epoch is progress
    assert "Iteration 1, loss = " in capsys.readouterr().out
