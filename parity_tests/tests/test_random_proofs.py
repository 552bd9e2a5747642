"""Proof instead of sampling: the float32 normal for every radius and every angle that torch can draw.

A float32 normal of 16 values or more is made of units k / 2^24. The rest of the kernel is IEEE multiplication and one
multiply-add, so if r = sqrt(-2 log(1 - u)) and (cos t, sin t) agree for all 2^24 units each, every normal agrees.
torch is made to compute them by states of its generator whose next words are the wanted ones: the tempering of mt19937
is undone, so that tempering gives the words back.
"""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from scratch import random
from scratch.random.mersenne import ROUND, STATE_LAYOUT
from scratch.random.normals import transformed

UNITS = 2**24
PER_STATE = 608  # whole rows of 16 in what a round has left after its first word


def untempered(words: np.ndarray) -> np.ndarray:
    """The words of mt19937's key from which its tempering makes these."""
    y = words.astype(np.uint32)
    y ^= y >> 18
    y ^= y << 15 & 0xEFC60000
    tempered = y.copy()
    for _ in range(4):
        y[...] = tempered ^ (y << 7 & 0x9D2C5680)
    tempered = y.copy()
    for _ in range(2):
        y[...] = tempered ^ y >> 11
    return y


def torch_normals(words: np.ndarray) -> np.ndarray:
    """What torch's randn makes of these words, 608 at a time, from states one word into their round."""
    state = np.zeros((), STATE_LAYOUT)
    state["seeded"], state["next"], state["left"] = 1, 1, ROUND
    raw = np.frombuffer(bytearray(state.tobytes()), np.uint8)
    key = raw.view(STATE_LAYOUT)["key"][0]
    out = torch.empty(len(words))
    for start in range(0, len(words), PER_STATE):
        part = slice(start, start + PER_STATE)
        key[1 : 1 + PER_STATE] = untempered(words[part])
        torch.set_rng_state(torch.from_numpy(raw))
        torch.randn(PER_STATE, out=out[part])
    return out.numpy()


def scratch_normals(words: np.ndarray) -> np.ndarray:
    return transformed(words.astype(np.float32) * np.float32(2.0**-24)) + np.float32(0)  # as the mean: -0 becomes 0


def rows(radius: np.ndarray | int, angle: np.ndarray | int) -> np.ndarray:
    """Words in rows of 16, 8 radii then 8 angles, up to a whole number of states."""
    radius, angle = np.broadcast_arrays(radius, angle)
    words = np.concatenate([radius.reshape(-1, 8), angle.reshape(-1, 8)], axis=1).reshape(-1)
    return np.pad(words, (0, -len(words) % PER_STATE)).astype(np.uint32)


def differing(radius: int | None = None, angle: int | None = None) -> int:
    """How many normals differ when the radius, or the angle, runs through all units."""
    count = 0
    for part in np.arange(UNITS).reshape(64, -1):
        words = rows(part if radius is None else radius, part if angle is None else angle)
        count += int(np.count_nonzero(torch_normals(words).view(np.uint32) != scratch_normals(words).view(np.uint32)))
    return count


def test_the_words_are_the_wanted_ones() -> None:
    """The method itself: a state made for these words gives them."""
    wanted = np.random.default_rng(0).integers(0, 2**32, 623, dtype=np.uint32)
    state = random.Generator().get_state().view(STATE_LAYOUT)
    state["next"], state["left"], state["key"][0, 1:] = 1, ROUND, untempered(wanted)
    generator = torch.Generator()
    generator.set_state(torch.from_numpy(state.view(np.uint8)))
    drawn = torch.empty(623, dtype=torch.int64).random_(0, 2**27, generator=generator).numpy()
    assert np.array_equal(drawn, wanted % 2**27)


@pytest.fixture(autouse=True)
def _state_restored() -> Iterator[None]:
    with torch.random.fork_rng():
        yield


@pytest.mark.deep
def test_every_radius() -> None:
    """At the angle 0 the normals are r and 0."""
    assert differing(angle=0) == 0


@pytest.mark.deep
def test_every_angle() -> None:
    """With a radius that is a power of two the normals are cos t and sin t, shifted."""
    candidates = np.arange(UNITS * 3 // 8, UNITS // 2)  # 1 - exp(-1/2), where r is 1, lies among them
    radii = scratch_normals(rows(candidates, 0))[: 2 * len(candidates)].reshape(-1, 2, 8)[:, 0].reshape(-1)
    powers_of_two = candidates[np.frexp(radii)[0] == 0.5]
    assert differing(radius=int(powers_of_two[0])) == 0
