"""A picture of a digit as the training images are: gray, the digit bright on black, cropped, scaled and centered.

The ink is found by what it takes from the light of the paper around it. The paper's own light is the picture after a
morphological closing, which fills everything that is narrower than a stroke may be, so that shadows and vignettes are
paper. (An opening, where the ink is brighter than the paper.)
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from experiments.training.config import Config
from experiments.training.data import SOURCES, DataError
from torch_impl.files import opened, printable

LARGEST = 50_000_000  # pixels of a picture; more is not a photo of a digit
LONGEST = 2**28  # bytes of its file
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")  # Pillow passes others, such as PostScript, to other programs
# The brightest value of a data set's pixels, the box that its digits fill, whether they are centered by their mass, and
# the share of ink in its images: the 0.1 % and the 99.9 % quantile of the training set.
LAYOUT = {"digits": (16.0, 8, False, (0.220, 0.414)), "mnist": (255.0, 20, True, (0.036, 0.291))}

WORKING = 400  # pixels of the longer side on which the ink is looked for
STROKE = 4  # a stroke is narrower than the picture's longer side divided by this
FAINT = 16 / 255  # less contrast shows no digit
STRONG = 0.5  # of the strongest ink: what is nowhere so strong is a shadow
SPECK = 0.03  # of the largest blob's area: a smaller one is dust
DIGIT = 0.25  # of the largest blob's ink: a smaller one is a part of a digit, or a mark
MANY = 6  # blobs; a digit has one, or a few where the pen was lifted
SPECKS = 50  # blobs of about the same size are no writing


@contextmanager
def _silent_libraries() -> Iterator[None]:
    """Without what libtiff, in C, prints about a damaged picture before Pillow refuses it."""
    sys.stderr.flush()
    before, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)


def read_gray(picture: str | Path) -> np.ndarray:
    """Gray values 0 to 255 (H, W); transparent pixels are white.

    Raises    DataError for what is not a picture of a size and a format that can be a photo of a digit.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with opened(picture, LONGEST) as stream, warnings.catch_warnings(), _silent_libraries():
            warnings.simplefilter("ignore")  # Pillow's warnings about damaged pictures before it refuses them
            file = Image.open(stream, formats=FORMATS)
            if file.width * file.height > LARGEST:
                raise DataError(f"picture: {picture} has {file.width}x{file.height} pixels. Crop it to the digit.")
            colored: Any = file.convert("RGBA")
            white = Image.new("RGBA", colored.size, "white")
            return np.asarray(Image.alpha_composite(white, colored).convert("L"), np.float64)
    except UnidentifiedImageError:
        kinds = ", ".join(FORMATS)
        raise DataError(f"picture: {picture} cannot be read as one: it must be one of {kinds}.") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"picture: {picture} cannot be read as one: {printable(error)}.") from error


def prepare(
    gray: np.ndarray, shape: tuple[int, int], config: Config, name: str = "the picture"
) -> tuple[np.ndarray, list[str]]:
    """The network's input, with values as in training, and what makes it doubtful.

    Raises    DataError if there is no ink.
    """
    ink, doubts = _ink_in(gray, name)
    image, doubts_of_size = _placed(ink, shape, config)
    return image, doubts + doubts_of_size


def _ink_in(gray: np.ndarray, name: str) -> tuple[np.ndarray, list[str]]:
    """The ink of the digit, 0 to 1, cropped to it, and what speaks against its being one digit."""
    from scipy import ndimage

    ink = _ink(_at_most(gray, WORKING))
    if ink.max() < FAINT:
        raise DataError(f"picture: {name} is of one shade and shows no digit.")
    noise = float(np.median(ink))
    noise += 4 * float(np.median(np.abs(ink - noise)))
    ink[ink < max(0.15 * ink.max(), noise)] = 0
    labels, count = ndimage.label(ink, np.ones((3, 3)))
    if not count:
        raise DataError(f"picture: {name} shows nothing that stands out from its paper.")
    areas, inks = (ndimage.sum_labels(x, labels, range(1, count + 1)) for x in (ink > 0, ink))
    darkest = ndimage.maximum(ink, labels, range(1, count + 1))
    large = np.flatnonzero((areas >= SPECK * areas.max()) & (darkest >= STRONG * ink.max())) + 1
    if len(large) > SPECKS:
        raise DataError(f"picture: {name} shows {len(large)} specks and no digit.")
    ink = np.where(np.isin(labels, large), ink, 0)
    places = ndimage.find_objects(labels)
    boxes = [places[i - 1] for i in large if inks[i - 1] >= DIGIT * inks.max()]
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return ink / ink.max(), _doubts(len(large), boxes)


