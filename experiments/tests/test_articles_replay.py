"""What a replay is made of, how it is run and shown, and that a wrong formula or figure changes the verdict."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from experiments.articles import ARTICLES, worked
from experiments.articles import replay as articles
from experiments.articles.article import Article, Figure, GradientCheck, Replay, differences, gradient_check, under
from experiments.articles.digits_mlp import worked_example
from experiments.articles.judge import agrees, equal_to
from experiments.articles.texts import TEXTS
from experiments.articles.twin import TWINS, Twin, network_check, on_both
from experiments.cli import app
from experiments.training import data
from experiments.training.config import ConfigError
from parity_tests.rule import bits_equal


def nn_parity(*arguments: Any) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


# --- figures and checks -----------------------------------------------------------------------------------------------


def both(ours: float, theirs: float) -> dict[str, float]:
    return {"scratch": ours, "torch": theirs}


@pytest.mark.parametrize("values", [both(0.89, 0.92), both(0.92, 0.95), both(0.92, float("nan"))])
def test_a_figure_is_right_if_both_engines_lie_in_the_range(values: dict[str, float]) -> None:
    assert Figure.of("accuracy", "91 to 94 %", both(0.91, 0.94), 0.91, 0.94).ok
    assert Figure.of("accuracy", "91 to 94 %", values, 0.91, 0.94).ok is False
    assert Figure.of("accuracy", "", values).ok is None


def test_a_figure_of_two_curves_is_their_largest_relative_difference() -> None:
    curves = {"scratch": [2.0, 1.5], "torch": [2.0, 1.0]}
    assert Figure.apart("loss", curves).scratch == "5.0e-01"
    assert Figure.apart("loss", curves, 0.4).ok is False
    assert Figure.apart("loss", curves, 0.6).ok is True


def test_differences_are_the_derivative() -> None:
    x = np.random.default_rng(0).normal(size=(3, 2))
    x.flags.writeable = False
    slopes = differences(lambda x: float(np.sin(x).sum()), x)
    np.testing.assert_allclose(slopes, np.cos(x), rtol=1e-8)


@pytest.mark.parametrize("factor", [1.0, 1.001, 0.0, -1.0, float("nan")])
def test_a_gradient_check_catches_what_is_not_the_gradient(factor: float) -> None:
    x = np.linspace(1, 2, 5)
    right = GradientCheck("x³", gradient_check(lambda x: float((x**3).sum()), x, 3 * x**2 * factor))
    assert right.ok == (factor == 1)
    if np.isfinite(factor):  # what is not even a number counts as caught by nobody
        assert GradientCheck("x³ as printed", right.error, expected=False).ok == (factor != 1)


def test_a_gradient_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the shape of x, \(3,\), got \(1,\)"):
        gradient_check(lambda x: float(x.sum()), np.ones(3), np.ones(1))


def test_a_gradient_that_is_zero_everywhere_is_right_only_if_nothing_moves() -> None:
    assert gradient_check(lambda x: 1.0, np.ones(3), np.zeros(3)) == 0
    assert gradient_check(lambda x: 1.0, np.ones(3), np.full(3, 1e-9)) > 1


def test_a_wrong_derivative_by_hand_is_caught_by_both_engines_and_by_differences(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    relu = worked.FORMULAS["ReLU"]
    monkeypatch.setitem(worked.FORMULAS, "ReLU", (relu[0], lambda z: 1.001 * relu[1](z)))
    figures, checks = worked_example.EXAMPLE.findings("")
    wrong = {figure.what.partition(" = ")[0] for figure in figures if figure.ok is False}
    assert {"dL/dz1", "dL/dw11", "dL/db1"} <= wrong
    assert not wrong & {"dL/dz3", "dL/da1", "a1"}
    assert {check.what for check in checks if not check.ok} == {
        f"dL by {names}, by the chain rule" for names in ("z1, z2", "w11, w12, w21, w22", "b1, b2", "x1, x2")
    }


def test_a_number_of_a_text_is_right_to_its_last_digit() -> None:
    for text, value in (("2.01", 2.014), ("50.3%", 0.5026), ("1/26", 1 / 26), ("-3.33", -3.3295), ("5", 5.4)):
        assert agrees(text, value)
        assert not agrees(text, value * 1.1)


def test_what_a_text_prints_has_its_place_and_its_own_verdict() -> None:
    right = equal_to("", 2.01, both(2.01, 2.01), text="2.01", place="a heading")
    assert (right.ok, right.text_ok, right.verdict) == (True, True, "ok")
    wrong = equal_to("", 51.35, both(51.35, 51.35), text="2.01", place="a heading")
    assert (wrong.ok, wrong.text_ok, wrong.verdict) == (False, False, "FAILED")
    caught = equal_to("", 51.35, both(51.35, 51.35), text="2.01", place="a heading", errs=True)
    assert (caught.ok, caught.text_ok, caught.verdict) == (True, False, "caught")
    assert equal_to("", 2.01, both(2.01, 2.01), text="2.01", place="a heading", errs=True).verdict == "FAILED"
    with pytest.raises(ValueError, match="a quotation needs its place"):
        Figure("", text="2.01")


def test_rows_keep_the_heading_that_they_have() -> None:
    rows = under("outer", [Figure("a"), Figure("b", part="inner")])
    assert [row.part for row in rows] == ["outer", "inner"]


# --- the two engines --------------------------------------------------------------------------------------------------


def net_of(twin: Twin, dtype: str = "float32") -> Any:
    nn, factory = twin.lib.nn, twin.factory(dtype)
    return nn.Sequential(nn.Linear(5, 7, **factory), nn.Tanh(), nn.Dropout(0.4), nn.Linear(7, 3, **factory))


def test_both_engines_start_and_train_alike() -> None:
    x = np.random.default_rng(0).normal(size=(11, 5)).astype(np.float32)

    def train(twin: Twin) -> tuple[list[np.ndarray], list[float]]:
        twin.manual_seed(3)
        net = net_of(twin)
        start = [twin.array(parameter).copy() for parameter in net.parameters()]
        optimizer = twin.lib.optim.SGD(net.parameters(), lr=0.1)
        labels = twin.tensor(np.arange(11) % 3)
        inputs, criterion = twin.tensor(x), twin.lib.nn.CrossEntropyLoss()
        losses = [
            twin.step(net, criterion, optimizer, inputs[rows], labels[rows])
            for _ in range(3)
            for rows in twin.batches(11, 4)
        ]
        return start, [*losses, twin.loss(net, criterion, inputs, labels)]

    ours, theirs = on_both(train).values()
    assert all(bits_equal(a, b) for a, b in zip(ours[0], theirs[0], strict=True))
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-5)
    assert len(ours[1]) == 10


def test_prediction_drops_nothing_and_leaves_the_mode_alone() -> None:
    for twin in TWINS:
        twin.manual_seed(0)
        net, x = net_of(twin), twin.tensor(np.ones((2, 5), np.float32))
        assert bits_equal(twin.predict(net, x), twin.predict(net, x))
        assert net.training
        assert not net.eval().training
        twin.predict(net, x)
        assert not net.training


def test_a_trace_names_what_passes_between_the_layers() -> None:
    def trace(twin: Twin) -> tuple[list[np.ndarray], list[np.ndarray], float]:
        twin.manual_seed(0)
        net = net_of(twin, "float64").eval()
        x = twin.tensor(np.random.default_rng(1).normal(size=(2, 5)))
        return twin.trace(net, twin.lib.nn.MSELoss(), x, twin.tensor(np.ones((2, 3))))

    ours, theirs = on_both(trace).values()
    for a, b in zip(ours[:2], theirs[:2], strict=True):
        assert len(a) == len(b) == 5
        for one, other in zip(a, b, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12)
    assert ours[2] == pytest.approx(theirs[2], rel=1e-12)


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
def test_the_backward_of_a_network_is_checked(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    twin.manual_seed(0)
    net, x = net_of(twin, "float64").eval(), twin.tensor(np.random.default_rng(1).normal(size=(4, 5)))
    labels, criterion = twin.tensor(np.arange(4) % 3), twin.lib.nn.CrossEntropyLoss()
    before = [twin.array(parameter).copy() for parameter in net.parameters()]
    check = network_check(twin, net, criterion, x, labels, "net")
    assert check.ok
    assert check.what == f"net, {twin.name}"
    assert all(bits_equal(a, twin.array(b)) for a, b in zip(before, net.parameters(), strict=True))
    right = type(twin).gradients

    def wrong(self: Twin, *arguments: Any) -> dict[str, np.ndarray]:
        gradients = right(self, *arguments)
        return {**gradients, "3.bias": 1.01 * gradients["3.bias"]}

    monkeypatch.setattr(type(twin), "gradients", wrong)
    assert not network_check(twin, net, criterion, x, labels, "net").ok


# --- running them -----------------------------------------------------------------------------------------------------


def example(error: float = 0.0, caught: float = 1.0, accuracy: float = 0.92) -> Article:
    """An article with one figure, a right formula and a wrong one."""

    def run(output: Path, data_dir: Any, progress: Any) -> Replay:
        replay = one.start()
        progress("half way")
        values = both(accuracy, accuracy)
        replay.figures = [
            Figure.of("accuracy [test]", "91 to 94 %", values, 0.91, 0.94, ".0%", "92 %", "a heading [1]"),
            Figure("a row", part="a part [2]", note="why [3]"),
        ]
        replay.checks = [
            GradientCheck("formula", error),
            GradientCheck("formula as printed", caught, expected=False, note="a factor is missing"),
        ]
        (output / "curve.png").write_bytes(b"")
        replay.plots = [(output / "curve.png", "a curve")]
        replay.notes = ["a note"]
        return replay

    one = Article("tree-age", "an example", "a claim", run)
    return one


def stand_in(monkeypatch: pytest.MonkeyPatch, **found: Article) -> None:
    monkeypatch.setattr(articles, "article", lambda name: found[name.replace("-", "_")])


def test_findings_are_printed_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, tree_age=example())
    done = nn_parity("replay", "tree-age", "--output", tmp_path)
    assert done.exit_code == 0, done.output
    for text in ("accuracy [test]", "91 to 94 %", "92%", "caught", "a factor is missing", "a note", "curve.png"):
        assert text in done.output
    for text in ("a claim", "92 %, a heading [1]", "a part [2]", "why [3]"):
        assert text in done.output
    written = json.loads((tmp_path / "tree-age" / "replay.json").read_text())
    assert written["ok"] is True
    one_text = "Adventure of the Neurons: Theory Behind the Neural Networks (神经网络训练背后的数学)"
    assert (written["claim"], written["source"], written["notes"]) == ("a claim", one_text, ["a note"])
    assert written["figures"][0]["scratch"] == written["figures"][0]["torch"] == "92%"
    assert [(check["expected"], check["ok"]) for check in written["checks"]] == [(True, True), (False, True)]
    assert written["plots"] == [{"file": "curve.png", "caption": "a curve"}]
    assert written["seconds"] > 0


@pytest.mark.parametrize("wrong", [{"error": 1e-3}, {"caught": 1e-9}, {"accuracy": 0.5}])
def test_what_does_not_hold_exits_1(wrong: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, tree_age=example(**wrong))
    done = nn_parity("replay", "tree-age", "--output", tmp_path)
    assert done.exit_code == 1
    assert "FAILED" in done.output
    assert json.loads((tmp_path / "tree-age" / "replay.json").read_text())["ok"] is False


def test_missing_data_stop_no_other_article(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_data(*_: Any) -> Replay:
        raise data.DataError("MNIST: there is no folder nowhere.")

    missing = Article("mnist-mlp", "an example", "a claim", no_data)
    stand_in(monkeypatch, tree_age=example(), mnist_mlp=missing)
    done = nn_parity("replay", "mnist-mlp", "tree-age", "--output", tmp_path)
    assert done.exit_code == 2
    assert "a note" in done.stdout
    assert done.stderr.splitlines()[-1] == "nn-parity: MNIST: there is no folder nowhere."


def test_names_beside_all_are_refused() -> None:
    done = CliRunner().invoke(app, ["replay", "--all", "tree-age"])
    assert done.exit_code == 2
    assert "give the names of articles, or --all" in done.stderr


def test_a_name_that_is_none_is_answered_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no article 'tre-age'\. Did you mean tree-age"):
        articles.replay(["toy-16", "tre-age"], tmp_path)
    done = nn_parity("replay", "nothing", "--output", tmp_path)
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert not [*tmp_path.iterdir()]


def test_an_output_that_cannot_be_written_is_answered_in_one_line() -> None:
    done = nn_parity("replay", "tree-age", "--output", f"{__file__}/run")
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr


@pytest.mark.parametrize("options", [[], ["--list"]])
def test_the_texts_are_listed_with_what_replays_them(options: list[str]) -> None:
    done = nn_parity("replay", *options)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    for text in TEXTS:
        row = next(i for i, line in enumerate(lines) if text.title in line)
        assert text.replays
        assert any(text.replays[0] in line for line in lines[row - 3 : row + 1])
    for name in ARTICLES:
        assert name in done.output


def test_every_replay_has_its_texts_and_every_text_its_replays() -> None:
    assert {name for text in TEXTS for name in text.replays} == {*ARTICLES}
    for name in ARTICLES:
        assert articles.article(name).source.endswith(")")


def test_articles_have_the_names_they_are_registered_under_and_need_neither_plots_nor_each_other() -> None:
    code = (
        "import sys; from experiments.articles import ARTICLES, article\n"
        "heavy, later = {'matplotlib', 'sklearn', 'lightning', 'rich', 'typer'}, set(ARTICLES.values())\n"
        "for name, module in ARTICLES.items():\n"
        "    assert article(name).name == name\n"
        "    later.remove(module)\n"
        "    print(name, *sorted((later | heavy) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [*ARTICLES]


def test_threads_are_as_they_were_afterwards() -> None:
    import torch

    before = torch.get_num_threads()
    with articles.one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
