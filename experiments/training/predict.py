"""The prediction of a trained network for a picture of a digit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from experiments.training.checkpoints import TrainingError, read
from experiments.training.config import Config
from experiments.training.driven import Driven, DrivenScratch, DrivenTorch
from experiments.training.picture import prepare, read_gray
from torch_impl.files import printable

SHAPES = ((8, 8), (28, 28))  # of the digits and of MNIST
UNSURE = 0.5  # a smaller probability of the likeliest digit is no answer


@dataclass
class Prediction:
    """The digit, the probability of each, the network's input with values as in training, what makes it doubtful."""

    digit: int
    probabilities: np.ndarray
    image: np.ndarray
    engine: str
    doubts: list[str]


def predict(checkpoint: str | Path, picture: str | Path) -> Prediction:
    """Show the network of a checkpoint, scratch's or torch's, a picture file of one digit.

    The picture is converted to the form of the training images: bright on black, cropped to the digit, of the same
    size.

    Raises    TrainingError about the checkpoint, DataError about the picture.
    """
    gray = read_gray(picture)
    engine, network, config, shape = load_network(checkpoint)
    image, doubts = prepare(gray, shape, config, str(picture))
    with torch.no_grad():
        logits = network(torch.from_numpy(image[None]))[0]
    probabilities = logits.softmax(0).numpy()
    if probabilities.max() < UNSURE:
        doubts.append("no digit is likelier than all others together.")
    return Prediction(int(probabilities.argmax()), probabilities, image, engine.name, doubts)


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
