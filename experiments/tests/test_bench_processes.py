"""The benchmark's processes: pinned threads, failures, answers."""

import json
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from experiments.bench import run
from experiments.bench.case import Case, Unavailable
from experiments.bench.engine_process import POOLS, EngineProcess, WorkerError
from experiments.bench.machine import cores

TINY = Case("randperm", "streams", setting={"call": "draw randperm", "arguments": [10]}, rounds=2, seconds=0)


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


def test_the_worker_loads_nothing_before_it_is_pinned():
    """OpenBLAS counts the processors when it is loaded."""
    code = "import sys, experiments.bench.worker; print({'numpy', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
