"""SIGKILL while MNIST is downloaded: no half file under the name, no heap of what was begun."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.tests import mirrors as play
from experiments.tests.mirrors import Mirrors
from experiments.tests.small_mnist import NAMES
from parity_tests.tests import patience

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
TIMES = 50

# Processes are forked from one that has imported everything, so that a kill costs milliseconds.
KILLS = """
import json, os, random, signal, sys, time
from pathlib import Path
from experiments.training import data
from experiments.tests.small_mnist import CONTENTS, FILES, assert_right
from torch_impl.files import whole as files

cache, mirror, times = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
data.FILES = FILES
die = lambda *ignored: os.kill(os.getpid(), signal.SIGKILL)

def download(prepare=None):
    if prepare:
        prepare()
    data.mnist(mirrors=[mirror], cache=cache, timeout=600, limit=1200)

def forked(prepare=None):
    process = os.fork()
    if process == 0:
        try:
            download(prepare)
        finally:
            os._exit(0)
    return process

def left():
    "What lies in the cache; whatever has a file's name must be that file."
    found = sorted(path.name for path in cache.iterdir() if path.name != ".lock")
    for file in FILES:
        if f"{file.name}.gz" in found:
            data._read(cache / f"{file.name}.gz", file)
    return found

def emptied():
    for path in cache.glob("*.gz"):
        path.unlink()

def patched(name):
    return lambda: setattr(files.os, name, die)

def after_half(real=files.write_whole):
    def write_half(path, write):
        real(path, lambda stream: (stream.write(b"half"), stream.flush(), die()))
    data.write_whole = write_half

start = time.monotonic()
os.waitpid(forked(), 0)
whole = time.monotonic() - start
assert len(left()) == 4
killed, heaps = 0, []
random.seed(0)
exact = [after_half, patched("fsync"), patched("replace")]
for i in range(times):
    emptied()
    process = forked(exact[i] if i < len(exact) else None)
    if i >= len(exact):
        time.sleep(random.uniform(0, whole))
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    killed += os.WIFSIGNALED(status)
    heaps.append([name for name in left() if not name.endswith(".gz")])
download()
print(json.dumps({"killed": killed, "heaps": heaps, "left": left()}))
"""


@pytest.fixture
def mirrors() -> Iterator[Mirrors]:
    served = Mirrors()
    yield served
    served.close()


def test_kills_leave_whole_files_and_no_heap(mirrors: Mirrors, tmp_path: Path) -> None:
    (url,) = mirrors(play.slow)
    command = [sys.executable, "-W", "ignore", "-c", KILLS, str(tmp_path), url, str(TIMES)]
    done = patience.run(command)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["killed"] >= 3  # at the three exact moments; by chance a download may have ended before its kill
    assert any(result["heaps"])  # killed between opening a file and naming it
    for heap in result["heaps"]:  # at most one begun file of each name
        assert len({name.split(".part")[0] for name in heap}) == len(heap)
    assert result["left"] == sorted(f"{name}.gz" for name in NAMES)
    print(f"{result['killed']} downloads killed")