def _ink(gray: np.ndarray) -> np.ndarray:
    """The share of the paper's light that is missing; of the missing light, what is there, if the ink is bright."""
    from scipy import ndimage

    size = max(3, max(gray.shape) // STROKE)
    margin = min(size, *(length - 1 for length in gray.shape))  # beyond its edge the light goes on as it came
    wide = np.pad(gray, margin, "reflect", reflect_type="odd") if margin else gray
    inside = tuple(slice(margin, margin + length) for length in gray.shape)
    closed, opened = ndimage.grey_closing(wide, size)[inside], ndimage.grey_opening(wide, size)[inside]
    if _edges(closed) <= _edges(opened):  # the paper that still has strokes on it is not the paper
        return (closed - gray) / np.maximum(closed, 1)
    return (gray - opened) / np.maximum(255 - opened, 1)


def _edges(paper: np.ndarray) -> float:
    """How sharp its edges are: squares, so that a slow change of light counts little."""
    return float(sum((np.diff(paper, axis=axis) ** 2).sum() for axis in (0, 1)))


def _doubts(blobs: int, boxes: list[Any]) -> list[str]:
    if blobs > MANY:
        return [f"there are {blobs} separate marks in the picture, too many for one digit."]
    beside: list[slice] = []  # the columns of digits that stand side by side
    for _, columns in sorted(boxes, key=lambda box: box[1].start):
        if beside and columns.start < beside[-1].stop:
            beside[-1] = slice(beside[-1].start, max(beside[-1].stop, columns.stop))
        else:
            beside.append(columns)
    return [f"there seem to be {len(beside)} digits; crop the picture to one."] if len(beside) > 1 else []


def _placed(ink: np.ndarray, shape: tuple[int, int], config: Config) -> tuple[np.ndarray, list[str]]:
    """The network's input: scaled so that the longer side fills the data set's box, and centered as its images are;
    and whether it has as much ink as they have.
    """
    brightest, box, by_mass, (least, most) = LAYOUT[config.data]
    scale = box / max(ink.shape)
    height, width = (max(1, round(size * scale)) for size in ink.shape)
    small = _resized(ink, (height, width))
    places = []
    for axis, (size, room) in enumerate(zip(small.shape, shape, strict=True)):
        along = small.sum(1 - axis) if by_mass else np.ones(size)
        middle = float((along * np.arange(size)).sum() / along.sum())
        place = int(np.clip(round((room - 1) / 2 - middle), 0, room - size))
        places.append(slice(place, place + size))
    image = np.zeros(shape)
    image[tuple(places)] = small
    share = image.mean()
    doubts = []
    if not 0.8 * least <= share <= 1.2 * most:
        doubts.append(f"{share:.0%} of it would be ink; in the training images it is {least:.0%} to {most:.0%}.")
    return (image * (brightest / SOURCES[config.data][1])).astype(config.dtype), doubts


def _at_most(gray: np.ndarray, longest: int) -> np.ndarray:
    scale = min(1.0, longest / max(gray.shape))
    height, width = (max(1, round(size * scale)) for size in gray.shape)
    return gray if scale == 1 else 255 * _resized(gray / 255, (height, width))


def _resized(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    from PIL import Image

    height, width = shape
    scaled = Image.fromarray(image.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
    return np.clip(np.asarray(scaled, np.float64), 0, 1)
