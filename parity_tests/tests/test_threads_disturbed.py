"""Threads while they are disturbed: errors, forks, exits, and a number that changes meanwhile."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import scratch
from scratch import memory, threads

MANY = 10**9  # numbers: always worth sharing out
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@pytest.fixture(autouse=True)
def the_same_number_afterwards():
    before = scratch.get_num_threads()
    yield
    scratch.set_num_threads(before)


def serving():
    return sum(thread.name == "scratch" for thread in threading.enumerate())


def run(code, **environment):
    """What a fresh interpreter prints."""
    found = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, timeout=60
    )
    assert not found.stderr, found.stderr
    return found.stdout.strip()


# --- errors -----------------------------------------------------------------------------------------------------------


def test_of_several_errors_the_first_piece_s_is_raised_as_by_one_thread():
    def work(i):
        if i == 1:
            time.sleep(0.01)
        if i > 0:
            raise ValueError(i)

    for number in (1, 2, 3):
        scratch.set_num_threads(number)
        with pytest.raises(ValueError, match=r"^1$"):
            threads.share(work, range(4), MANY)


def test_after_an_error_no_further_piece_is_begun():
    scratch.set_num_threads(2)
    begun = []

    def work(i):
        begun.append(i)
        if i == 0:
            raise ZeroDivisionError
        time.sleep(0.001)

    with pytest.raises(ZeroDivisionError):
        threads.share(work, range(1000), MANY)
    assert len(begun) < 100


def test_numpy_warns_or_raises_as_the_caller_has_it():
    def work(i):
        time.sleep(0.002)  # so that each thread gets some
        return threading.current_thread().name, np.geterr()

    scratch.set_num_threads(3)
    with np.errstate(divide="raise", over="print"):
        found = threads.share(work, range(12), MANY)
        assert all(state == np.geterr() for _, state in found)
    assert "scratch" in {name for name, _ in found}, "hardly anything was shared out: the test shows nothing"


# --- the number changes -----------------------------------------------------------------------------------------------


def test_the_number_may_change_while_others_compute():
    """A pool that is stopped while it starts a thread would wait for that thread for ever."""
    wrong, stop = [], threading.Event()

    def computing():
        while not stop.is_set():
            if threads.share(str, range(5), MANY) != ["0", "1", "2", "3", "4"]:
                wrong.append("results")

    def changing(k):
        for i in range(150):
            scratch.set_num_threads(1 + (i + k) % 4)

    own = [threading.Thread(target=computing, daemon=True) for _ in range(3)]
    others = [threading.Thread(target=changing, args=(k,), daemon=True) for k in range(2)]
    for thread in own + others:
        thread.start()
    for thread in others:
        thread.join(30)
    stop.set()
    for thread in own:
        thread.join(30)
    assert not any(thread.is_alive() for thread in own + others), "a thread waits for ever"
    scratch.set_num_threads(1)
    assert serving() == 0
    assert not wrong


def test_a_pool_that_ends_while_it_starts_a_thread_waits_for_no_one(monkeypatch):
    pool = threads._Pool(3)
    start = threading.Thread.start

    def slow(self):
        start(self)
        if self.name == "scratch":
            time.sleep(0.05)

    monkeypatch.setattr(threading.Thread, "start", slow)
    caller = threading.Thread(target=lambda: pool.share(str, range(5)), daemon=True)
    caller.start()
    time.sleep(0.02)
    ender = threading.Thread(target=pool.stop, daemon=True)
    ender.start()
    ender.join(5)
    caller.join(5)
    assert not ender.is_alive()
    assert not caller.is_alive()
    assert pool.share(str, range(5)) == ["0", "1", "2", "3", "4"], "a pool that has ended computes alone"
    assert serving() == 0


def test_the_number_may_change_within_a_piece():
    scratch.set_num_threads(3)

    def work(i):
        time.sleep(0.01)
        scratch.set_num_threads(2)
        return i

    assert threads.share(work, range(6), MANY) == list(range(6))
    assert scratch.get_num_threads() == 2


def test_a_forward_hook_may_change_the_number():
    class Changing(scratch.nn.GELU):
        def forward(self, x):
            y = super().forward(x)
            scratch.set_num_threads(1 if scratch.get_num_threads() > 1 else 3)
            return y

    x = np.random.default_rng(0).standard_normal(2**20).astype(np.float32)
    found = []
    for number in (1, 2):
        scratch.set_num_threads(number)
        layer = Changing()
        found.append((layer(x), layer.backward(np.ones_like(x))))
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


def test_no_more_threads_are_started_than_there_are_pieces():
    scratch.set_num_threads(10**9)
    assert threads.share(str, range(4), MANY) == ["0", "1", "2", "3"]
    assert serving() == 3


def test_without_further_threads_the_caller_computes_alone(monkeypatch):
    def refused(self):
        raise RuntimeError("can't start new thread")

    scratch.set_num_threads(3)
    monkeypatch.setattr(threading.Thread, "start", refused)
    assert threads.share(str, range(4), MANY) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("text", ["abc", "0", "-1", "1e9", "2.0", "²", pytest.param("9" * 5000, id="9...")])
def test_a_number_in_the_environment_that_is_none_is_refused(text):
    code = "try:\n import scratch\nexcept RuntimeError as error:\n print(error)"
    assert "SCRATCH_NUM_THREADS must be a positive int" in run(code, SCRATCH_NUM_THREADS=text)


def test_openmp_s_number_is_read_as_torch_reads_it():
    code = "import scratch; print(scratch.get_num_threads())"
    bare = {"SCRATCH_NUM_THREADS": ""}
    assert run(code, OMP_NUM_THREADS="3,2", **bare) == "3"
    cores = run(code, OMP_NUM_THREADS="", **bare)
    for text in ("²", "abc", "0", "-1"):
        assert run(code, OMP_NUM_THREADS=text, **bare) == cores


# --- the process ------------------------------------------------------------------------------------------------------

AT_EXIT = """
import atexit, numpy as np
def last():
    print(float(scratch.nn.GELU()(np.ones(2**20, np.float32)).sum()) > 0)
{before}
import scratch
{after}
scratch.set_num_threads(3)
{used}
"""


@pytest.mark.parametrize("used", ["", "scratch.nn.GELU()(np.ones(2**20, np.float32))"])
@pytest.mark.parametrize("order", ["before", "after"])
def test_what_is_computed_at_exit(order, used):
    """Its own handler was registered before scratch's, or after it; threads had been started, or not."""
    lines = {"before": "", "after": "", order: "atexit.register(last)", "used": used}
    assert run(AT_EXIT.format(**lines)) == "True"


