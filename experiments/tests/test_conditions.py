"""What the last bits of a run depend on is recorded, and a change is told when the run goes on."""

import json
import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from experiments.tests.crashes import crashed
from experiments.tests.small_runs import SMALL, STEPS
from experiments.training.conditions import changes, conditions
from experiments.training.run import resume
from scratch.threads import holds_blas

pytestmark = pytest.mark.usefixtures("no_pictures")


def test_other_threads_are_told_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    config = replace(SMALL, engine="torch", output=str(tmp_path))
    crashed(config, STEPS + 1)
    threads = torch.get_num_threads()
    with monkeypatch.context() as patch:
        patch.setattr(torch, "get_num_threads", lambda: threads + 1)
        result = resume(tmp_path)
    told = capfd.readouterr().err.splitlines()
    assert len(told) == 1
    assert f"resume: torch: torch threads {threads} before and {threads + 1} now. The last bits may differ" in told[0]
    assert result.ok
    conditions = json.loads((tmp_path / "metrics.json").read_text())["conditions"]
    assert conditions["torch"] == torch.__version__
    assert conditions["torch threads"] == threads + 1
    resume(tmp_path)
    assert capfd.readouterr().err == ""  # it has finished; nothing is computed


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the names of instructions are those of x86")
def test_what_the_last_bits_depend_on_is_recorded() -> None:
    """Each of these changes the bits of a sum or of a function on some processor."""
    dispatched = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    elsewhere = {
        "torch threads": {"OMP_NUM_THREADS": "3"},
        **({} if holds_blas() else {"NumPy threads": {"OPENBLAS_NUM_THREADS": "3"}}),
        "torch instructions": {"ATEN_CPU_CAPABILITY": "default"},
        "scratch streams": {"SCRATCH_ARCH": "aarch64"},
        "NumPy BLAS": {"OPENBLAS_CORETYPE": "Sandybridge"},
        **({"NumPy instructions": {"NPY_DISABLE_CPU_FEATURES": dispatched[-1]}} if dispatched else {}),
    }
    code = "import json; from experiments.training.conditions import conditions; print(json.dumps(conditions()))"
    settings = {name: value for one in elsewhere.values() for name, value in one.items()}
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **settings}, capture_output=True, check=True)
    here, there = conditions(), json.loads(done.stdout)
    text = changes(here, there)
    for what in elsewhere:
        assert f"{what} {here[what]} before and {there[what]} now" in text


@pytest.mark.parametrize("what", conditions())
def test_each_recorded_condition_is_told_when_it_changes(what: str) -> None:
    now = conditions()
    assert changes(now, now) == ""
    assert changes({**now, what: "other"}, now) == f"{what} other before and {now[what]} now"
    assert changes({name: value for name, value in now.items() if name != what}, now) == ""  # an older version's
