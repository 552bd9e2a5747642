"""What engineers who port models met first: schedules, strides, names of outputs, and causes that read right."""

import numpy as np
import pytest
import torch
from torch import nn

from parity_tests import compare
from parity_tests.tests.ports import X, agree, seeded

RNG = np.random.default_rng(11)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


# --- training with a schedule and with clipping -----------------------------------------------------------------------


class Scheduled(torch.optim.SGD):
    """Clips to a global norm, and halves its rate every second step."""

    def __init__(self, parameters, norm=0.5, scheduler=torch.optim.lr_scheduler.StepLR):
        self.all, self.norm = list(parameters), norm
        super().__init__(self.all, lr=0.1, momentum=0.9)
        self.schedule = scheduler(self, 2, 0.5)

    def step(self, closure=None):
        nn.utils.clip_grad_norm_(self.all, self.norm)
        super().step()
        self.schedule.step()


class ByHand:
    """The same in NumPy."""

    def __init__(self, parameters, norm=0.5, late=0):
        self.parameters, self.norm, self.late, self.lr, self.t = list(parameters), norm, late, 0.1, 0
        self.velocity = [np.zeros_like(p.data) for p in self.parameters]

    def step(self):
        size = np.sqrt(sum(float((p.grad.astype(np.float64) ** 2).sum()) for p in self.parameters))
        factor = np.float32(min(1, self.norm / (size + 1e-6)))
        rate = np.float32(self.lr * 0.5 ** ((self.t + self.late) // 2))
        self.t += 1
        for p, v in zip(self.parameters, self.velocity, strict=True):
            v[...] = np.float32(0.9) * v + factor * p.grad
            p.data -= rate * v


class Dense:
    def __init__(self, width, out):
        self.weight, self.bias = np.zeros((out, width), np.float32), np.zeros(out, np.float32)

    def forward(self, x):
        self._x = x
        return x @ self.weight.T + self.bias

    def backward(self, dy):
        self.dweight, self.dbias = dy.T @ self._x, dy.sum(0)
        return dy @ self.weight


Y = normal(5, 4)


@pytest.mark.parametrize(("options", "agrees"), [({}, True), ({"late": 1}, False), ({"norm": 5.0}, False)])
def test_an_optimizer_with_a_schedule_is_compared_step_by_step(options, agrees):
    """A scheduler of torch puts a function of its own in the place of the optimizer's step."""
    optimizers = (lambda p: ByHand(p, **options)), Scheduled
    report = compare(Dense(8, 4), nn.Linear(8, 4), X, Y, nn.MSELoss(), optimizers, 6)
    assert report.ok == agrees, str(report)
    assert not any("closure" in note for note in report.notes)
    assert {m.phase for m in report.measurements} >= {"step", "training"}


# --- inputs -----------------------------------------------------------------------------------------------------------

ARRAYS = {
    "backwards": X[::-1],
    "backwards within": X[:, ::-1],
    "transposed and backwards": X.T[::-1].T,
    "big-endian": X.astype(">f4"),
    "a window": np.lib.stride_tricks.sliding_window_view(normal(12), 8),
    "read-only": np.broadcast_to(X[0], (5, 8)),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_of_any_layout(name):
    agree(seeded(nn.Linear, 8, 4), seeded(nn.Linear, 8, 4), ARRAYS[name])
    assert not compare(Dense(8, 4), nn.Sequential(nn.Linear(8, 4), nn.Tanh()), ARRAYS[name]).ok


# --- names of outputs -------------------------------------------------------------------------------------------------


class Gives(nn.Module):
    def __init__(self, *names):
        super().__init__()
        self.a, self.b, self.names = nn.Linear(8, 4), nn.Linear(8, 2), names

    def forward(self, x):
        return dict(zip(self.names, (self.a(x), self.b(x)), strict=True))


def test_one_key_that_is_another_is_a_divergence():
    report = compare(seeded(Gives, "boxes", "classes"), seeded(Gives, "box", "classes"), X)
    assert not report.ok
    notes = " ".join(m.note for m in report.divergences)
    assert "the left has no output box" in notes
    assert "the right has no output boxes" in notes


def test_keys_that_are_all_others_go_by_order_and_are_named():
    report = agree(seeded(Gives, "alpha", "beta"), seeded(Gives, "logits", "size"))
    assert any("alpha as logits, beta as size" in note for note in report.notes), report.notes


# --- what a cause says ------------------------------------------------------------------------------------------------


class Two(nn.Module):
    """Code between two layers, of two inputs."""

    def __init__(self, code):
        super().__init__()
        self.a, self.b, self.code = nn.Linear(8, 4), nn.Linear(4, 3), code

    def forward(self, x, y):
        return self.b(self.code(self.a(x), y))


GRAPH = np.array([[0, 1, 0, 0, 1], [1, 0, 1, 0, 0], [0, 1, 0, 1, 0], [0, 0, 1, 0, 1], [1, 0, 0, 1, 0]], np.float32)
WORDS, SEEN = normal(5, 6, 4), (RNG.random((5, 6)) < 0.6).astype(np.float32)
SEEN[:, 0] = 1

CAUSES = {
    "a graph without its own nodes": (
        lambda h, a: a @ h,
        lambda h, a: (a + torch.eye(5)) @ h,
        GRAPH,
        "with the first part of the sum alone",
    ),
    "nothing is divided by the degree": (
        lambda h, a: a @ h,
        lambda h, a: (a / a.sum(1)[:, None]) @ h,
        GRAPH,
        "with 1 in the place of the sum",
    ),
    "another factor": (
        lambda h, a: a @ h * 4,
        lambda h, a: a @ h * 0.25,
        GRAPH,
        "with the factor 4, not 0.25",
    ),
    "the other input": (lambda h, y: y[:, 0], lambda h, y: h, WORDS, None),
}


@pytest.mark.parametrize("name", CAUSES)
def test_a_cause_says_what_it_is(name):
    left, right, given, text = CAUSES[name]
    report = compare(seeded(Two, left), seeded(Two, right), (X, given))
    assert not report.ok
    assert (text is None) == (report.cause is None), str(report)
    assert text is None or report.cause.text.startswith(text), str(report)


class Recurrent(nn.Module):
    def __init__(self, read):
        super().__init__()
        self.rnn, self.head, self.read = nn.GRU(8, 4, batch_first=True), nn.Linear(4, 3), read

    def forward(self, x):
        return self.head(self.read(self.rnn(x)[0]))


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (lambda y: y.mean(1), "with the mean over the steps of the output of rnn"),
        (lambda y: y.amax(1), "with the largest value over the steps of the output of rnn"),
    ],
)
def test_steps_that_are_pooled_where_the_last_is_wanted(read, text):
    report = compare(seeded(Recurrent, read), seeded(Recurrent, lambda y: y[:, -1]), normal(2, 5, 8))
    assert report.cause is not None, str(report)
    assert report.cause.text.startswith(text), str(report)


class Exchanged(nn.Module):
    def __init__(self, turned):
        super().__init__()
        self.a, self.b, self.turned = nn.Linear(8, 4), nn.Linear(8, 4), turned

    def forward(self, x, y):
        x, y = (y, x) if self.turned else (x, y)
        return self.a(x) * self.b(y)


def test_several_inputs_have_numbers():
    report = compare(seeded(Exchanged, True), seeded(Exchanged, False), (X, normal(5, 8)))
    assert report.cause.text == "with input 1 in the place of input 0"
