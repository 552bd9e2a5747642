"""Threads: the same bits for any number of them, and a pool that survives errors, forks and being changed."""

import ast
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import scratch
from parity_tests.checks.optimizer import OptimizerCheck
from parity_tests.checks.sides import ScratchSide, draw, generator
from parity_tests.engine import SCRATCH
from parity_tests.table import TABLE
from parity_tests.table.row import Layer, Optimizer
from scratch import products, threads
from scratch.nn.activation import elementwise, gelu
from scratch.nn.attention import scaled_dot_product
from scratch.nn.conv import correlation, lines, plan
from scratch.nn.normalization import normalize, rows
from scratch.nn.pooling import max_pool
from scratch.nn.recurrent import chunks, rnn_base
from scratch.optim import flat
from scratch.random import normals

NUMBERS = (1, 2, 3, 7)
BLOCKS = {
    threads: {"WORTH": 1},
    products: {"SMALL": 64, "SMALL_VECTOR": 64, "LARGE": 64, "PIECE": 32, "NARROW": 2, "FLAT_WORK": 32},
    elementwise: {"BLOCK": 16, "LARGE": 32, "COSTLY": 32},
    gelu: {"BLOCK": 16},
    scaled_dot_product: {"BLOCK": 8},
    plan: {"TILE_BYTES": 512, "SAMPLES_BYTES": 512, "MAX_TILE_BYTES": 512},
    correlation: {"plan": plan.plan.__wrapped__},  # it keeps what it planned for a shape
    lines: {"SUMMED": 64},
    normalize: {"BLOCK": 16},
    rows: {"BLOCK": 16},
    max_pool: {"BLOCK": 16},
    chunks: {"LONG": 1, "MANY": 2, "ROWS": 1},
    rnn_base: {"STEP": 1},
    flat: {"BLOCK": 8, "SHARED": 8, "WORTH": 1},
    normals: {"BLOCK": 16},
}
FIRST = {row.name: row for row in reversed(TABLE)}


@pytest.fixture(autouse=True)
def the_same_number_afterwards():
    before = scratch.get_num_threads()
    yield
    scratch.set_num_threads(before)


@pytest.fixture
def tiny_blocks(monkeypatch):
    """Blocks so short that the arrays of the table are cut into several."""
    for module, sizes in BLOCKS.items():
        for name, size in sizes.items():
            monkeypatch.setattr(module, name, size)


@pytest.fixture
def shared(monkeypatch):
    """Counts what was shared out."""
    counts = []
    share = threads._Pool.share

    def counted(self, work, pieces, release=None):
        counts.append(len(pieces))
        return share(self, work, pieces, release)

    monkeypatch.setattr(threads._Pool, "share", counted)
    return counts


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k], equal_nan=a[k].dtype.kind == "f") for k in a)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", dict.fromkeys(row.name for row in TABLE if isinstance(row, Layer)))
def test_a_layer_has_the_same_bits(name, tiny_blocks):
    for row in (row for row in TABLE if isinstance(row, Layer) and row.name == name):
        inputs, call = draw((row.inputs, row.call), generator(row, 0, 0), np.dtype("float32"))
        found = []
        for number in NUMBERS:
            scratch.set_num_threads(number)
            found.append(ScratchSide(row, "float32", 7).run(inputs, call, seed=3))
        assert all(same(found[0], other) for other in found[1:]), row.label


@pytest.mark.parametrize("row", [r for r in FIRST.values() if isinstance(r, Optimizer)], ids=lambda r: r.name)
def test_an_optimizer_has_the_same_bits(row, tiny_blocks):
    found = []
    for number in NUMBERS:
        scratch.set_num_threads(number)
        found.append(OptimizerCheck(row, SCRATCH, SCRATCH).run(SCRATCH, "float32", 0))
    assert all(same(*pair) for other in found[1:] for pair in zip(found[0], other, strict=True))


def trained(steps=4):
    """The weights after some steps of a network whose arrays are large enough to be shared out as they are."""
    scratch.manual_seed(0)
    nn = scratch.nn
    net = nn.Sequential(
        nn.Conv2d(1, 8, 5), nn.BatchNorm2d(8), nn.GELU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1152, 512),
        nn.LayerNorm(512), nn.ReLU(), nn.Linear(512, 10),
    )  # fmt: skip
    criterion, optimizer = nn.CrossEntropyLoss(), scratch.optim.Adam(net.parameters(), lr=1e-3)
    x, labels = scratch.randn(256, 1, 28, 28), scratch.randint(0, 10, (256,))
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        losses.append(criterion(net(x), labels))
        net.backward(criterion.backward())
        optimizer.step()
    return {"losses": np.array(losses), **{name: array.copy() for name, array in net.state_dict().items()}}


