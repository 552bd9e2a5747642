"""How a convolution is cut into tiles: which columns it copies, and how many samples or rows it takes at a time."""

import math
from functools import lru_cache
from typing import NamedTuple

from scratch.nn.conv.lines import Lines
from scratch.nn.windows import KEPT, Windows

TILE_BYTES = 2 * 2**20  # of columns or lines, and rows: they stay in the cache
MAX_TILE_BYTES = 256 * 2**20
PRODUCT = 10**6  # multiplications: for larger products OpenBLAS copies the factors first
SAMPLES, SAMPLES_BYTES = 8, 8 * 2**20
LONG, ALONE_BYTES = 24, 2**19
APART_BYTES = 2**17  # of a sample: a tile takes some 20 µs besides its columns and products


class Plan(NamedTuple):
    """How a convolution is computed: how many samples make a part, and how many of them, and of their rows, a tile."""

    lines: Lines
    samples: int
    together: int
    height: int


@lru_cache(KEPT)
def plan(windows: Windows, groups: int, channels: int, shape: tuple[int, ...], itemsize: int) -> Plan:
    """The plan for x of so many channels and y of this shape.

    A part has as many samples as its bytes allow; but

        at least 8, if they take no more than 8 MiB: fewer make short runs
        one, if its rows are long (24 positions) and many (half a MiB): then nothing has to be turned
        no more than make products that OpenBLAS is quick at, where there is one for each line
        as many as take twice the bytes of w, where there is one for all, so that adding up dw stays cheap

    Its samples are one tile, or several of one sample where that is faster: see `_apart`. A sample that is too large is
    cut along its first axis.
    """
    samples, outputs, rows, *row = shape
    weights = channels // groups * outputs // groups * math.prod(windows.kernel)
    lines = Lines(windows, groups, weights, samples * rows * math.prod(row))
    copies = lines.copies if lines.all else lines.copies * windows.stride[0]
    bytes_of_row = (channels * copies + outputs) * math.prod(row) * itemsize
    bytes_of_sample = rows * bytes_of_row
    alone = shape[-1] >= LONG and bytes_of_sample >= ALONE_BYTES
    most = min(bytes_of_sample * (1 if alone else SAMPLES), SAMPLES_BYTES)
    if lines.all:
        most = max(most, TILE_BYTES, 2 * weights * groups * itemsize)
    else:
        most = max(most, min(TILE_BYTES, PRODUCT // (weights * math.prod(row)) * bytes_of_sample))
    fitting = max(min(most, MAX_TILE_BYTES) // bytes_of_row, 1)
    each = 1 if alone else max(fitting // rows, 1)
    large = bytes_of_sample >= max(APART_BYTES, weights * groups * itemsize)
    apart = large and _apart(windows, min(each, samples), shape[-1])
    if apart:
        each = max(min(each, TILE_BYTES // bytes_of_sample), 1)
    parts = -(-samples // each)
    if parts % 2 and samples >= 2 * SAMPLES and samples * bytes_of_sample > TILE_BYTES:
        parts += 1  # two threads then have the same to do
    each = max(-(-samples // max(parts, 1)), 1)
    return Plan(lines, each, 1 if apart else each, min(fitting, rows))


def _apart(windows: Windows, samples: int, row: int) -> bool:
    """Whether a tile of one sample is faster than one of several.

    Where the last axis has a stride, its positions lie apart: a run is the samples of one position. Then a row of twice
    as many positions is the faster run. Of a kernel of one element the columns are x itself, and those of one sample
    are not even copied.
    """
    return max(*windows.kernel, *windows.stride) == 1 or (windows.stride[-1] > 1 and 2 * samples <= row)
