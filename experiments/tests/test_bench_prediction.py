"""What more cores would give: the schedule of pieces, and the recording of a step."""

import numpy as np
import pytest

import scratch
from experiments.bench.prediction import predicted, record, schedule
from scratch import threads


@pytest.mark.parametrize(
    ("pieces", "cores", "wake", "end"),
    [
        ([1, 1, 1, 1], 1, 0, 4),
        ([1, 1, 1, 1], 2, 0, 2),
        ([1, 1, 1, 1], 64, 0, 1),
        ([1, 1, 1], 2, 0, 2),
        ([1, 1, 1, 1], 2, 1, 3),  # the other thread comes when the first piece is done
        ([1, 1], 2, 5, 2),  # it comes too late
        ([3, 1, 1, 1], 2, 0, 3),
    ],
)
def test_a_piece_goes_to_the_first_thread_that_is_free(pieces, cores, wake, end):
    assert schedule(pieces, cores, wake) == end


def test_a_step_is_recorded_piece_by_piece_on_one_thread():
    x = np.ones((4096, 512), np.float32)
    layer = scratch.nn.LayerNorm(512)
    before = threads._pool
    recording = record(lambda: layer(x), repeats=3)
    assert threads._pool is before
    assert [len(pieces) for pieces in recording.shared] == [8]
    assert 0 < recording.serial < recording.seconds
    one, eight, many = (predicted(recording, cores, 0) for cores in (1, 8, 64))
    assert one == pytest.approx(recording.seconds)
    assert eight == many < one  # there are eight pieces
    assert predicted(recording, 64, 0, floor=1e9) == 1e9
