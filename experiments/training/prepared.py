"""The data of a run according to its config."""

from __future__ import annotations

from typing import NamedTuple

import torch

from experiments.training import data as images
from experiments.training.config import Config, ConfigError
from experiments.training.data import ImageData, Part


class Prepared(NamedTuple):
    """The data, the images that judge each epoch, and whether these are "validation" or "test" images."""

    data: ImageData
    judge: Part
    judge_name: str


def prepare(config: Config) -> Prepared:
    """Read the data, hold back the images that judge each epoch, and drop those that are not used.

    Raises    DataError; ConfigError for training on a GPU without one.
    """
    if config.accelerator == "gpu" and not torch.cuda.is_available():
        raise ConfigError("accelerator: torch finds no GPU here. Use --accelerator cpu.")
    data = images.load(config.data, config.data_dir, config.dtype)
    judge, name = data.test, "test"
    if config.validation:
        kept, judge = images.split(data.train, config.validation)
        data, name = data._replace(train=kept), "validation"
    if config.limit_train is not None:
        data = data._replace(train=Part(*(array[: config.limit_train] for array in data.train)))
    return Prepared(data, judge, name)
