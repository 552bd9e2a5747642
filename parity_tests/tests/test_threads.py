"""Threads and forks: what is one's own stays one's own, and what is shared is shared as in torch."""

import subprocess
import sys
import threading

import numpy as np
import pytest

import scratch


def train(seed, steps=40):
    """A small network from a generator of its own, trained and evaluated in turn: weights, losses, the stream."""
    generator = scratch.Generator().manual_seed(seed)
    nn, optim, data = scratch.nn, scratch.optim, scratch.data
    net = nn.Sequential(
        nn.Linear(5, 16, generator=generator), nn.BatchNorm1d(16), nn.GELU(), nn.Linear(16, 3, generator=generator)
    )
    optimizer, criterion = optim.Adam(net.parameters(), lr=0.01), nn.CrossEntropyLoss()
    x = scratch.randn(64, 5, generator=generator)
    dataset = data.TensorDataset(x, (x.sum(axis=1) > 0).astype(np.int64))
    losses = []
    for _ in range(steps // 8):
        for batch, labels in data.DataLoader(dataset, 8, shuffle=True, generator=generator):
            with scratch.no_grad():
                losses.append(float(criterion(net(batch), labels)))
            optimizer.zero_grad()
            criterion(net(batch), labels)
            net.backward(criterion.backward())
            optimizer.step()
    return [*(value.tobytes() for value in net.state_dict().values()), losses, generator.get_state().tobytes()]


@pytest.fixture
def busy_switching():
    """Threads take turns every few bytecodes, so that what they share by accident shows."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("busy_switching")
def test_trainings_in_threads_equal_the_same_trainings_alone():
    seeds = (1, 2, 3)
    alone = {seed: train(seed) for seed in seeds}
    together, start = {}, threading.Barrier(len(seeds))

    def work(seed):
        start.wait()
        together[seed] = train(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in seeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone
    assert len({state[-1] for state in alone.values()}) == len(seeds)


@pytest.mark.usefixtures("busy_switching")
def test_threads_that_share_a_model_get_its_gradients_as_alone():
    """Whole numbers, so that the sum of all gradients is exact in any order."""
    nn = scratch.nn
    net = nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 4), nn.Hardtanh(-1e6, 1e6))
    rng = np.random.default_rng(0)
    for parameter in net.parameters():
        parameter.data[...] = rng.integers(-3, 4, parameter.shape)
    threads, rounds = 6, 40
    inputs = rng.integers(-3, 4, (threads, rounds, 5, 6)).astype(np.float32)

    def work(number):
        found = []
        for x in inputs[number]:
            y = net(x)
            found.append((y, net.backward(np.sign(y))))
        return found

    alone = [work(number) for number in range(threads)]
    expected = [parameter.grad.copy() for parameter in net.parameters()]
    net.zero_grad()
    together = [None] * threads

    def run(number):
        together[number] = work(number)

    workers = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(
        np.array_equal(y, z) and np.array_equal(dx, dz)
        for ours, theirs in zip(together, alone, strict=True)
        for (y, dx), (z, dz) in zip(ours, theirs, strict=True)
    )
    assert all(np.array_equal(p.grad, g) for p, g in zip(net.parameters(), expected, strict=True))


def test_a_backward_may_run_in_another_thread_than_its_forward():
    layer, x = scratch.nn.Tanh(), np.ones((2, 3), np.float32)
    y = layer(x)
    found = []
    worker = threading.Thread(target=lambda: found.append(layer.backward(y)))
    worker.start()
    worker.join()
    layer(x)
    assert np.array_equal(found[0], layer.backward(y))
    with pytest.raises(RuntimeError, match="nothing saved"):
        layer.backward(y)


def test_a_generator_of_ones_own_leaves_the_global_one_alone():
    before = scratch.get_rng_state()
    train(1, steps=8)
    assert np.array_equal(scratch.get_rng_state(), before)


FORK = """
import os, sys, numpy as np, torch, scratch
scratch.manual_seed(3), torch.manual_seed(3)
scratch.randn(5), torch.randn(5)
read, write = os.pipe()
if os.fork() == 0:
    os.write(write, scratch.rand(4).tobytes() + torch.rand(4).numpy().tobytes())
    scratch.manual_seed(4)
    os.write(write, scratch.rand(4).tobytes())
    os._exit(0)
os.wait()
answer = np.frombuffer(os.read(read, 1000), np.float32).reshape(3, 4)
parent = scratch.rand(4)
assert np.array_equal(answer[0], answer[1]), "the child continues as torch's does"
assert np.array_equal(answer[0], parent), "the child's draws are a copy's: the parent's stream has not moved"
assert np.array_equal(parent, torch.rand(4).numpy())
assert not np.array_equal(answer[2], parent), "a child that seeds itself has a stream of its own"
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_fork_continues_a_copy_of_the_stream_as_torchs_does():
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORK], check=True)