def test_a_training_has_the_same_bits(shared):
    found = []
    for number in NUMBERS:
        scratch.set_num_threads(number)
        found.append(trained())
    assert all(same(found[0], other) for other in found[1:])
    assert len(shared) > 30 * 3, "hardly anything was shared out: the test shows nothing"


@pytest.mark.skipif(threads._blas is None, reason="this NumPy has no OpenBLAS whose threads can be told")
def test_blas_has_one_thread_inside_and_as_many_as_before_outside():
    get, put = threads._blas
    before = get()
    try:
        put(2)
        found = [trained(2)]
        assert get() == 2
        put(1)
        found.append(trained(2))
    finally:
        put(before)
    assert same(*found)
    with threads.one_blas_thread:
        assert get() == 1
        with threads.one_blas_thread:
            assert get() == 1
        assert get() == 1


def test_products_are_those_of_numpy(tiny_blocks):
    rng = np.random.default_rng(0)
    stacks = [((9, 2, 5), (5, 3)), ((4, 3, 5), (4, 5, 6)), ((1, 3, 5), (4, 5, 6)), ((2, 3, 4, 5), (3, 5, 2))]
    shapes = [((6, 5), (5, 7)), ((5,), (5, 9)), ((9, 5), (5,)), ((0, 5), (5, 3)), ((3, 0), (0, 4)), *stacks]
    for number in (1, 2):
        scratch.set_num_threads(number)
        for a, b in shapes:
            a, b = rng.normal(size=a), rng.normal(size=b)
            np.testing.assert_allclose(products.matmul(a, b), a @ b, rtol=0, atol=1e-13)
            out = np.empty((a @ b).shape)
            assert products.matmul(a, b, out=out) is out
            np.testing.assert_allclose(out, a @ b, rtol=0, atol=1e-13)
            transposed = np.swapaxes(np.ascontiguousarray(np.swapaxes(a, 0, -1)), 0, -1)
            np.testing.assert_allclose(products.matmul(transposed, b), a @ b, rtol=0, atol=1e-13)


def test_a_few_rows_times_the_transpose_of_a_weight(tiny_blocks):
    """BLAS is given the transposed product; rows are in their order afterwards, in memory too."""
    rng = np.random.default_rng(0)
    x, weight = (rng.normal(size=size).astype(np.float32) for size in ((3, 16), (9, 16)))
    expected = x.astype(np.float64) @ weight.T
    for number in (1, 2):
        scratch.set_num_threads(number)
        out = np.empty((3, 9), np.float32)
        assert products.matmul(x, weight.T, out=out) is out
        for y in (out, products.matmul(x, weight.T)):
            assert y.flags.c_contiguous
            np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5)


def test_results_come_in_order_and_nothing_is_nested():
    scratch.set_num_threads(3)
    nested = []

    def work(i):
        inner = threads.share(lambda j: threading.get_ident(), range(4), 10**9)
        nested.append(set(inner) == {threading.get_ident()})
        return i

    assert threads.share(work, range(50), 10**9) == list(range(50))
    assert all(nested)


def test_an_error_in_a_piece_is_raised_once_all_have_ended():
    scratch.set_num_threads(3)
    running = []

    def work(i):
        running.append(i)
        if i == 5:
            raise ZeroDivisionError("the fifth")
        running.remove(i)

    for _ in range(20):
        running.clear()
        with pytest.raises(ZeroDivisionError, match="the fifth"):
            threads.share(work, range(40), 10**9)
        assert running == [5]
    assert threads.share(str, range(3), 10**9) == ["0", "1", "2"]


