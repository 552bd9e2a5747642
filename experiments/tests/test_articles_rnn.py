"""The plain recurrent network beside LSTM and GRU: gradients that vanish, explode and are kept."""

from pathlib import Path
from typing import Any

import pytest

import scratch
from experiments.articles import rnn
from experiments.articles.twin import SCRATCH, TWINS, on_both


def test_a_short_replay_has_all_but_the_memory(tmp_path: Path) -> None:
    found = rnn.run(tmp_path, updates=4)
    wrong = [one.what for one in (*found.figures, *found.checks) if one.ok is False]
    assert wrong == ["LSTM, forget bias 4: squared error, last fifth of the updates"]
    assert [path.name for path, _ in found.plots] == ["gradients.png", "memory.png", "graph.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path, _ in found.plots)
    assert all(one.part for one in found.figures)


def test_an_open_forget_gate_remembers() -> None:
    """Scratch alone, to the point where the error has halved."""
    errors = rnn.remember(SCRATCH, rnn.NETS["LSTM, forget bias 4"], 60)
    assert errors[-10:].mean() < 0.5 * errors[:10].mean()
    assert rnn.remember(SCRATCH, rnn.NETS["LSTM"], 60)[-10:].mean() > 0.7


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
def test_a_gradient_is_no_longer_than_its_bound(twin: Any) -> None:
    size = rnn.lengths(twin, rnn.NETS["RNN"])
    assert len(size) == rnn.BACK + 1
    assert size[0] == 1
    assert size[-1] < rnn.lengths(twin, rnn.NETS["LSTM"])[-1] < rnn.lengths(twin, rnn.NETS["LSTM, forget bias 4"])[-1]
    long = rnn.lengths(twin, rnn.EXPLODING, 1e-14)
    assert 1e6 < long[-1] < 10 * rnn.LONG**rnn.BACK


def test_a_backward_that_forgets_the_state_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = scratch.nn.GRU.backward
    monkeypatch.setattr(scratch.nn.GRU, "backward", lambda self, dy, dh: tuple(1.01 * d for d in right(self, dy, dh)))
    wrong = [check.what for check in rnn.checks() if not check.ok]
    assert wrong == ["GRU: through six steps, scratch"]
    rows = rnn.gradient_figures({"GRU": on_both(lambda twin: rnn.lengths(twin, rnn.NETS["GRU"]))})
    assert rows[1].what == "GRU: lengths apart"