def test_an_exit_while_threads_compute():
    code = """
import threading, time, scratch
from scratch import threads
scratch.set_num_threads(3)
def forever():
    while True:
        threads.share(lambda i: time.sleep(0.001), range(8), 10**9)
threading.Thread(target=forever, daemon=True).start()
time.sleep(0.05)
print("ended")
"""
    assert run(code) == "ended"


@forks
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.parametrize("lock", ["memory", "parameter", "threads", "pool"])
def test_a_child_may_train_though_a_thread_of_its_parent_held_a_lock(lock):
    from scratch.nn import parameter

    held = {
        "memory": lambda: memory._lock, "parameter": lambda: parameter._adding, "threads": lambda: threads._holding,
        "pool": lambda: threads._pool.starting,
    }[lock]()  # fmt: skip
    scratch.set_num_threads(2)
    inside, release = threading.Event(), threading.Event()

    def hold():
        with held:
            inside.set()
            release.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    inside.wait(10)
    child = multiprocessing.get_context("fork").Process(target=_train)
    try:
        child.start()
        child.join(20)
        ended = child.exitcode
    finally:
        release.set()
        holder.join()
        child.kill()
        child.join()
    assert ended == 0


def _train():
    layer = scratch.nn.Linear(300, 1000)
    layer(np.ones((256, 300), np.float32))
    layer.backward(np.ones((256, 1000), np.float32))
    threads.share(str, range(4), MANY)


@forks
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_workers_of_torch_s_loader_compute():
    import torch.utils.data

    scratch.set_num_threads(2)
    expected = [Computing()[i] for i in range(4)]
    loader = torch.utils.data.DataLoader(Computing(), batch_size=None, num_workers=2)
    assert [float(value) for value in loader] == expected


class Computing:
    """A data set whose items scratch computes."""

    def __len__(self):
        return 4

    def __getitem__(self, i):
        return float(scratch.nn.GELU()(np.full(2**20, i, np.float32)).sum())


# --- layers -----------------------------------------------------------------------------------------------------------


def test_a_cotangent_by_name():
    scratch.set_num_threads(2)
    layer, x = scratch.nn.GELU(), np.linspace(-3, 3, 2**20, dtype=np.float32)
    layer(x)
    expected = layer.backward(x)
    layer(x)
    assert np.array_equal(layer.backward(dy=x), expected)


def test_a_backward_of_the_user_s_own_takes_what_the_layer_saves():
    class Doubled(scratch.nn.GELU):
        def backward(self, dy):
            return 2 * self.take(dy) * dy

    layer, x = Doubled(), np.linspace(-3, 3, 2**20, dtype=np.float32)
    found = []
    for number in (1, 2):
        scratch.set_num_threads(number)
        layer(x)
        found.append(layer.backward(np.ones_like(x)))
    assert np.array_equal(*found)


@pytest.mark.parametrize("make", [lambda x: x.T, lambda x: x[::2], lambda x: x[:, ::-1], lambda x: x[:0]])
def test_arrays_that_are_no_single_piece_of_memory(make):
    x = np.random.default_rng(0).standard_normal((2048, 1024)).astype(np.float32)
    found = []
    for number in (1, 3):
        scratch.set_num_threads(number)
        layer = scratch.nn.SiLU()
        found.append((layer(make(x)), layer.backward(make(x))))
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


def test_without_an_openblas_to_tell(monkeypatch):
    """As with Accelerate or MKL."""
    monkeypatch.setattr(threads, "_blas", None)
    scratch.set_num_threads(2)
    _train()
    assert not threads.holds_blas()
