"""The plugin in a suite of its own: what agrees passes, what parts fails with the report's text."""

import sys
import tomllib
from pathlib import Path

import pytest

pytest_plugins = "pytester"

SUITE = """
import numpy as np
import torch

import scratch

X = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)


class Layer(scratch.nn.Linear):
    shift = 0.0

    def forward(self, x):
        return super().forward(x) + np.float32(self.shift)


def test_same(assert_parity):
    assert assert_parity(Layer(5, 3), torch.nn.Linear(5, 3), X).ok


def test_shifted(assert_parity):
    layer = Layer(5, 3)
    layer.shift = 1e-3
    assert_parity(layer, torch.nn.Linear(5, 3), X)


def test_options_reach_compare(assert_parity):
    assert_parity(Layer(5, 3), torch.nn.Linear(5, 3), X, parameters="no such way")
"""


@pytest.fixture(scope="module")
def text(request, tmp_path_factory):
    """What a run of the suite prints. The plugin comes from -p, whether or not this project is installed."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "test_suite.py").write_text(SUITE)
    pytester = pytest.Pytester  # a run of its own process: torch is loaded there by the fixture alone
    del pytester
    import subprocess

    command = [sys.executable, "-m", "pytest", "-p", "no:nn_parity", "-p", "parity_tests.plugin", "-p", "no:cacheprovider", "."]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120).stdout
