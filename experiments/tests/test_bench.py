"""The benchmark's frame: what it measures in which order and process, what it says of it. Nothing here is timed."""

import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from experiments.bench import curves, machine, readme, report, run
from experiments.bench.case import Case, Limit, Timed, Unavailable
from experiments.bench.cases import (
    GROUPS,
    all_cases,
    cnn,
    components,
    layers,
    memory,
    mlp,
    mnist,
    optimizers,
    profile,
    sizes,
)
from experiments.bench.engine_process import POOLS, EngineProcess, WorkerError
from experiments.bench.machine import cores
from experiments.bench.measure import failed, measure
from experiments.bench.traffic import counted, counting
from experiments.cli import app
from parity_tests.pairs import TABLE
from parity_tests.pairs.row import Pair
from parity_tests.sides import ScratchSide, TorchSide, draw, generator
from torch_impl.bridge import arrays

README = Path(__file__).parents[2] / "README.md"
TINY = Case("randperm", "streams", setting={"call": "draw randperm", "arguments": [10]}, rounds=2, seconds=0)


# --- one case ---------------------------------------------------------------------------------------------------------


class Fake:
    """A worker that says the next of the given values, and notes that it was asked."""

    def __init__(self, engine, values, asked):
        self.engine, self.values, self.asked = engine, list(values), asked

    def prepare(self, case):
        if not self.values:
            raise Unavailable("not installed.")
        return {"threads": {"processors": 1}, "versions": {self.engine: "1"}}

    def ask(self, request, **arguments):
        self.asked.append((self.engine, request))
        if request == "measure":
            value = self.values.pop(0)
            if value is None:
                raise WorkerError(f"the worker of {self.engine} ended")
            return {"forward": value, "backward": value}
        return 0.5 if request == "accuracy" else {"data": "some"}


def measured(values, **options):
    asked = []
    case = Case("a case", "mlp", tuple(values), **{"rounds": 3, **options})
    return measure(case, lambda engine: Fake(engine, values[engine], asked)), asked


def test_engines_take_turns():
    _, asked = measured({"scratch": [1, 1, 1], "torch": [1, 1, 1]}, judged=True)
    turn = [(engine, request) for engine in ("scratch", "torch") for request in ("measure", "accuracy")]
    assert asked[:12] == turn * 3


def test_ratios_are_taken_round_by_round():
    """The machine slowed down by 10 in the second round, for both."""
    result, _ = measured({"scratch": [1.0, 30.0, 2.0], "torch": [1.0, 10.0, 1.0]})
    assert result["ratios"] == {"torch": {"median": 2.0, "low": 1.0, "high": 3.0}}
    assert result["values"]["scratch"] == {"forward": [1.0, 30.0, 2.0], "backward": [1.0, 30.0, 2.0]}


LIMITS = {
    "a ratio": (Limit(2.0, "torch"), 2.0, True),
    "a ratio missed": (Limit(1.9, "torch"), 2.0, False),
    "a phase": (Limit(2.0, "torch", phase="forward"), 2.0, True),
    "the value itself": (Limit(5.9), 6.0, False),
    "another engine that is not there": (Limit(0.1, "jax"), None, True),
}


@pytest.mark.parametrize("kind", LIMITS)
def test_limits(kind):
    limit, value, kept = LIMITS[kind]
    result, _ = measured({"scratch": [3.0] * 3, "torch": [1.5] * 3}, limits=(limit,))
    assert [found["value"] for found in result["limits"]] == ([] if value is None else [value])
    assert failed(result) is not kept


def test_late_rounds_against_early_ones():
    asked = []
    case = Case("a case", "mlp", ("scratch",), rounds=6, limits=(Limit(1.1, late=True),))
    result = measure(case, lambda engine: Fake(engine, [1, 1, 1, 2, 2, 2], asked))
    assert result["limits"][0]["value"] == 2
    assert failed(result)
    assert "last rounds / first" in next(report.lines(result)).what


