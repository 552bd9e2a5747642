"""The prediction of a trained network for a picture of a digit."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments.training.checkpoints import TrainingError, read
from experiments.training.config import Config
from experiments.training.data import SOURCES, DataError
from experiments.training.driven import Driven, DrivenScratch, DrivenTorch
from torch_impl.files import opened, printable

LARGEST = 50_000_000  # pixels of a picture; more is not a photo of a digit
LONGEST = 2**28  # bytes of its file
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")  # Pillow passes others, such as PostScript, to other programs
SHAPES = ((8, 8), (28, 28))  # of the digits and of MNIST
# The brightest value of a data set's pixels, the box that its digits fill, and whether they are centered by their mass.
LAYOUT = {"digits": (16.0, 8, False), "mnist": (255.0, 20, True)}


@dataclass
class Prediction:
    """The digit, the probability of each, and the network's input, with values as in training."""

    digit: int
    probabilities: np.ndarray
    image: np.ndarray
    engine: str


def predict(checkpoint: str | Path, picture: str | Path) -> Prediction:
    """Show the network of a checkpoint, scratch's or torch's, a picture file of one digit.

    The picture is converted to the form of the training images: bright on black, cropped to the digit, of the same
    size.

    Raises    TrainingError about the checkpoint, DataError about the picture.
    """
    engine, network, config, shape = load_network(checkpoint)
    image = prepare(picture, shape, config)
    with torch.no_grad():
        logits = network(torch.from_numpy(image[None]))[0]
    probabilities = logits.softmax(0).numpy()
    return Prediction(int(probabilities.argmax()), probabilities, image, engine.name)


def load_network(checkpoint: str | Path) -> tuple[Driven, torch.nn.Module, Config, tuple[int, int]]:
    """The trained network of a checkpoint file, in eval mode, with the engine that computes it."""
    content = read(checkpoint)
    try:
        run = content["run"]
        engine = {"scratch": DrivenScratch, "torch": DrivenTorch}[run["engine"]]()
        config = Config.from_dict(run["config"])
        height, width = (int(size) for size in run["shape"])
        if (height, width) not in SHAPES:
            raise ValueError(f"it was trained on images of {height}x{width}")
        state = {name.removeprefix("network."): value for name, value in content["state_dict"].items()}
        _check_sizes(state, config, (height, width))
        network = engine.network(config, (height, width), 10)
        network.load_state_dict(state)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError, RuntimeError) as error:
        raise TrainingError(f"checkpoint: {checkpoint} does not fit together: {printable(error)}") from error
    return engine, network.eval(), config, (height, width)


def _check_sizes(state: dict[str, torch.Tensor], config: Config, shape: tuple[int, int]) -> None:
    """The config's network must have the sizes of the stored weights; this is checked before memory is allocated."""
    with torch.device("meta"):  # sizes alone
        wanted = DrivenTorch().network(config, shape, 10).state_dict()
    for name in sorted(wanted.keys() | state.keys()):
        need, came = (
            f"{value.dtype} {tuple(value.shape)}" if isinstance(value, torch.Tensor) else "nothing"
            for value in (wanted.get(name), state.get(name))
        )
        if need != came:
            raise ValueError(f"{name} must be {need} according to its config, but is {came}")


def prepare(picture: str | Path, shape: tuple[int, int], config: Config) -> np.ndarray:
    """The picture as the training images are: gray, the digit bright on black, cropped, scaled and centered."""
    gray = _read(picture)
    background = np.median(np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]]))
    ink = np.abs(gray - background)
    if np.ptp(ink) < 16:
        raise DataError(f"picture: {picture} is of one shade and shows no digit.")
    ink[ink < 0.15 * ink.max()] = 0  # shades of paper
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    brightest, box, by_mass = LAYOUT[config.data]
    image = _placed(ink / ink.max(), shape, box, by_mass)
    return (image * (brightest / SOURCES[config.data][1])).astype(config.dtype)


def _placed(ink: np.ndarray, shape: tuple[int, int], box: int, by_mass: bool) -> np.ndarray:
    """Scaled so that the longer side is `box` pixels, and centered by its mass or its outline."""
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
    return image


def _resized(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    from PIL import Image

    height, width = shape
    scaled = Image.fromarray(image.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
    return np.clip(np.asarray(scaled, np.float64), 0, 1)


def _read(picture: str | Path) -> np.ndarray:
    """Gray values 0 to 255 (H, W); transparent pixels are white."""
    from PIL import Image

    try:
        with opened(picture, LONGEST) as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's warnings about damaged pictures before it refuses them
            file = Image.open(stream, formats=FORMATS)
            if file.width * file.height > LARGEST:
                raise DataError(f"picture: {picture} has {file.width}x{file.height} pixels. Crop it to the digit.")
            colored: Any = file.convert("RGBA")
            white = Image.new("RGBA", colored.size, "white")
            return np.asarray(Image.alpha_composite(white, colored).convert("L"), np.float64)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"picture: {picture} cannot be read as one: {printable(error)}.") from error
