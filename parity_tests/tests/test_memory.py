"""Memory that a training step frees is there for the next one; what a host program frees goes back to the system."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

STEPS = """
import resource
import numpy as np
import scratch

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

net = scratch.nn.Sequential(*(scratch.nn.Conv2d(16, 16, 3, padding=1) for _ in range(4)))
x = np.ones((64, 16, 14, 14), np.float32)
for step in range(8):
    if step == 3:
        before = faults()
    y = net(x)
    net.backward(y)
print((faults() - before) // 5)
"""


HOST = """
import sys
import numpy as np

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20

def load():
    large, small = [], []
    for _ in range(200):
        large.append(np.ones(2**20, np.float32))
        small.append(np.ones(2**11, np.float32))
    return small

def train():
    net = scratch.nn.Sequential(scratch.nn.Linear(64, 64), scratch.nn.ReLU(), scratch.nn.Linear(64, 8))
    optimizer = scratch.optim.Adam(net.parameters())
    for _ in range(5):
        optimizer.zero_grad()
        net.backward(net(np.ones((32, 64), np.float32)))
        optimizer.step()
    return net, optimizer

if sys.argv[1] != "alone":
    import scratch
    if sys.argv[1] == "trained":
        train()
    if sys.argv[1] == "while training":
        alive = train()
before = resident()
kept = load()
print(resident() - before)
"""
GLIBC = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="about the C library of most of Linux")


def grown_by(how):
    """MiB that a program still holds after it has freed 200 arrays of 4 MiB between small ones."""
    command = [sys.executable, "-c", HOST, how]
    found = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    return float(found.stdout)


@GLIBC
@pytest.mark.parametrize("how", ["alone", "imported", "trained"])
def test_a_host_program_gets_rid_of_what_it_frees(how):
    assert grown_by(how) < 64


@GLIBC
def test_while_a_network_is_trained_memory_is_kept():
    """Else the tests above would show nothing."""
    assert grown_by("while training") > 400


@GLIBC
def test_a_step_gets_the_pages_that_the_step_before_gave_back():
    """Each step would fault in thousands of pages otherwise."""
    found = subprocess.run([sys.executable, "-c", STEPS], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert int(found.stdout) < 300, found.stderr
