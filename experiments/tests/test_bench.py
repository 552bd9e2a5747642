"""The benchmark's frame: what it measures in which order and process, what it says of it. Nothing here is timed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from experiments.bench import cost_curves, machine, page, run, stored
from experiments.bench.case import Case, Limit, Timed, Unavailable
from experiments.bench.cases import (
    cnn,
    optimizers,
)
from experiments.bench.engine_process import POOLS, EngineProcess, WorkerError
from experiments.bench.lines import NO_REASON, Line, _shares, lines
from experiments.bench.lines import value as printed
from experiments.bench.machine import cores
from experiments.bench.measure import failed, measure
from experiments.cli import app

PAGES = [Path(__file__).parents[2] / "README.md", run.RESULTS / "SPEED.md"]
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
    assert "last rounds / first" in next(lines(result)).what


def test_late_rounds_where_the_machine_slowed_down_for_all():
    limit = Limit(1.1, "torch", late=True)
    for ours, value in (([2, 2, 2, 4, 4, 4], 1), ([2, 2, 2, 6, 6, 6], 1.5)):
        result, _ = measured({"scratch": ours, "torch": [1, 1, 1, 2, 2, 2]}, limits=(limit,), rounds=6)
        assert result["limits"][0]["value"] == value
        assert [line.verdict for line in lines(result)] == ["", "kept" if value == 1 else "MISSED"]
        assert list(lines(result))[1].what.endswith("last rounds / first, in units of torch")


def test_where_the_time_goes():
    result, _ = measured({"scratch": [1.0, 1.0, 1.0]})
    assert next(lines(result)).remark == "forward 50%, backward 50%; data some"
    parts = {"a": [6.0], "b": [2.5], "c": [1.43], "d": [0.04], "e": [0.03]}
    assert _shares({"values": {"scratch": parts}}, "scratch") == "a 60%, b 25%, c 14%, all else 1%"


def test_an_engine_that_is_not_here_is_left_out_and_named():
    result, _ = measured({"scratch": [1] * 3, "jax": [], "torch": [1] * 3})
    assert list(result["values"]) == ["scratch", "torch"]
    assert result["unavailable"] == {"jax": "not installed."}
    assert not failed(result)
    assert "jax not measured: not installed." in next(lines(result)).remark


def test_an_engine_that_dies_fails_its_case_in_one_line():
    result, _ = measured({"scratch": [1, None], "torch": [1] * 3})
    assert failed(result)
    (line,) = lines(result)
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
    (line,) = lines(made_up()["results"][0])
    assert line == Line(
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
    (line,) = lines(made_up(kept=False)["results"][0])
    assert line.verdict == "MISSED"
    assert line.reason == NO_REASON
    (line,) = lines(made_up(kept=False, reason="erf is not in NumPy")["results"][0])
    assert line.reason == "erf is not in NumPy"


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
    assert printed(number, unit) == text


def test_the_tables_of_a_page(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n", encoding="utf-8")
    reports = [made_up(), made_up(kept=False, group="layers")]
    assert page.stale(path, reports)
    page.write(path, reports)
    assert not page.stale(path, reports)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "| 784-128-10, batch 64, 1 thread | 500 ms | 1 s (0.50) |" in text  # the engines side by side
    assert "## mlp: an epoch of MNIST by an MLP\n\n1 of 1 limits kept. " in text
    assert "## layers: layers at the sizes of real networks\n\n0 of 1 limits kept. " in text
    assert "| MISSED |" in text
    assert f"{os.cpu_count()} cores" in text or f"{cores()} cores" in text
    reports[0]["results"][0]["values"]["scratch"]["epoch"][0] = 0.7
    assert page.stale(path, reports)


def test_a_reason_stands_once_below_its_table(tmp_path):
    path = tmp_path / "SPEED.md"
    path.write_text(f"{page.BEGIN}{page.END}", encoding="utf-8")
    report = made_up(kept=False, reason="erf is not in NumPy")
    report["results"] *= 3
    page.write(path, [report])
    text = path.read_text(encoding="utf-8")
    assert text.count("MISSED") == text.count("see 1 |") == 3
    assert text.count("\n1. erf is not in NumPy\n") == text.count("erf is not in NumPy") == 1


def test_the_lines_of_the_readme(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(f"before\n{page.SHORT_BEGIN}\n{page.SHORT_END}\nafter\n", encoding="utf-8")
    page.write(path, [made_up()])
    text = path.read_text(encoding="utf-8")
    assert "| an epoch of MNIST, 784-128-10, batch 64 | 500 ms | torch 1 s | 0.50 | 0.40 to 0.60 |" in text
    assert "Of 1 limits that the benchmark sets on such figures, 1 are kept." in text
    assert not page.stale(path, [made_up()])
    assert page.stale(path, [made_up(kept=False)])


def test_every_line_of_the_readme_was_measured():
    assert all(f"| {what} | " in page.short(run.saved()) for what, *_ in page.SHORT)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_shows_the_saved_results(path):
    assert page.has_marks(path)
    assert not page.stale(path, run.saved()), f"run `nn-parity bench --write {path}`"


@pytest.mark.parametrize("path", sorted(run.RESULTS.glob("*.json")), ids=lambda path: path.name)
def test_a_file_of_results_has_one_result_a_line(path):
    assert path.read_text(encoding="utf-8") == stored.text(stored.read(path))
    assert len(path.read_text(encoding="utf-8").splitlines()) < 200


def test_a_report_is_written_key_by_key_and_result_by_result(tmp_path):
    report = {"group": "a", "machine": {"cores": 2}, "results": [{"case": "b", "values": [1, 2]}, {"case": "c"}]}
    stored.write(tmp_path / "new" / "a.json", report)
    assert stored.read(tmp_path / "new" / "a.json") == report
    assert (tmp_path / "new" / "a.json").read_text(encoding="utf-8").splitlines() == [
        "{",
        ' "group": "a",',
        ' "machine": {"cores": 2},',
        ' "results": [',
        '  {"case": "b", "values": [1, 2]},',
        '  {"case": "c"}',
        " ]",
        "}",
    ]
    with pytest.raises(ValueError, match="not JSON compliant"):
        stored.write(tmp_path / "b.json", {"value": float("nan")})


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
    found = cost_curves.curves(results)
    for axis, expected in cnn.EXPECTED.items():
        assert cost_curves.exponent(found[axis]["scratch"]) == pytest.approx(expected)
    assert "channels^(2.00 scratch, 2.00 torch; expected 2)" in cost_curves.summary(results)
    cost_curves.draw(results, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert cost_curves.summary(made_up()["results"]) == ""


def test_the_commit_is_unknown_outside_git(tmp_path, monkeypatch):
    assert machine.commit() != ""
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    assert machine.commit() == "unknown"


# --- the command ------------------------------------------------------------------------------------------------------


def test_a_run_from_the_command_to_the_page(tmp_path):
    (tmp_path / "README.md").write_text(f"{page.BEGIN}{page.END}", encoding="utf-8")
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
    assert not page.stale(tmp_path / "README.md", run.saved(tmp_path))


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
