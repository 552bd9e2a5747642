"""The foundations replayed: every part is right, and a wrong formula or a wrong backward is noticed."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import scratch
from experiments.articles.article import Replay
from experiments.articles.foundations import (
    ARTICLE,
    PARTS,
    activations,
    batches,
    boxcars,
    deltas,
    depth,
    graph,
    information,
    probability,
    ravine,
    unit,
    vanishing,
    xor,
)
from experiments.articles.foundations.evaluate import backward_checks
from experiments.articles.judge import drawn_around, equal_to, largest, same_bits
from experiments.articles.twin import SCRATCH, TORCH


def run(part: str, folder: Path) -> Replay:
    return ARTICLE.run(folder, parts=[part])


def wrong(found: Replay) -> list[str]:
    """What is judged wrong."""
    return [item.what for item in (*found.figures, *found.checks) if item.ok is False]


@pytest.mark.parametrize("part", PARTS)
def test_every_part_is_right_on_both_engines(part: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(vanishing, "STEPS", 40)
    monkeypatch.setattr(depth, "DEPTH", 10)
    monkeypatch.setattr(xor, "SEEDS", 1)
    found = run(part, tmp_path)
    assert found.figures
    assert all(row.part for row in (*found.figures, *found.checks))
    assert wrong(found) == []
    assert all(figure.scratch and figure.torch for figure in found.figures)
    names = [item.what for item in (*found.figures, *found.checks)]
    assert len(names) == len(set(names)), "two figures of one name cannot be told apart"
    for path, caption in found.plots:
        assert path.parent == tmp_path
        assert path.read_bytes().startswith(b"\x89PNG")
        assert caption


# --- the verdicts -----------------------------------------------------------------------------------------------------


def both(ours: float, theirs: float) -> dict[str, float]:
    return {"scratch": ours, "torch": theirs}


def test_a_formula_admits_roundings_and_nothing_else() -> None:
    assert equal_to("", 5.0, both(5.0, 5.0 + 1e-14)).ok
    for apart in (1e-9, -1e-9, float("nan")):
        assert equal_to("", 5.0, both(5.0, 5.0 + apart)).ok is False
        assert equal_to("", 5.0, both(5.0 + apart, 5.0)).ok is False
    assert equal_to("", 0.0, both(-1e-17, 0.0)).scratch == "0.0000"


def test_draws_may_be_four_standard_errors_away() -> None:
    assert drawn_around("", 1.0, both(1.39, 0.61), 0.1).ok
    assert drawn_around("", 1.0, both(1.41, 1.0), 0.1).ok is False


def test_the_last_bit_counts() -> None:
    x = np.ones(3, np.float32)
    assert same_bits("", {"scratch": x, "torch": x.copy()}).ok
    assert same_bits("", {"scratch": x, "torch": np.nextafter(x, 2)}).ok is False
    assert largest("", {"scratch": x - x, "torch": np.array([0.0, -1e-9])}, 1e-10).ok is False


# --- planted mistakes -------------------------------------------------------------------------------------------------


def test_a_forgotten_derivative_in_the_delta_form_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    layers, x, y = deltas.problem()
    right = deltas.delta_form(layers, x, y)
    assert all(check.ok for check in deltas.checks(layers, x, y, right))
    for number, gradient in enumerate(right):
        tampered = list(right)
        tampered[number] = (gradient[0] * 1.001, gradient[1])
        assert [check.ok for check in deltas.checks(layers, x, y, tampered)].index(False) == 2 * number


def test_a_wrong_local_derivative_in_the_graph_is_caught(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def sigmoid(name: str, z: graph.Node) -> graph.Node:
        y = 1 / (1 + np.exp(-z.value))
        return graph.Node(name, float(y), [(z, float(y))])

    monkeypatch.setattr(graph, "sigmoid", sigmoid)
    assert {"neuron: dC/dw1, graph beside layers", "neuron: every derivative of the graph"} <= {
        *wrong(run("graph", tmp_path))
    }


def test_a_wrong_formula_of_an_activation_is_caught(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    elu, selu = activations.ACTIVATIONS["ELU"], activations.ACTIVATIONS["SELU"]
    monkeypatch.setattr(
        activations,
        "ACTIVATIONS",
        {"ELU": replace(elu, derivative=elu.value), "SELU": replace(selu, value=elu.value), "again": elu},
    )
    assert wrong(run("activations", tmp_path)) == [
        "ELU: the same for the derivative",
        "SELU: largest difference from the formula",
    ]


def test_a_wrong_backward_of_an_engine_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(self: scratch.nn.Sigmoid, dy: np.ndarray) -> np.ndarray:
        return self.take(dy) * dy

    monkeypatch.setattr(scratch.nn.Sigmoid, "backward", forgetful)
    ours, theirs = backward_checks("sigmoid", lambda twin: twin.lib.nn.Sigmoid(), [0.5, -1.0])
    assert not ours.ok
    assert theirs.ok


def test_every_rule_goes_down_the_ravine_at_its_best_rate() -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        for rule, rate in ravine.RATES.items():
            reached = ravine.height(ravine.by_formula(rule))
            rates = {float(f"{lr:.2g}") for lr in np.geomspace(1e-3, 1, 120)}
            others = [ravine.height(ravine.by_formula(rule, lr)) for lr in rates]
            assert all(not other < reached for other in others), f"{rule} has a better rate than {rate}"


def test_the_perceptron_rule_needs_a_dividing_line() -> None:
    x, t = unit.separable()
    for twin in (SCRATCH, TORCH):
        rule = unit.perceptron(twin, x, t)
        assert rule.mistakes[-1] == 0
        assert rule.right == len(t)
        assert unit.perceptron(twin, x, 1 - t).right == len(t)
        assert unit.perceptron(twin, xor.POINTS, xor.LABELS[:, 0]).mistakes[-1] > 0


def test_a_unit_fitted_to_other_targets_is_no_regression_of_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    right = unit.fitted
    monkeypatch.setattr(unit, "fitted", lambda twin, x, y, criterion: right(twin, x, 1.01 * y, "MSELoss"))
    assert [figure.ok for figure in unit._regressions()] == [False, False]


def test_batches_of_a_size_are_as_many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "PASSES", 2)
    for size, steps in ((1, 256), (16, 16), (128, 2)):
        found = batches.descend(SCRATCH, size)
        assert len(found.losses) == steps + 1
        np.testing.assert_allclose(found.losses, batches.descend(TORCH, size).losses, rtol=1e-12)


def test_a_text_graph_has_its_derivatives() -> None:
    n = graph.parabola(2.0)
    assert (n["L"].value, n["x"].grad, n["n"].grad, n["m"].grad) == (14.0, 12.0, 3.0, 1.0)


def test_adam_without_its_correction_is_caught(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    right = ravine.adam
    monkeypatch.setattr(ravine, "adam", lambda steps, corrected=True, lr=None: right(steps, corrected=False))
    assert {name.split(":")[0].partition(" at ")[0] for name in wrong(run("ravine", tmp_path))} == {"Adam"}


def test_a_test_less_reliable_gives_another_posterior(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probability, "RELIABLE", 0.97)
    found = ARTICLE.start()
    probability._bayes(found)
    assert "Bayes: the chance of illness after a positive test, 3.9 % being positive" in wrong(found)


def test_a_coin_with_another_bend_has_another_surprise(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(information, "BENT", np.array([[0.25, 0.75]]))
    assert "coin: surprise of a side of probability 0.2, bits" in wrong(run("information", tmp_path))


def test_weights_of_another_variance_are_caught(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    xavier, he = depth.INITS["Xavier normal"], depth.INITS["He normal"]
    monkeypatch.setattr(depth, "_draw", lambda *_: None)
    monkeypatch.setattr(depth, "INITS", {"He normal": he, "mistaken": (xavier[0], he[1])})
    assert wrong(run("depth", tmp_path)) == [
        f"mistaken, ReLU: {what} after {depth.DEPTH} layers" for what in ("activations", "gradients")
    ]


def test_boxes_as_flat_as_hills_miss_the_bound(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(boxcars, "approximation", partial(boxcars.approximation, steep=2.0))
    monkeypatch.setattr(boxcars, "_draw", lambda *_: None)
    assert "512 boxes: largest error" in wrong(run("boxcars", tmp_path))


def test_a_hidden_layer_that_is_linear_does_not_learn_xor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for twin in (SCRATCH, TORCH):
        monkeypatch.setattr(twin.lib.nn, "Tanh", twin.lib.nn.Identity)
    monkeypatch.setattr(xor, "SEEDS", 1)
    monkeypatch.setattr(xor, "_draw", lambda *_: None)
    assert "XOR: points that two layers have right" in wrong(run("xor", tmp_path))


def test_units_that_never_die_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        vanishing, "KINDS", vanishing.KINDS | {"ReLU, silent at first": ("LeakyReLU", -2.0, "Adam", 0.02)}
    )
    monkeypatch.setattr(vanishing, "STEPS", 20)
    monkeypatch.setattr(vanishing, "draw", lambda path, panels: path)
    found = ARTICLE.start()
    vanishing._dead(found, Path())
    assert {"silent ReLU: largest gradient in its weights", "silent ReLU: how many ever woke"} <= {*wrong(found)}
