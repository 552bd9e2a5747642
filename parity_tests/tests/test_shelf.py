"""Large arrays in a file: what is read is what was put, and without a file nothing is lost."""

import tempfile

import numpy as np
import pytest

from parity_tests.comparer.shelf import LEAST, Shelf

RNG = np.random.default_rng(0)
ARRAYS = {
    "small": RNG.normal(size=3).astype(np.float32),
    "large": RNG.normal(size=(2, LEAST)).astype(np.float32),
    "float64": RNG.normal(size=LEAST),
    "float16": RNG.normal(size=(LEAST, 1)).astype(np.float16),
    "Fortran order": np.asfortranarray(RNG.normal(size=(64, LEAST // 32))),
    "every second": RNG.normal(size=2 * LEAST)[::2],
    "integers": np.arange(2 * LEAST),
    "a scalar": np.array(2.5),
    "empty": np.empty((0, LEAST)),
}


def filled():
    shelf = Shelf()
    shelf.update(ARRAYS)
    return shelf


def same(shelf):
    assert list(shelf) == list(ARRAYS)
    for name, value in ARRAYS.items():
        assert shelf[name].dtype == value.dtype
        np.testing.assert_array_equal(shelf[name], value)


def test_what_is_read_is_what_was_put():
    same(filled())


def test_large_floating_arrays_are_not_held_in_memory():
    held = {name for name, value in filled().held.items() if isinstance(value, np.ndarray)}
    assert set(ARRAYS) - held == {"large", "float64", "float16", "Fortran order", "every second"}


def test_an_array_is_replaced_and_taken_out():
    shelf = filled()
    shelf["large"] = -ARRAYS["large"]
    np.testing.assert_array_equal(shelf.pop("large"), -ARRAYS["large"])
    assert "large" not in shelf
    np.testing.assert_array_equal(shelf["float64"], ARRAYS["float64"])


@pytest.mark.parametrize("fails", ["to be made", "to grow"])
def test_without_a_file_arrays_stay_in_memory(monkeypatch, fails):
    class Full:
        def seek(self, *place):
            raise OSError("no space left on device")

        def close(self):
            pass

    def temporary(**options):
        if fails == "to be made":
            raise OSError("no folder for it")
        return Full()

    monkeypatch.setattr(tempfile, "TemporaryFile", temporary)
    same(filled())
