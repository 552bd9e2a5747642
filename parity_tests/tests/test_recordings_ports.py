"""Ports of an MLP in C and in JavaScript: exported, answered, judged; correct, and with planted mistakes."""

import json
import shutil
from pathlib import Path

import pytest

from parity_tests.tests import patience
from parity_tests.tests.recorded import COMPILER, NODE, compare, models, run_vectors

PORTS = Path(__file__).parent / "mlp"
C = {  # where a mistake lies, what diverges first, and the name of its cause
    "no-bias": ("fc2", "output", "missing-bias"),
    "transposed": ("fc1", "output", "transposed-weight"),
    "mean-gradient": ("fc2", "grad weight", "factor"),
    "slope-at-zero": ("act", "grad input at kinks and ties", "kink"),
}
JAVASCRIPT = {
    "leaky": ("act", "output in float64", "other-activation"),
    "double-bias": ("fc1", "output in float64", "double-bias"),
    "half-gradient": ("fc2", "grad weight in float64", "factor"),
    "no-mask": ("act", "grad input in float64", "passed-on"),
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ports")
    done = run_vectors("export", f"{models(folder)}:mlp", folder / "mlp", "--input", "5,6")
    assert done.exit_code == 0, done.output
    (folder / "mlp" / "answers").mkdir()
    return folder


@pytest.fixture
def folder(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "copy")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    program = tmp_path_factory.mktemp("c") / "mlp"
    made = patience.run([*COMPILER, "-std=c99", "-O2", "-Wall", "-Werror", "-o", program, PORTS / "mlp.c"])
    assert made.returncode == 0, made.stderr
    return program


def judged(folder, *command):
    ran = patience.run([*command])
    assert ran.returncode == 0, ran.stderr
    report = folder / "report.json"
    done = compare(folder / "mlp", f"{folder}/models.py:mlp", "--json", report, "--html", folder / "report.html")
    return done, json.loads(report.read_text())


def located(found, where, what, cause):
    done, report = found
    assert done.exit_code == 1, done.output
    first = report["first_divergence"]
    assert (first["where"], first["what"]) == (where, what), done.output
    assert (report["cause"] or {"name": ""})["name"] == cause, done.output


@pytest.mark.parametrize("compiler", COMPILER)
def test_a_port_in_c_agrees(compiler, compiled, folder):
    done, report = judged(folder, compiled, folder / "mlp")
    assert done.exit_code == 0, done.output
    assert report["not_compared"] == []
    checked = run_vectors("check", folder / "mlp", "--all")
    assert checked.exit_code == 0, checked.output
    assert "5 rows, 18 results, 0 failed" in checked.output


@pytest.mark.parametrize("compiler", COMPILER)
@pytest.mark.parametrize("mistake", C)
def test_a_mistake_in_c_is_located_and_named(compiler, compiled, folder, mistake):
    located(judged(folder, compiled, folder / "mlp", mistake), *C[mistake])
    checked = run_vectors("check", folder / "mlp")
    assert checked.exit_code == 1
    assert f"  {C[mistake][0]} (" in checked.output.split("First divergence")[1]


@pytest.mark.parametrize("compiler", COMPILER)
def test_a_port_that_has_forward_alone(compiler, compiled, folder):
    done, report = judged(folder, compiled, folder / "mlp", "forward")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[1].startswith("not compared: gradients of 5 calls, not answered: fc1 (Linear), ")
    assert len(report["measurements"]) == 5


@pytest.mark.parametrize("node", NODE)
def test_a_port_in_javascript_agrees(node, folder):
    done, report = judged(folder, node, PORTS / "mlp.mjs", folder / "mlp")
    assert done.exit_code == 0, done.output
    assert report["not_compared"] == []
    assert run_vectors("check", folder / "mlp").exit_code == 0


@pytest.mark.parametrize("node", NODE)
@pytest.mark.parametrize("mistake", JAVASCRIPT)
def test_a_mistake_in_javascript_is_located_and_named(node, folder, mistake):
    located(judged(folder, node, PORTS / "mlp.mjs", folder / "mlp", mistake), *JAVASCRIPT[mistake])