@pytest.mark.parametrize("number", NUMBERS)
def test_one_thread_is_ahead_and_others_follow(number):
    """Each result is passed on as soon as it is there, and an error of the first ends the wait of the others."""
    scratch.set_num_threads(number)
    done = []

    def first(k):
        done.append(k)
        if k == 7:
            raise ValueError("the eighth")
        return 10 * k

    then = [lambda k, x: (k, x), lambda k, x: done.index(k)]
    assert chunks.one_after_another([3, 1, 2], first, then, 10**9) == [[(3, 30), 0], [(1, 10), 1], [(2, 20), 2]]
    with pytest.raises(ValueError, match="the eighth"):
        chunks.one_after_another([4, 7, 5], first, then, 10**9)
    assert done == [3, 1, 2, 4, 7]


def test_several_threads_of_the_host_may_compute_at_once():
    scratch.set_num_threads(2)
    expected, found = trained(1), []
    nets = [threading.Thread(target=lambda: found.append(_forward())) for _ in range(4)]
    alone = _forward()
    for thread in nets:
        thread.start()
    for thread in nets:
        thread.join()
    assert len(found) == 4
    assert all(np.array_equal(alone, other) for other in found)
    assert same(expected, trained(1))


def _forward():
    x = np.random.default_rng(0).standard_normal((64, 4, 28, 28)).astype(np.float32)
    conv = scratch.nn.Conv2d(4, 8, 5, generator=scratch.Generator().manual_seed(1))
    return scratch.nn.GELU()(conv(x))


def _in_a_child(queue):
    queue.put(trained(1))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_has_a_pool_of_its_own():
    scratch.set_num_threads(2)
    expected = trained(1)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_a_child, args=(queue,))
    child.start()
    found = queue.get()
    child.join()
    assert same(expected, found)


def test_fewer_threads_end_the_others():
    scratch.set_num_threads(4)
    threads.share(str, range(8), 10**9)
    assert sum(thread.name == "scratch" for thread in threading.enumerate()) == 3
    scratch.set_num_threads(1)
    assert not any(thread.name == "scratch" for thread in threading.enumerate())


@pytest.mark.parametrize("num", [0, -1])
def test_a_number_below_one_is_refused(num):
    with pytest.raises(RuntimeError, match=f"num must be positive, got {num}"):
        scratch.set_num_threads(num)


@pytest.mark.parametrize("num", [2.0, "2", None, True])
def test_what_is_no_int_is_refused(num):
    with pytest.raises(TypeError, match="num must be an int"):
        scratch.set_num_threads(num)


def asked(**environment):
    names = ("SCRATCH_NUM_THREADS", "OMP_NUM_THREADS")
    env = {name: value for name, value in os.environ.items() if name not in names} | environment
    command = [sys.executable, "-c", "import scratch; print(scratch.get_num_threads())"]
    return subprocess.run(command, env=env, capture_output=True, text=True)


def test_the_first_number_comes_from_the_environment_or_the_cores():
    assert asked(SCRATCH_NUM_THREADS="3", OMP_NUM_THREADS="5").stdout.strip() == "3"
    assert asked(OMP_NUM_THREADS="5").stdout.strip() == "5"
    cores = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))(0)
    assert asked().stdout.strip() == str(len(cores))
    assert "SCRATCH_NUM_THREADS must be a positive int, got 'many'" in asked(SCRATCH_NUM_THREADS="many").stderr


def test_every_product_of_scratch_goes_through_one_file():
    """A product elsewhere would leave its threads, and so its bits, to BLAS."""
    found = []
    for path in Path(scratch.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            by_operator = isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.MatMult)
            by_name = (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "np"
                and node.attr in ("matmul", "dot", "inner", "vdot", "tensordot", "outer", "matvec", "vecmat")
            )
            if (by_operator or by_name) and path.name != "products.py":
                found.append(f"{path.name}:{node.lineno}")
    assert not found, f"use scratch.products.matmul or dot: {found}"


def test_an_interrupt_between_two_pieces_lets_those_go_that_wait_for_the_first(monkeypatch):
    scratch.set_num_threads(2)
    caller, take = threading.get_ident(), threads._Job.take

    def interrupted(job):
        if threading.get_ident() == caller:
            job.left.popleft()
            while len(job.left) == 3:  # until another thread waits for what will not come
                time.sleep(0.001)
            raise KeyboardInterrupt
        take(job)

    monkeypatch.setattr(threads._Job, "take", interrupted)
    with pytest.raises(KeyboardInterrupt):
        chunks.one_after_another(range(3), lambda i: i, (lambda i, x: x,), 10**9)