def test_late_rounds_where_the_machine_slowed_down_for_all():
    limit = Limit(1.1, "torch", late=True)
    for ours, value in (([2, 2, 2, 4, 4, 4], 1), ([2, 2, 2, 6, 6, 6], 1.5)):
        result, _ = measured({"scratch": ours, "torch": [1, 1, 1, 2, 2, 2]}, limits=(limit,), rounds=6)
        assert result["limits"][0]["value"] == value
        assert [line.verdict for line in report.lines(result)] == ["", "kept" if value == 1 else "MISSED"]
        assert list(report.lines(result))[1].what.endswith("last rounds / first, in units of torch")


def test_where_the_time_goes():
    result, _ = measured({"scratch": [1.0, 1.0, 1.0]})
    assert next(report.lines(result)).remark == "forward 50%, backward 50%; data some"
    parts = {"a": [6.0], "b": [2.5], "c": [1.43], "d": [0.04], "e": [0.03]}
    assert report._shares({"values": {"scratch": parts}}, "scratch") == "a 60%, b 25%, c 14%, all else 1%"


def test_a_profile_is_a_step_in_parts():
    for name in profile.MODELS:
        work = profile.prepare("scratch", name=name, batch=64)
        work.warm_up()
        assert {"gather", "loss", "Adam"} < set(work.measure(0))


def test_an_engine_that_is_not_here_is_left_out_and_named():
    result, _ = measured({"scratch": [1] * 3, "jax": [], "torch": [1] * 3})
    assert list(result["values"]) == ["scratch", "torch"]
    assert result["unavailable"] == {"jax": "not installed."}
    assert not failed(result)
    assert "jax not measured: not installed." in next(report.lines(result)).remark


def test_an_engine_that_dies_fails_its_case_in_one_line():
    result, _ = measured({"scratch": [1, None], "torch": [1] * 3})
    assert failed(result)
    (line,) = report.lines(result)
    assert (line.verdict, line.remark) == ("MISSED", "the worker of scratch ended")


