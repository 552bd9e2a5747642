"""Images moved and turned: exact where that can be, and the same for both engines."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import scratch
from experiments.training.augment import Augmentation, move
from experiments.training.config import Config
from experiments.training.data import Part
from experiments.training.driven import DrivenScratch, DrivenTorch

IMAGES = np.random.default_rng(0).random((4, 7, 7), dtype=np.float32)
ZERO = np.zeros(4, np.int64)


def test_whole_pixels_are_copied_and_what_comes_in_is_black() -> None:
    np.testing.assert_array_equal(move(IMAGES, ZERO, ZERO, np.zeros(4)), IMAGES)
    moved = move(IMAGES, ZERO + 1, ZERO - 2, np.zeros(4))
    np.testing.assert_array_equal(moved[:, 1:, :-2], IMAGES[:, :-1, 2:])
    assert not moved[:, 0].any()
    assert not moved[:, :, -2:].any()
    assert not move(IMAGES, ZERO + 9, ZERO, np.zeros(4)).any()
    assert moved.dtype == np.float32


def test_a_quarter_turn_is_rot90_counterclockwise() -> None:
    turned = move(IMAGES, ZERO, ZERO, np.full(4, np.pi / 2))
    np.testing.assert_allclose(turned, np.rot90(IMAGES, 1, (1, 2)), atol=1e-6)


def test_half_a_pixel_is_the_mean_of_two() -> None:
    """A turn by a small angle mixes neighbors; against the formula at one pixel."""
    angle = 0.1
    turned = move(IMAGES, ZERO, ZERO, np.full(4, angle))
    row, column = 1 - 3, 4 - 3
    v, u = np.cos(angle) * row + np.sin(angle) * column + 3, np.cos(angle) * column - np.sin(angle) * row + 3
    i, j = int(v), int(u)
    a, b = v - i, u - j
    x = IMAGES.astype(np.float64)
    expected = (1 - a) * ((1 - b) * x[:, i, j] + b * x[:, i, j + 1]) + a * (
        (1 - b) * x[:, i + 1, j] + b * x[:, i + 1, j + 1]
    )
    np.testing.assert_allclose(turned[:, 1, 4], expected, rtol=1e-6)


def test_draws_stay_within_their_limits_and_fill_them() -> None:
    down, right, angle = Augmentation(2, 15.0).draw(5000, scratch.Generator().manual_seed(0))
    assert sorted(set(down)) == sorted(set(right)) == [-2, -1, 0, 1, 2]
    assert np.rad2deg(np.abs(angle)).max() <= 15
    assert np.rad2deg(angle).min() < -14
    assert np.rad2deg(angle).max() > 14
    assert not Augmentation()
    assert Augmentation(rotate=1.0)


@pytest.mark.parametrize("seed", [0, 1])
def test_both_engines_move_alike_and_every_epoch_anew(seed: int) -> None:
    part = Part(np.repeat(IMAGES, 5, axis=0), np.arange(20) % 10)
    readers = [e.batches(part, 6, seed, True, Augmentation(1, 10.0)) for e in (DrivenScratch(), DrivenTorch())]
    epochs = []
    for _ in range(2):
        a, b = (list(reader) for reader in readers)
        assert all(torch.equal(x, y) for p, q in zip(a, b, strict=True) for x, y in zip(p, q, strict=True))
        epochs.append(torch.cat([batch[0] for batch in a]))
    assert not torch.equal(*epochs)


def test_only_training_images_are_moved() -> None:
    from experiments.training.prepared import prepare

    data, judge, _ = prepare(replace(Config(), shift=2, rotate=20.0))
    (images, _), *_ = DrivenScratch().batches(judge, 1000, 0, shuffle=False)
    np.testing.assert_array_equal(images.numpy(), data.test.images)
