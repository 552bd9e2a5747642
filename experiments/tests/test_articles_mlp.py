"""The replays of digits-mlp, tree-age, toy-16 and mnist-mlp: run at reduced length, and tampered with."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scratch
from experiments.articles import article, digits_mlp, keras_calls, mnist_mlp, replay, toy_16
from experiments.articles.digits_mlp import errata, training, worked_example
from experiments.articles.tree_age import one_step, stopping
from experiments.articles.twin import SCRATCH, TWINS
from experiments.training import data


def small_mnist(folder: Any = None) -> data.ImageData:
    """The digits, enlarged to 28 by 28 bytes."""
    loaded = data.digits()

    def enlarged(part: data.Part, n: int) -> data.Part:
        large = np.kron(part.images[:n], np.ones((3, 3)))
        return data.Part(np.pad(large * 255 / 16, ((0, 0), (2, 2), (2, 2))).astype(np.uint8), part.labels[:n])

    return data.ImageData(enlarged(loaded.train, 400), enlarged(loaded.test, 100))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with replay.one_thread():
        yield


SHORT: dict[str, dict[str, int]] = {
    "digits-mlp": {"epochs": 20, "framework_epochs": 2, "remedy_epochs": 8},
    "tree-age": {"iterations": 60},
    "toy-16": {"steps": 500},
    "mnist-mlp": {"epochs": 1},
}
OPEN = {  # what needs the full length to be judged
    "digits-mlp": {
        "64 ReLU, Adam, batches of 32: test accuracy",
        "grid search: trained anew, accuracy on the test set",
        "its accuracy on the untouched test set",
        *(f"{name}: test accuracy" for name in digits_mlp.listing.RANGES if name != "log loss, gradient as printed"),
    },
    "tree-age": set(),
    "toy-16": {f"of 20 starts, at 100 % validation and test: {name}" for name in (toy_16.RIGHT, toy_16.PRINTED)},
    "mnist-mlp": {"test accuracy after 1 epochs"},
}


@pytest.mark.parametrize("name", SHORT)
def test_a_replay(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "mnist", small_mnist)
    monkeypatch.setattr(stopping, "SHORT", 60)
    monkeypatch.setattr(mnist_mlp, "FIRST_STEPS", 10)
    said: list[str] = []
    found = article(name).run(tmp_path, None, said.append, **SHORT[name])
    assert (found.name, found.source) == (name, article(name).source)
    assert all(figure.part for figure in found.figures) or name == "toy-16"
    assert said
    assert [check.what for check in found.checks if not check.ok] == []
    wrong = {figure.what for figure in found.figures if figure.ok is False}
    assert {what for what in wrong if "test loss after" not in what} <= OPEN[name]
    assert found.claim
    assert found.notes
    for path, caption in found.plots:
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.parent == tmp_path
        assert caption
    assert json.loads(json.dumps(found.as_dict()))["plots"]


# --- digits-mlp -------------------------------------------------------------------------------------------------------


def verdicts() -> dict[str, bool]:
    rng = np.random.default_rng(0)
    return {check.what: check.ok for check in errata.checks(rng.normal(size=(5, 10)), rng.integers(0, 10, 5))}


@pytest.mark.parametrize("name", ["mse_gradient", "log_loss_gradient"])
def test_a_formula_as_printed_is_caught_wherever_it_stands(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    what = name.removesuffix("_gradient").replace("_", " ")
    assert all(verdicts().values())
    right, printed = getattr(errata, name), getattr(errata, f"{name}_as_printed")
    monkeypatch.setattr(errata, name, printed)
    assert verdicts()[what] is False
    monkeypatch.setattr(errata, name, right)
    monkeypatch.setattr(errata, f"{name}_as_printed", right)  # a mistake that is none must not count as caught
    assert verdicts()[f"{what} as printed"] is False


def test_the_categorical_loss_as_printed_is_the_mean_over_classes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errata, "categorical_as_printed", errata.categorical)
    assert verdicts()["categorical cross-entropy as printed"] is False


def test_what_is_printed_for_mse_is_ten_times_the_gradient_of_the_log_loss() -> None:
    z = np.random.default_rng(0).normal(size=(5, 10))
    y = np.eye(10)[[3, 1, 4, 1, 5]]
    np.testing.assert_allclose(errata.mse_gradient_as_printed(z, y), 10 * errata.log_loss_gradient(z, y), rtol=1e-14)


def test_the_worked_example_sees_a_wrong_backward(monkeypatch: pytest.MonkeyPatch) -> None:
    figures, _ = worked_example.EXAMPLE.findings("")
    assert all(figure.ok for figure in figures)
    right = scratch.nn.ReLU.backward
    monkeypatch.setattr(scratch.nn.ReLU, "backward", lambda self, dy: right(self, dy) + 0.5 * dy)
    wrong = {figure.what.partition(" = ")[0] for figure in worked_example.EXAMPLE.findings("")[0] if not figure.ok}
    assert wrong >= {"dL/dz1", "dL/dw11", "dL/dx1", "new w11", "L with the new weights"}
    assert not wrong & {"dL/da3", "dL/dz3", "dL/dw31", "dL/da1", "new w31", "a3"}


def test_early_stopping_returns_to_the_best_epoch() -> None:
    train, test = training.digits()
    few = training.Part(*(a[:60] for a in train))
    for twin in TWINS:
        twin.manual_seed(0)
        nn = twin.lib.nn
        net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
        criterion, optimizer = nn.CrossEntropyLoss(), twin.lib.optim.Adam(net.parameters(), lr=0.05)
        found = training.fit(twin, net, criterion, optimizer, few, test, 60, 16, patience=3)
        assert len(found.train) == found.epochs + 3 < 60
        assert found.held_back[found.epochs - 1] == min(found.held_back)
        kept = twin.loss(net, criterion, twin.tensor(test.x), twin.tensor(test.labels))
        assert kept == pytest.approx(min(found.held_back), rel=1e-6)


# --- tree-age ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "first"), [({"lr": 0.04}, True), ({"start": one_step.EXAMPLE.start | {"c": np.array([0.1])}}, False)]
)
def test_the_first_step_is_the_texts(other: dict[str, Any], first: bool) -> None:
    assert all(figure.ok for figure in one_step.EXAMPLE.findings("")[0])
    rows = {figure.what: figure.verdict for figure in replace(one_step.EXAMPLE, **other).findings("")[0]}
    assert rows["YPrediction with the new weights"] == "FAILED"
    assert (rows["YPrediction = w5 H1 + w6 H2 + b3"] == "ok") == first


def test_the_weights_of_the_first_step_are_one_of_many_that_fit() -> None:
    sets = [*one_step.fitting()]
    assert len(sets) == 76
    assert sum(all((one[k] == one_step.EXAMPLE.start[k]).all() for k in one) for one in sets) == 1
    assert len({str(one) for one in sets}) == 76
    assert [*one_step.fitting(lr=0.04)] == []


def test_every_weight_of_a_worked_example_has_a_row() -> None:
    for example in (one_step.EXAMPLE, worked_example.EXAMPLE):
        rows = [row.what for row in example.findings("")[0]]
        names = [name for key in ("W", "b", "V", "c") for name in example.names[key]]
        for start in ("", "dL/d", "new "):
            assert [n for n in names if not any(row.partition(" = ")[0] == start + n for row in rows)] == []
        assert {*example.quoted} <= {*rows}


def test_rules_stop_where_they_say() -> None:
    curve = stopping.Curve([4 - i for i in range(4)] + [0.97 - 0.01 * i for i in range(30)], [1.0] * 20 + [*range(14)])
    slow, good, overfitting, most = (stopping.stop(rule, curve) for rule in stopping.RULES.values())
    decrease = np.diff(curve.train)
    assert -decrease[slow - 10 : slow].mean() < 0.05 <= -decrease[slow - 11 : slow - 1].mean()
    assert good == most == 33  # never as good as 0.4: the end
    assert overfitting == 30  # ten rises in a row, the first at 21


# --- toy-16 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "by"), [("pulled", "pulled_as_printed"), ("pulled_as_printed", "pulled")])
def test_the_gradients_cannot_be_taken_for_each_other(name: str, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(check.ok for check in toy_16.checks())
    monkeypatch.setattr(toy_16, name, getattr(toy_16, by))
    wrong = [check.what for check in toy_16.checks() if not check.ok]
    assert wrong == ["p - onehot(label)" if name == "pulled" else "the gradient as printed"]


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
def test_starts_train_side_by_side_as_one_would_alone(twin: Any) -> None:
    together = toy_16.train(twin, toy_16.pulled, 40).weights
    np.testing.assert_allclose(toy_16.by_layers(twin, 40), together[0], rtol=1e-5, atol=1e-6)
    assert toy_16.error_of_one(twin) == "IndexError"


def test_the_printed_gradient_pulls_two_rows_to_every_label() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (3, 4))
    for start, pulls in zip(labels, toy_16.pulled_as_printed(np.eye(2)[labels]), strict=True):
        expected = np.zeros((4, 2))
        for row in (0, 1):
            for label in {*start}:
                expected[row, label] = 1
        np.testing.assert_array_equal(pulls, expected)


def test_batches_without_replacement_hold_four_different_points() -> None:
    numbers = toy_16.drawn(SCRATCH, 50, 4, False)
    assert all(len({*batch}) == 4 for step in numbers for batch in step)
    assert any(len({*batch}) < 4 for step in toy_16.drawn(SCRATCH, 50, 4, True) for batch in step)
    assert {*numbers.ravel()} == {*range(8)}


# --- mnist-mlp --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Sigmoid", "Tanh", "ReLU", "Softmax"])
def test_activations_are_checked_against_their_formulas(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layer: Any = getattr(scratch.nn, name)
    right: Callable[..., np.ndarray] = layer.backward
    monkeypatch.setattr(layer, "backward", lambda self, dy: 1.01 * right(self, dy))
    wrong = [check.what for check in mnist_mlp.activation_checks(SCRATCH) if not check.ok]
    assert wrong == [f"backward of {name}, scratch"]


def test_pixels_are_between_0_and_1() -> None:
    rows = mnist_mlp.pixels(data.Part(np.arange(256, dtype=np.uint8).repeat(49).reshape(16, 28, 28), np.zeros(16)))
    assert rows.images.dtype == np.float32
    assert rows.images.shape == (16, 784)
    assert (rows.images.min(), rows.images.max()) == (0, 1)


def test_the_remedy_is_chosen_by_validation_and_judged_by_the_test_set() -> None:
    def both(validation: float, test: float) -> dict[str, training.Training]:
        return {e: training.Training(accuracy=validation, test_accuracy=test) for e in ("scratch", "torch")}

    name, validation, fair = digits_mlp.remedies.chosen({"a": both(0.8, 0.9), "b": both(0.9, 0.85)})
    assert (name.scratch, validation.scratch, fair.scratch, fair.ok) == ("b", "90.00%", "85.00%", True)
    assert digits_mlp.remedies.chosen({"b": both(0.9, 0.5)})[2].ok is False


@pytest.mark.parametrize("calls", [keras_calls.DIGITS, keras_calls.MNIST])
def test_every_keras_call_has_its_twin_on_both_engines(calls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = keras_calls.rows(calls, "a heading")
    assert len(rows) == len(calls) + 4
    assert all(row.scratch and row.torch for row in rows)
    assert [row.what for row in rows if row.ok is False] == []
    monkeypatch.setattr(keras_calls, "keras_adam", lambda twin, parameters: twin.lib.optim.Adam(parameters))
    monkeypatch.setattr(scratch.nn.init, "xavier_uniform_", scratch.nn.init.xavier_normal_)
    wrong = [row.what for row in keras_calls.rows(calls, "a heading") if row.ok is False]
    assert len(wrong) == 2
    assert "first step of Adam" in wrong[1]


# --- the listings -----------------------------------------------------------------------------------------------------


def test_the_printed_log_loss_ends_in_its_second_epoch_and_the_repaired_one_does_not() -> None:
    train, test = training.digits()
    loss = digits_mlp.listing.LOSSES["log loss"]
    for twin in TWINS:
        printed = loss.train_as_printed(twin, train, test, 5)
        assert printed.epochs == 2
        assert np.isnan(printed.train[-1])
        assert printed.accuracy == (test.labels == 0).mean()
        assert np.isfinite(loss.train(twin, train, test, 3, lr=10).train).all()


def test_the_printed_gradient_of_mse_is_taken_as_printed() -> None:
    """One step on both engines, beside the text's formulas in NumPy."""
    few = training.Part(*(a[:30] for a in training.digits()[0]))
    loss = digits_mlp.listing.LOSSES["mse"]
    for twin in TWINS:
        twin.manual_seed(digits_mlp.listing.SEED)
        net = loss.network(twin)
        w1, _, w2, _ = (twin.array(p).astype(float) for p in net.parameters())
        a1 = errata.sigmoid(few.x @ w1.T)
        a2 = errata.sigmoid(a1 @ w2.T)
        dz2 = (a2 - few.onehot) / 30
        new2 = w2 - digits_mlp.listing.LR * dz2.T @ a1
        new1 = w1 - digits_mlp.listing.LR * (dz2 @ w2 * a1 * (1 - a1)).T @ few.x
        b1, b2 = ((-digits_mlp.listing.LR * d).sum(0) for d in (dz2 @ w2 * a1 * (1 - a1), dz2))
        after = errata.sigmoid(errata.sigmoid(few.x @ new1.T + b1) @ new2.T + b2)
        losses = loss.train_as_printed(twin, few, few, 1)
        assert losses.held_back[0] == pytest.approx(np.mean((after - few.onehot) ** 2), rel=1e-5)


def test_the_encoder_as_printed_is_refused() -> None:
    printed, repaired = digits_mlp.listing.encoder_figures(np.arange(10))
    assert (printed.scratch, printed.verdict, repaired.verdict) == ("TypeError", "caught", "ok")


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
def test_one_tree_at_a_time_stops_when_two_losses_lie_close_together(
    twin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = stopping.one_by_one(twin, 0)
    assert found.change > stopping.THRESHOLD
    assert found.mean_loss > found.least
    monkeypatch.setattr(stopping, "THRESHOLD", 10.0)
    assert stopping.one_by_one(twin, 0).stop == 2
