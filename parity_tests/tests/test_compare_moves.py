"""Moves between layouts: the left's array from the right's, and for gradients the adjoint."""

from __future__ import annotations

import numpy as np
import pytest

from parity_tests.comparer.moves import Link

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("shapes", "moves", "own"),
    [
        ([(6, 4)], ("transpose",), (4, 6)),
        ([(5, 3, 2, 2)], ("permute 3 2 0 1",), (2, 2, 3, 5)),
        ([(12, 4)], ("rows 4:8", "transpose", "reshape"), (4, 2, 2)),
        ([(6,), (6,)], ("sum",), (6,)),
        ([(6,), (6,)], ("sum rows 0:4",), (6,)),
        ([(6, 3)], ("gates zrn",), (6, 3)),
        ([(2, 3), (4, 3)], ("concat",), (6, 3)),
        ([(6,), (6,)], ("gates zrn", "concat", "reshape"), (2, 6)),
    ],
)
def test_the_way_back_is_the_adjoint(shapes, moves, own):
    """<move(x), y> = <x, back(y)>, and what is covered is where back(y) can lie."""
    link = Link("own", tuple(f"right {i}" for i in range(len(shapes))), moves, shapes, own)
    link.check()
    assert link.result_shape() == own
    xs, y = [RNG.normal(size=shape) for shape in shapes], RNG.normal(size=own)
    backs = link.to_right(y)
    total = sum(float((x * part).sum()) for x, (part, _) in zip(xs, backs, strict=True))
    assert float((link.to_left(xs) * y).sum()) == pytest.approx(total)
    for part, covered in backs:
        assert not part[~covered].any()
        assert covered.shape == part.shape


def test_rows_of_the_second_are_added_to_the_first():
    first, second = np.arange(6.0), np.full(6, 10.0)
    link = Link("bias", ("bias_ih", "bias_hh"), ("sum rows 0:4",), [(6,), (6,)], (6,))
    assert link.to_left([first, second]).tolist() == [10, 11, 12, 13, 4, 5]
    (_, all_), (back, covered) = link.to_right(np.ones(6))
    assert all_.all()
    assert covered.tolist() == [True] * 4 + [False] * 2
    assert back.tolist() == [1, 1, 1, 1, 0, 0]
