"""Threads that are interrupted: by Ctrl-C, an alarm or a signal's handler, at any moment."""

import signal
import sys
import threading
import time

import pytest

import scratch
from scratch import threads
from scratch.nn.recurrent import chunks

MANY = 10**9  # numbers: always worth sharing out


@pytest.fixture(autouse=True)
def the_same_number_afterwards():
    before = scratch.get_num_threads()
    yield
    scratch.set_num_threads(before)


class Alarm(BaseException):
    """What the handler of a signal raises, as Ctrl-C does."""


@pytest.fixture
def alarm():
    """Interrupts the main thread after so many seconds."""

    def ring(*_):
        raise Alarm

    before = signal.signal(signal.SIGALRM, ring)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="this system has no alarm")
@pytest.mark.parametrize("seconds", [0.005, 0.02, 0.065])
def test_an_interrupt_is_raised_once_no_piece_is_running(alarm, seconds):
    """It falls into a piece of the main thread or, the last time, into its waiting for the others."""
    scratch.set_num_threads(3)
    running = []

    def work(i):
        running.append(i)
        try:
            time.sleep(0.01 if threading.current_thread() is threading.main_thread() else 0.1)
        finally:
            running.remove(i)

    threads.share(str, range(3), MANY)
    get = threads._blas[0] if threads._blas else lambda: 0
    blas = get()
    alarm(seconds)
    with pytest.raises(Alarm):
        threads.share(work, range(6), MANY)
    assert not running, "a thread still writes"
    assert not threads._here.sharing
    assert threads._holders == 0
    assert get() == blas
    assert threads.share(str, range(9), MANY) == [str(i) for i in range(9)]


def test_the_handler_of_a_signal_may_compute_while_threads_are_started(monkeypatch):
    scratch.set_num_threads(3)
    start, found = threading.Thread.start, []

    def interrupted(self):
        monkeypatch.setattr(threading.Thread, "start", start)
        found.append(threads.share(str, range(4), MANY))
        start(self)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    caller = threading.Thread(target=lambda: found.append(threads.share(str, range(5), MANY)), daemon=True)
    start(caller)
    caller.join(10)
    assert found == [["0", "1", "2", "3"], ["0", "1", "2", "3", "4"]]


def test_an_interrupt_while_blas_is_told_leaves_its_number(monkeypatch):
    number = [4]

    def put(n):
        number[0] = n
        if n == 1:
            raise Alarm

    monkeypatch.setattr(threads, "_blas", (lambda: number[0], put))
    with pytest.raises(Alarm), threads.one_blas_thread:
        pass
    assert number == [4]
    assert threads._holders == 0


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_interrupt_at_the_beginning_of_any_function(number):
    """None of them leaves a thread waiting for what will not come, not even itself."""
    scratch.set_num_threads(number)
    wrong, done = [], []

    def call():
        return chunks.one_after_another(range(3), lambda i: i, (lambda i, x: (i, x), lambda i, x: None), MANY)

    def interrupted(left):
        def trace(frame, event, argument):
            nonlocal left
            left -= 1
            if left == 0:
                raise Alarm

        sys.settrace(trace)
        try:
            call()
        except Alarm:
            return True
        finally:
            sys.settrace(None)
        return False

    def at_every_one():
        for left in range(1, 1000):
            if not interrupted(left):
                break
            threads._holders = 0  # only what begins before its block is undone
            if call() != [[(i, i), None] for i in range(3)]:
                wrong.append(left)
        done.append(left)

    expected = call()
    assert expected == [[(i, i), None] for i in range(3)]
    caller = threading.Thread(target=at_every_one, daemon=True)
    caller.start()
    caller.join(30)
    assert done, "a thread waits for ever"
    assert done[0] > 20, "hardly anything was interrupted: the test shows nothing"
    assert not wrong


def test_a_thread_that_an_interrupt_left_uncounted_ends_with_the_others(monkeypatch):
    pool = threads._Pool(2)
    start = threading.Thread.start

    def interrupted(self):
        monkeypatch.setattr(threading.Thread, "start", start)
        start(self)
        raise Alarm

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(Alarm):
        pool.share(str, range(4))
    assert pool.share(str, range(4)) == ["0", "1", "2", "3"]
    ender = threading.Thread(target=pool.stop, daemon=True)
    ender.start()
    ender.join(10)
    assert not ender.is_alive()
    time.sleep(0.1)
    assert all(thread.name != "scratch" for thread in threading.enumerate())
