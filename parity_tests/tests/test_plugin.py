"""The plugin in a suite of its own: what agrees passes, what parts fails with the report's text."""

import sys
from pathlib import Path

from parity_tests.tests import patience

pytest_plugins = "pytester"

SUITE = """
import numpy as np
import torch

import scratch

X = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)


class Shifted(scratch.nn.Linear):
    def forward(self, x):
        return super().forward(x) + np.float32(1e-3)


def test_same(assert_parity):
    assert assert_parity(scratch.nn.Linear(5, 3), torch.nn.Linear(5, 3), X).ok


def test_shifted(assert_parity):
    assert_parity(Shifted(5, 3), torch.nn.Linear(5, 3), X)


def test_options_reach_compare(assert_parity):
    assert_parity(scratch.nn.Linear(5, 3), torch.nn.Linear(5, 3), X, parameters="no such way")
"""


def test_assert_parity(pytester):
    """`-p` brings the plugin, installed or not; where it is installed, its entry point is switched off."""
    pytester.makepyfile(SUITE)
    result = pytester.runpytest_inprocess("-p", "no:nn_parity", "-p", "parity_tests.plugin", "-p", "no:randomly")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            "DIVERGENCE  Shifted* diverge at *output*",
            "*First divergence*",
            "*CompareError: compare: parameters must be*no such way*",
        ]
    )
    assert "parity_tests/plugin.py" not in result.stdout.str().split("test_options_reach_compare")[0], (
        "a traceback hides the report"
    )


def test_loading_the_plugin_does_not_load_torch():
    code = "import sys, parity_tests.plugin; sys.exit('torch' in sys.modules)"
    assert patience.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
