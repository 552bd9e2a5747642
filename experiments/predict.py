"""What a trained network says to a picture of a digit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments.checkpoints import TrainingError, read
from experiments.config import Config
from experiments.data import SOURCES, DataError
from experiments.engines import Engine, ScratchEngine, TorchEngine

LARGEST = 50_000_000  # pixels of a picture; more is not a photo of a digit
BOX, SIDE = 20, 28  # MNIST's digits fill a box of 20 pixels in a picture of 28, centered by their mass


@dataclass
class Prediction:
    """The digit, how sure the network is of each, and the image that it saw, values as in training."""

    digit: int
    probabilities: np.ndarray
    image: np.ndarray
    engine: str


def predict(checkpoint: str | Path, picture: str | Path) -> Prediction:
    """Show the network of a checkpoint, scratch's or torch's, a picture file of one digit.

    The picture is made what the network was trained on: bright on black, cropped to the digit, of the same size.

    Raises    TrainingError about the checkpoint, DataError about the picture.
    """
    engine, network, config, shape = load_network(checkpoint)
    image = prepare(picture, shape, config)
    with torch.no_grad():
        logits = network(torch.from_numpy(image[None]))[0]
    probabilities = logits.softmax(0).numpy()
    return Prediction(int(probabilities.argmax()), probabilities, image, engine.name)


def load_network(checkpoint: str | Path) -> tuple[Engine, torch.nn.Module, Config, tuple[int, int]]:
    """The trained network of a checkpoint file, in eval mode, with the engine that computes it."""
    content = read(checkpoint)
    try:
        run = content["run"]
        engine = {"scratch": ScratchEngine, "torch": TorchEngine}[run["engine"]]()
        config = Config.from_dict(run["config"])
        height, width = (int(size) for size in run["shape"])
        network = engine.network(config, (height, width), 10)
        state = {name.removeprefix("network."): value for name, value in content["state_dict"].items()}
        network.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise TrainingError(f"checkpoint: {checkpoint} does not fit together: {error}") from error
    return engine, network.eval(), config, (height, width)


def prepare(picture: str | Path, shape: tuple[int, int], config: Config) -> np.ndarray:
    """The picture as the training images are: gray, the digit bright on black, cropped, scaled and centered."""
    gray = _read(picture)
    background = np.median(np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]]))
    ink = np.abs(gray - background)
    if np.ptp(ink) < 16:
        raise DataError(f"picture: {picture} is of one shade, there is no digit on it.")
    ink[ink < 0.25 * ink.max()] = 0  # shades of paper
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    image = _centered(ink / ink.max())
    if shape != image.shape:
        image = _resized(image[4:-4, 4:-4], shape)  # the 8x8 digits fill their images
    brightest = {"digits": 16.0, "mnist": 255.0}[config.data]
    return (image * (brightest / SOURCES[config.data][1])).astype(config.dtype)


def _centered(ink: np.ndarray) -> np.ndarray:
    """Scaled into the box of 20 pixels, and put into 28 with the center of mass in the middle."""
    scale = BOX / max(ink.shape)
    height, width = (max(1, round(size * scale)) for size in ink.shape)
    small = _resized(ink, (height, width))
    mass = small.sum()
    middle = [float((small.sum(1 - axis) * np.arange(small.shape[axis])).sum() / mass) for axis in (0, 1)]
    top, left = (
        int(np.clip(round((SIDE - 1) / 2 - center), 0, SIDE - size))
        for center, size in zip(middle, small.shape, strict=True)
    )
    image = np.zeros((SIDE, SIDE))
    image[top : top + height, left : left + width] = small
    return image


def _resized(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    from PIL import Image

    height, width = shape
    scaled = Image.fromarray(image.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
    return np.clip(np.asarray(scaled, np.float64), 0, 1)


def _read(picture: str | Path) -> np.ndarray:
    """Gray values 0 to 255 (H, W); what is transparent is white."""
    from PIL import Image

    try:
        with Image.open(picture) as file:
            if file.width * file.height > LARGEST:
                raise DataError(f"picture: {picture} has {file.width}x{file.height} pixels. Crop it to the digit.")
            colored: Any = file.convert("RGBA")
            white = Image.new("RGBA", colored.size, "white")
            return np.asarray(Image.alpha_composite(white, colored).convert("L"), np.float64)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"picture: {picture} cannot be read as one: {error}.") from error
