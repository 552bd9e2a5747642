"""What is assigned to a fitted estimator counts, as in scikit-learn, or is refused; nothing is forgotten."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier, MLPRegressor

from experiments.estimators import ScratchMLPClassifier, ScratchMLPRegressor
from scratch import nn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = X[:, 0] > 0
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SETTINGS = {"hidden_layer_sizes": (5, 3), "max_iter": 3, "random_state": 0}


def fitted(kind=ScratchMLPClassifier, **options):
    target = X[:, 0] if issubclass(kind, MLPRegressor | ScratchMLPRegressor) else Y
    return kind(**(SETTINGS | options)).fit(X, target)


def entries(model):
    model.coefs_[0] = np.arange(20.0).reshape(4, 5) / 10
    model.coefs_[-1] = np.array([[1.0], [2.0], [3.0]])
    model.intercepts_[1] = np.ones(3)


def whole_lists(model):
    model.coefs_ = [np.cos(np.arange(w.size)).reshape(w.shape) for w in model.coefs_]
    model.intercepts_ = [np.sin(np.arange(b.size)) for b in model.intercepts_]


def slices(model):
    whole_lists(model)
    model.coefs_[1:] = [np.ones((5, 3)), np.ones((3, 1))]


def in_place(model):
    whole_lists(model)
    model.coefs_[0] *= 2
    model.coefs_[1][...] = 0.5
    model.intercepts_[0] -= 1


def a_list_that_was_kept(model):
    whole_lists(model)
    kept = model.coefs_
    kept[0] = np.ones((4, 5))


def other_activation(model):
    whole_lists(model)
    model.set_params(activation="tanh")


def all_of_them(model):
    whole_lists(model)
    model.activation = "logistic"
    entries(model)


CHANGES = [entries, whole_lists, slices, in_place, a_list_that_was_kept, other_activation, all_of_them]


@pytest.mark.parametrize("kind", [(ScratchMLPClassifier, MLPClassifier), (ScratchMLPRegressor, MLPRegressor)])
@pytest.mark.parametrize("change", CHANGES)
def test_predictions_are_scikit_learns(change, kind):
    ours, theirs = map(fitted, kind)
    for model in (ours, theirs):
        whole_lists(model)
        change(model)
    predict = "predict_proba" if kind[0] is ScratchMLPClassifier else "predict"
    np.testing.assert_allclose(getattr(ours, predict)(X), getattr(theirs, predict)(X), rtol=1e-12, atol=1e-12)


def test_training_goes_on_from_what_was_assigned():
    ours, theirs = (
        fitted(kind, solver="sgd", batch_size=60, shuffle=False) for kind in (ScratchMLPClassifier, MLPClassifier)
    )
    for model in (ours, theirs):
        model.set_params(warm_start=True, activation="tanh", max_iter=4)
        whole_lists(model)
        model.fit(X, Y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-9)


def test_another_network_is_the_one_that_predicts_and_learns():
    model = fitted(hidden_layer_sizes=(5,))
    network = nn.Sequential(nn.Linear(4, 5, dtype=np.float64), nn.ReLU(), nn.Linear(5, 1, dtype=np.float64))
    model.network_ = network
    before = network[0].weight.data.copy()
    assert np.array_equal(model.coefs_[0], before.T)
    model.partial_fit(X, Y)
    assert not np.array_equal(network[0].weight.data, before)


def test_a_float32_network_stays_one():
    model = ScratchMLPClassifier(**SETTINGS).fit(X.astype(np.float32), Y)
    model.coefs_[0] = np.ones((4, 5))
    assert model.coefs_[0].dtype == model.predict_proba(X).dtype == np.float32


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda m: setattr(m, "coefs_", m.coefs_[:2]), ValueError, "coefs_: 3 layers need as many arrays, got 2"),
        (lambda m: m.coefs_.__setitem__(0, np.ones((5, 4))), ValueError, r"coefs_\[0\].*\(4, 5\), got \(5, 4\)"),
        (lambda m: m.coefs_.__setitem__(0, 3.0), ValueError, r"got \(\)"),
        (lambda m: m.intercepts_.__setitem__(slice(1, 3), [np.ones(3), np.ones(2)]), ValueError, r"intercepts_\[2\]"),
        (lambda m: m.coefs_.append(np.ones((1, 1))), TypeError, "one array for each layer"),
        (lambda m: m.intercepts_.pop(), TypeError, "one array for each layer"),
        (lambda m: m.coefs_.__setitem__(7, 1), IndexError, "index out of range"),
        (lambda m: setattr(ScratchMLPClassifier(), "coefs_", []), AttributeError, "network_"),
    ],
)
def test_what_cannot_be_taken_is_refused(change, error, message):
    model = fitted()
    before = copy.deepcopy(model.coefs_ + model.intercepts_)
    with pytest.raises(error, match=message):
        change(model)
    assert all(map(np.array_equal, before, model.coefs_ + model.intercepts_))


FIXED = {"n_layers_": 3, "n_outputs_": 1, "out_activation_": "tanh"}


@pytest.mark.parametrize("name", FIXED)
@pytest.mark.parametrize("kind", [ScratchMLPClassifier, ScratchMLPRegressor])
def test_what_follows_from_the_network_cannot_be_assigned(kind, name):
    """MLPClassifier predicts otherwise after each of these; here they would have been forgotten."""
    model = fitted(kind)
    theirs = fitted(MLPClassifier if kind is ScratchMLPClassifier else MLPRegressor)
    assert getattr(model, name) == getattr(theirs, name)
    with pytest.raises(AttributeError, match=f"{name} follows from the network .* Assign network_, or set the"):
        setattr(model, name, FIXED[name])
    assert getattr(model, name) == getattr(theirs, name)
    assert not hasattr(kind(), name)


def test_another_loss_in_a_warm_start_is_refused():
    model = fitted(ScratchMLPRegressor, warm_start=True)
    before = copy.deepcopy(model.coefs_)
    model.set_params(loss="poisson")
    with pytest.raises(ValueError, match=r"ScratchMLPRegressor: it began with the output identity .*warm_start=False"):
        model.fit(X, np.abs(X[:, 0]))
    assert all(map(np.array_equal, before, model.coefs_))


def test_copies_of_the_list_are_lists_of_their_own():
    model = fitted()
    for twin in (copy.deepcopy(model.coefs_), pickle.loads(pickle.dumps(model.coefs_))):
        assert type(twin) is list
        twin[0][...] = 7
    assert not (model.coefs_[0] == 7).any()
