"""The benchmark's frame: what it measures in which order, the limits, the command. Nothing here is timed."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.bench import page, run
from experiments.bench.case import Case, Limit, Timed, Unavailable
from experiments.bench.cases import (
    optimizers,
)
from experiments.bench.engine_process import WorkerError
from experiments.bench.lines import _shares, lines
from experiments.bench.measure import failed, measure
from experiments.cli import app

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
