"""Memory that a training step frees is there for the next one."""

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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="about the C library of most of Linux")
def test_a_step_gets_the_pages_that_the_step_before_gave_back():
    """Each step would fault in thousands of pages otherwise."""
    found = subprocess.run([sys.executable, "-c", STEPS], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert int(found.stdout) < 300, found.stderr