def test_phases_are_timed_one_after_the_other_and_the_reset_is_not(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("experiments.bench.case.perf_counter", lambda: now[0])

    def takes(seconds):
        return lambda: now.__setitem__(0, now[0] + seconds)

    timed = Timed({"forward": takes(1), "backward": takes(2)}, reset=takes(100))
    assert timed.measure(0) == {"forward": 1, "backward": 2}
    assert now[0] == 103
    assert timed.measure(7) == {"forward": 1, "backward": 2}  # three repetitions, each of three seconds
    assert now[0] == 103 * 4


# --- the processes ----------------------------------------------------------------------------------------------------


@pytest.fixture
def worker():
    processes = []

    def start(*arguments, **options):
        processes.append(EngineProcess(*arguments, **options))
        return processes[-1]

    yield start
    for process in processes:
        process.close()


@pytest.mark.parametrize(("engine", "threads"), [("scratch", 1), ("scratch", 2), ("torch", 2)])
def test_threads_are_pinned_in_the_worker(worker, engine, threads, monkeypatch):
    """Whatever the caller's own environment says."""
    for name in POOLS:
        monkeypatch.setenv(name, str(3 - threads))
    if threads > cores():
        with pytest.raises(Unavailable, match="2 threads need"):
            run.Workers(threads).start(engine)
        return
    said = worker(engine, threads).prepare(TINY)
    pools = set(said["threads"]) - {"processors"}
    assert "torch" in pools if engine == "torch" else pools == {"openblas"}, "another pool than the engine's is loaded"
    assert set(said["threads"].values()) == {threads}
    assert set(said["versions"]) == {"numpy", "OpenBLAS", *({"torch"} if engine == "torch" else ())}


def test_a_worker_that_is_killed(worker):
    process = worker("scratch", 1)
    process.prepare(TINY)
    os.kill(process.process.pid, signal.SIGKILL)
    with pytest.raises(WorkerError) as error:
        process.ask("measure", seconds=0)
    assert str(error.value) == "the worker of scratch ended in measure: SIGKILL"


def test_a_worker_that_takes_for_ever(worker):
    process = worker("scratch", 1)
    process.prepare(TINY)
    process.patience = 0.2
    with pytest.raises(WorkerError, match=r"ended in measure: no answer in 0\.2 s$"):
        process.ask("measure", seconds=1000)


def test_an_engine_that_fails_goes_on_living(worker):
    process = worker("scratch", 1)
    wrong = Case("wrong", "streams", setting={"call": "draw nothing", "arguments": []})
    with pytest.raises(WorkerError, match=r"^scratch failed in prepare: AttributeError in streams\.py:\d+: .*nothing"):
        process.prepare(wrong)
    process.prepare(TINY)
    assert process.ask("measure", seconds=0)["randperm"] > 0


def test_what_a_library_prints_does_not_get_between_the_answers():
    """The worker's own process, with a work that prints."""
    code = (
        "from experiments.bench import worker; import sys; sys.argv[1:] = ['1'];"
        "worker.Server.accuracy = lambda self: print('a line', flush=True); worker.serve()"
    )
    request = json.dumps(["accuracy", {}]) + "\n"
    done = subprocess.run([sys.executable, "-c", code], input=request, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ('{"ok": null}\n', "a line\n")


def test_workers_are_new_after_a_failure_and_for_a_fresh_case(monkeypatch):
    started = []
    fake = SimpleNamespace(close=lambda: None)
    monkeypatch.setattr(run, "EngineProcess", lambda *a: started.append(a) or fake)

    def measured_with(case, start, tick):
        start("scratch")
        return {"error": "died" if case.name == "dies" else ""}

    monkeypatch.setattr(run, "measure", measured_with)
    cases = [Case(name, "mlp", fresh=name == "fresh") for name in ("a", "b", "dies", "c", "fresh", "d")]
    list(run._measured([*cases, Case("e", "mlp", threads=2)], print))
    expected = [("scratch", 1)] * 4 + ([("scratch", 2)] if cores() > 1 else [])
    assert started[: len(expected)] == expected


# --- what is measured -------------------------------------------------------------------------------------------------


def test_every_component_of_the_table_is_measured():
    rules = {f"optim.{rule.split(',')[0]}" for rule in optimizers.RULES}
    fed = {row.name for row in TABLE if isinstance(row, Pair)}
    assert set(components.components()) | rules == fed
    assert set(sizes.SIZES) <= fed
    assert set(components.CLOSER) | set(components.REASONS) <= fed
    assert set(layers.REASONS) <= set(layers.ROWS)


@pytest.mark.parametrize("quick", [True, False])
def test_cases_have_names_of_their_own_and_settings_that_travel(quick):
    cases = all_cases(quick)
    assert {case.group for case in cases} == set(GROUPS)
    assert len({case.label for case in cases}) == len(cases)
    for case in cases:
        assert json.loads(json.dumps(case.setting)) == {
            key: list(value) if isinstance(value, tuple) else value for key, value in case.setting.items()
        }
        assert {limit.against for limit in case.limits} <= {"", *case.engines[1:]}


def test_the_mlp_has_the_limits_of_its_batch():
    limits = mlp.case((128,), 64, 1, 10).limits
    assert [(limit.most, limit.against) for limit in limits if limit.late] == [(1.1, "GEMMs")]
    assert {limit.against: limit.most for limit in limits if not limit.late} == {
        "sklearn": 1 / 2,
        "jax scan": 1.35,
        "torch": 1 / 1.6,
        "torch fused": 1 / 1.05,
        "torch compiled, fused": 1 / 1.2,
        "jax step": 1.0,
        "GEMMs": 2.5,
    }
    assert {limit.against for limit in mlp.case((128,), 512, 1, 10).limits} == {"sklearn", "jax scan", "GEMMs"}


def test_synthetic_images_are_mostly_black_as_those_of_mnist():
    x, y = mnist.synthetic(1000, seed=0)
    assert (x.dtype, x.shape, y.dtype) == (np.float32, (1000, 784), np.int64)
    assert 0.75 < np.mean(x == 0) < 0.95
    assert not x.reshape(-1, 28, 28)[:, [0, 1, 2, -1]].any()
    assert set(y) == set(range(10))


SETTING = {"hidden": [16], "batch": 32, "count": 2000}


@pytest.mark.parametrize("engine", [name for name in mlp.ENGINES if name not in mlp.FLOORS and "compiled" not in name])
@pytest.mark.filterwarnings("ignore::DeprecationWarning:jax.*")
def test_every_engine_learns_and_those_with_the_same_weights_and_batches_learn_the_same(engine):
    if engine.startswith("jax") and find_spec("jax") is None:
        with pytest.raises(Unavailable, match="is not installed"):
            mlp.prepare(engine, **SETTING)
        return
    work = mlp.prepare(engine, **SETTING)
    work.warm_up()
    for _ in range(3):
        assert work.measure(0)["epoch"] > 0
    assert work.accuracy() > 0.9
    assert work.facts() == {"data": mnist.SYNTHETIC, "images": 1984}
    if engine != "sklearn":
        ours = mlp.prepare("scratch", **SETTING)
        for _ in range(3):
            ours.measure(0)
        x = ours.data.test_x
        np.testing.assert_allclose(np.asarray(work.predict(x)), ours.predict(x), rtol=0, atol=2e-4)


def test_warming_up_leaves_the_initial_weights():
    for engine in ("scratch", "torch"):
        work = mlp.prepare(engine, **SETTING)
        before = {name: value.copy() for name, value in arrays(work.net).items()}
        work.warm_up()
        for name, value in arrays(work.net).items():
            assert np.array_equal(before[name], value)
        assert not work.optimizer.state


def test_a_cnn_learns_alike_on_both_engines():
    accuracies = []
    for engine in ("scratch", "torch"):
        work = cnn.prepare(engine, count=1280)
        work.warm_up()
        for _ in range(cnn.PARTS):
            work.measure(0)
        accuracies.append(work.accuracy())
    assert accuracies[0] == accuracies[1] > 0.7


@pytest.mark.parametrize("name", ["nn.init.eye_", "nn.utils.clip_grad_norm_", "optim.lr_scheduler.StepLR"])
@pytest.mark.parametrize("engine", ["scratch", "torch"])
def test_what_is_no_layer_can_be_measured_again_and_again(engine, name):
    work = components.prepare(engine, name)
    for _ in range(2):
        assert all(value > 0 for value in work.measure(0).values())


@pytest.mark.parametrize("name", ["nn.Linear", "nn.LSTM"])
def test_both_engines_do_the_same_work_and_gradients_do_not_pile_up(name):
    row = sizes.SIZES[name]
    inputs, call = draw((row.inputs, row.call), generator(row, 0, 0), np.dtype(np.float32))
    sides = ScratchSide(row, np.float32), TorchSide(row, np.float32)
    for layer, side in zip((components.scratch_layer, components.torch_layer), sides, strict=True):
        work = layer(side, inputs, call)
        for _ in range(2):
            assert set(work.measure(0)) == {"forward", "backward"}
    ours, theirs = (dict(side.module.named_parameters()) for side in sides)
    for parameter, value in ours.items():
        np.testing.assert_allclose(value.grad, theirs[parameter].grad.numpy(), rtol=1e-3, atol=1e-2)


def test_what_is_saved_for_backward_is_freed_by_it():
    work = memory.prepare("scratch", "CNN 16-32 channels", batch=8)
    found = memory.arrays_of_a_step(work.trainer(), work.x, work.y)
    assert found["MB saved for backward"] > 0.5
    assert found["MB left after it"] < 0.05


# --- bytes ------------------------------------------------------------------------------------------------------------

X = np.zeros((8, 16), np.float32)
N = X.nbytes
TRAFFIC = {
    "an operation reads and writes": (lambda x: x * 2, 2 * N),
    "two operands": (lambda x: x + x, 3 * N),
    "in place": (lambda x: np.multiply(x, 2, out=x), 2 * N),
    "a row is read once": (lambda x: x + x[0], 2 * N + N // 8),
    "a sum": (lambda x: x.sum(axis=0), N + N // 8),
    "a view moves nothing": (lambda x: x.T[1:].reshape(15, 8), 0),
    "a reshape that copies": (lambda x: x.T.reshape(-1), 2 * N),
    "picked rows": (lambda x: x[[1, 2]], 2 * N // 4),
    "assigned": (lambda x: x.__setitem__(slice(2), 1.0), N // 4),
    "a function": (lambda x: np.concatenate([x, x]), 4 * N),
    "an array made meanwhile": (lambda x: np.empty(4, np.float32) + 1, 32),
    "a product of matrices": (lambda x: x @ x.T, 2 * N + 8 * 8 * 4),
}


@pytest.mark.parametrize("what", TRAFFIC)
def test_traffic(what):
    function, expected = TRAFFIC[what]
    with counted() as traffic:
        function(counting(X.copy()))
    assert traffic.bytes == expected


def test_traffic_of_a_layer_and_of_a_rule():
    relu = components.prepare("scratch", "nn.ReLU").facts()
    assert relu["MB moved"] >= relu["MB at least"] > 0
    adam = optimizers.prepare("scratch", rule="Adam", size="100 thousand").facts()
    assert adam["MB at least"] == pytest.approx(7 * 101770 * 4 / 1e6, abs=0.01)
    assert adam["MB moved"] > adam["MB at least"]
    assert type(np.empty(1)) is np.ndarray


# --- what is said of it -----------------------------------------------------------------------------------------------


def made_up(kept=True, reason="", group="mlp"):
    limit = {"most": 0.62, "against": "torch", "phase": "", "late": False, "value": 0.5, "kept": kept}
    result = {
        "case": "784-128-10, batch 64, 1 thread",
        "setting": {},
        "threads": 1,
        "unit": "s",
        "values": {"scratch": {"epoch": [0.5, 0.4, 0.6]}, "torch": {"epoch": [1.0, 0.8, 1.2]}},
        "accuracy": {"scratch": [0.9, 0.95], "torch": [0.9, 0.96]},
        "ratios": {"torch": {"median": 0.5, "low": 0.4, "high": 0.6}},
        "limits": [limit],
        "facts": {"scratch": {"data": "MNIST"}, "torch": {"data": "MNIST"}},
        "threads_in_effect": {},
        "unavailable": {"jax": "JAX is not installed."},
        "error": "",
        "reason": reason,
    }
    return {"group": group, **machine.run_facts(), "quick": False, "results": [result]}


def test_a_line_says_it_all():
    (line,) = report.lines(made_up()["results"][0])
    assert line == report.Line(
        "784-128-10, batch 64, 1 thread",
        "500 ms",
        "torch 1 s",
        "0.50",
        "0.40 to 0.60",
        "0.62",
        "kept",
        "scratch 95.00% right; data MNIST; jax not measured: JAX is not installed.; torch 96.00% right",
    )


def test_a_missed_limit_needs_a_reason():
    (line,) = report.lines(made_up(kept=False)["results"][0])
    assert line.verdict == "MISSED"
    assert line.remark.endswith(report.NO_REASON)
    (line,) = report.lines(made_up(kept=False, reason="erf is not in NumPy")["results"][0])
    assert line.remark.endswith("erf is not in NumPy")


@pytest.mark.parametrize(
    ("number", "unit", "text"),
    [
        (1.234, "s", "1.23 s"),
        (0.01, "s", "10 ms"),
        (2.5e-6, "s", "2.5 µs"),
        (3e-8, "s", "30 ns"),
        (12.34, "MB", "12.34 MB"),
    ],
)
def test_values_in_their_handiest_size(number, unit, text):
    assert report.value(number, unit) == text


def test_the_tables_of_the_readme(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n", encoding="utf-8")
    reports = [made_up(), made_up(kept=False, group="layers")]
    assert readme.stale(path, reports)
    readme.write(path, reports)
    assert not readme.stale(path, reports)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "| 784-128-10, batch 64, 1 thread | 500 ms | 1 s (0.50) |" in text  # the engines side by side
    assert "<b>mlp</b>: an epoch of MNIST by an MLP; 1 of 1 limits kept</summary>" in text
    assert "<b>layers</b>: layers at the sizes of real networks; 0 of 1 limits kept</summary>" in text
    assert "| MISSED |" in text
    assert f"{os.cpu_count()} cores" in text or f"{cores()} cores" in text
    reports[0]["results"][0]["values"]["scratch"]["epoch"][0] = 0.7
    assert readme.stale(path, reports)


def test_the_readme_shows_the_saved_results():
    assert not readme.stale(README, run.saved()), "run `nn-parity bench --write README.md`"


def test_exponents_and_their_picture(tmp_path):
    results = [
        {
            "setting": {"axis": axis, axis: size},
            "values": {engine: {"step": [factor * size ** cnn.EXPECTED[axis]]} for engine, factor in engines.items()},
        }
        for engines in ({"scratch": 2e-3, "torch": 1e-3},)
        for axis, sizes_of_axis in cnn.AXES.items()
        for size in sizes_of_axis
    ]
    found = curves.curves(results)
    for axis, expected in cnn.EXPECTED.items():
        assert curves.exponent(found[axis]["scratch"]) == pytest.approx(expected)
    assert "channels^(2.00 scratch, 2.00 torch; expected 2)" in curves.summary(results)
    curves.draw(results, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert curves.summary(made_up()["results"]) == ""


def test_the_commit_is_unknown_outside_git(tmp_path, monkeypatch):
    assert machine.commit() != ""
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    assert machine.commit() == "unknown"


# --- the command ------------------------------------------------------------------------------------------------------


def test_a_run_from_the_command_to_the_readme(tmp_path):
    (tmp_path / "README.md").write_text(f"{readme.BEGIN}{readme.END}", encoding="utf-8")
    arguments = ["bench", "start/", "--quick", "--json", tmp_path, "--write", tmp_path / "README.md"]
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code in (0, 1), done.output  # whether limits are kept is no question of this test
    saved = json.loads((tmp_path / "bench-start.json").read_text())
    assert saved["quick"] is True
    assert set(saved) == {"group", "date", "commit", "machine", "versions", "quick", "results"}
    assert set(saved["machine"]) == {"processor", "cores", "instructions", "memory_gb", "system"}
    first, second = saved["results"]
    assert (first["case"], second["case"]) == ("import scratch", "nn-parity --help")
    assert len(first["values"]["scratch"]["import"]) == len(first["values"]["numpy"]["import"]) == 3
    assert first["threads_in_effect"]["scratch"]["processors"] == 1
    assert [limit["most"] for limit in (*first["limits"], *second["limits"])] == [0.2, 0.5]
    assert "import scratch" in (tmp_path / "README.md").read_text()
    assert not readme.stale(tmp_path / "README.md", run.saved(tmp_path))


MISTAKES = {
    "no case": (["nothing like it"], "no case contains 'nothing like it'"),
    "part of a group": (["streams/rand(", "--json", "somewhere"], "leaves out 'streams/"),
    "no marks": (["--write", str(Path(__file__))], "without the lines"),
    "no data": (["start/", "--data-dir", "nowhere"], "there is no such folder"),
    "no file": (["--write", "nowhere.md"], "no such file"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_in_one_line(mistake):
    arguments, message = MISTAKES[mistake]
    done = CliRunner().invoke(app, ["bench", *arguments])
    assert done.exit_code == 2
    assert done.stderr.startswith("nn-parity: bench: ")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_list_names_the_cases_and_measures_nothing():
    done = CliRunner().invoke(app, ["bench", "optimizers/", "--list"])
    assert done.stdout.splitlines() == [case.label for case in optimizers.cases(False)]


def test_the_worker_loads_nothing_before_it_is_pinned():
    """OpenBLAS counts the processors when it is loaded."""
    code = "import sys, experiments.bench.worker; print({'numpy', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
