"""Config: everything that decides a run, from the command line or a YAML file, checked before anything starts."""

from __future__ import annotations

import difflib
import math
import os
import reprlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from parity_tests.exits import CannotError

ENGINES = ("scratch", "torch", "both")
DATA = ("digits", "mnist")
RECURRENT = ("rnn", "lstm", "gru")
MODELS = ("mlp", "cnn", *RECURRENT)
OPTIMIZERS = {
    "sgd": "SGD",
    "adam": "Adam",
    "adamw": "AdamW",
    "nadam": "NAdam",
    "rmsprop": "RMSprop",
    "adagrad": "Adagrad",
}
SCHEDULERS = ("constant", "onecycle", "cosine", "step")
ACTIVATIONS = ("ReLU", "LeakyReLU", "ELU", "SELU", "GELU", "SiLU", "Softplus", "Sigmoid", "Tanh")
INITS = ("default", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal")
DTYPES = ("float32", "float64")
WIDEST = 2**16  # units of a layer
MOST = 2**31 - 1  # epochs, images, steps, devices
PRECISIONS = ("32", "bf16-mixed", "16-mixed")
ACCELERATORS = ("cpu", "gpu")
STRATEGIES = ("auto", "ddp")


class ConfigError(CannotError, ValueError):
    """An option that is unknown or out of its range."""


def option(default: Any, help: str, choices: Any = None) -> Any:
    """A field with its explanation and, if it is a choice, the allowed values."""
    return field(default=default, metadata={"help": help, "choices": tuple(choices or ())})


@dataclass(kw_only=True)
class Config:
    """One training run. Values are checked and normalized: text that spells a number becomes the number.

    Raises    ConfigError naming the option, the allowed values, and the given one.
    """

    data: str = option("digits", "data set", DATA)
    engine: str = option("both", "who computes", ENGINES)
    model: str = option("mlp", "network; rnn, lstm and gru read an image row by row", MODELS)
    hidden: tuple[int, ...] = option(
        (128,), "widths of the hidden layers, such as 256,128; of a recurrent network, one per layer"
    )
    channels: tuple[int, ...] = option((16, 32), "channels of the cnn's convolutions, each followed by pooling")
    activation: str = option("ReLU", "function after each hidden layer", ACTIVATIONS)
    dropout: float = option(0.0, "share of hidden units dropped while training")
    init: str = option("default", "initial weights; default is torch's", INITS)
    epochs: int = option(5, "passes over the training set")
    batch_size: int = option(64, "images in a batch, over all devices together")
    optimizer: str = option("adam", "update rule", OPTIMIZERS)
    lr: float = option(1e-3, "learning rate, the highest one of a schedule")
    weight_decay: float = option(0.0, "decay of the weights towards 0")
    momentum: float = option(0.0, "momentum of sgd and rmsprop")
    scheduler: str = option("constant", "learning rate over the run; step divides by 10 after each third", SCHEDULERS)
    label_smoothing: float = option(0.0, "share of every label that is spread over all classes")
    shift: int = option(0, "move training images at random by up to this many pixels")
    rotate: float = option(0.0, "turn training images at random by up to this many degrees")
    seed: int = option(0, "the seed of weights, order and masks")
    dtype: str = option("float32", "precision of the numbers", DTYPES)
    precision: str = option("32", "torch's arithmetic in float32 runs; mixed precision is faster on GPUs", PRECISIONS)
    accelerator: str = option("cpu", "where torch computes; NumPy computes on the CPU", ACCELERATORS)
    devices: int = option(1, "processes or GPUs that share each batch, with strategy ddp")
    strategy: str = option("auto", "how devices work together", STRATEGIES)
    compile: bool = option(False, "compile torch's network for the training steps; the first step then takes long")
    deterministic: bool = option(True, "only algorithms that give the same bits each time")
    validation: float = option(0.0, "share of the training set held back to judge each epoch; 0 judges on the test set")
    patience: int | None = option(None, "stop after this many epochs without a lower validation loss")
    save_every: int = option(200, "write a checkpoint to resume from after this many steps, and after each epoch")
    limit_train: int | None = option(None, "train on this many images only")
    data_dir: str | None = option(None, "folder with the MNIST files")
    output: str | None = option(None, "folder for the results; by default a new one in runs/")

    def __post_init__(self) -> None:
        for item in fields(self):
            choices = item.metadata["choices"]
            if choices:
                setattr(self, item.name, _choice(item.name, getattr(self, item.name), choices))
        for name in ("epochs", "batch_size", "devices", "save_every"):
            setattr(self, name, _count(name, getattr(self, name)))
        self.seed = _whole("seed", self.seed, -(2**63), 2**64 - 1)
        self.shift = _whole("shift", self.shift, 0, 28)
        for name in ("hidden", "channels"):
            widths = tuple(_whole(name, width, 1) for width in _sequence(name, getattr(self, name)))
            if max(widths, default=0) > WIDEST:
                raise ConfigError(f"{name}: a layer has at most {WIDEST} units, got {_shown(max(widths))}.")
            setattr(self, name, widths)
        self.lr = _number("lr", self.lr)
        if not self.lr > 0:
            raise ConfigError(f"lr: must be greater than 0, got {self.lr}.")
        for name, most in (("weight_decay", math.inf), ("rotate", 180.0)):
            setattr(self, name, _within(name, getattr(self, name), most, closed=True))
        for name in ("dropout", "validation", "label_smoothing", "momentum"):
            setattr(self, name, _within(name, getattr(self, name), 1.0))
        for name in ("compile", "deterministic"):
            setattr(self, name, _flag(name, getattr(self, name)))
        for name in ("limit_train", "patience"):
            if getattr(self, name) is not None:
                setattr(self, name, _count(name, getattr(self, name)))
        for name in ("data_dir", "output"):
            setattr(self, name, _path(name, getattr(self, name)))
        self._check_together()

    def _check_together(self) -> None:
        """Combinations of options that are not allowed."""
        numpy = self.engine != "torch"
        if self.engine == "scratch" and self.accelerator == "gpu":
            raise ConfigError("accelerator: NumPy runs on the CPU, got engine scratch on gpu. Use torch, or cpu.")
        if self.engine == "both" and self.accelerator == "gpu" and self.dropout:
            raise ConfigError(
                "dropout: must be 0 for both engines on gpu, where torch draws its masks from another stream."
            )
        if self.precision != "32" and (numpy or self.dtype != "float32"):
            raise ConfigError(
                f"precision: {self.precision} is for --engine torch with --dtype float32, got engine {self.engine} "
                f"with {self.dtype}. NumPy has no mixed precision."
            )
        if self.precision == "16-mixed" and self.accelerator == "cpu":
            raise ConfigError("precision: 16-mixed needs a GPU. On the CPU use bf16-mixed.")
        if self.compile and numpy:
            raise ConfigError(f"compile: only torch can be compiled, got engine {self.engine}. Use --engine torch.")
        if self.devices > 1 and (self.engine == "both" or self.strategy != "ddp"):
            raise ConfigError(
                f"devices: {self.devices} devices share the batches of one engine with strategy ddp, got engine "
                f"{self.engine} with {self.strategy}. Use --engine torch --strategy ddp."
            )
        if self.devices > 1 and self.dropout and self.model in ("rnn", "gru"):
            raise ConfigError(
                f"dropout: several devices share the masks of the lstm, not of the {self.model}. Use one."
            )
        if self.batch_size < self.devices:
            raise ConfigError(f"batch_size: {self.batch_size} images cannot be shared by {self.devices} devices.")
        if self.patience is not None and not self.validation:
            raise ConfigError(
                "patience: stopping early is decided on a validation part, never on the test set. Set --validation 0.1."
            )
        if self.momentum and self.optimizer not in ("sgd", "rmsprop"):
            raise ConfigError(f"momentum: {self.optimizer} has no momentum option. Use it with sgd or rmsprop.")
        if self.channels != Config.channels and self.model != "cnn":
            raise ConfigError(f"channels: only the cnn has convolutions, got {self.channels} for the {self.model}.")
        if self.activation != Config.activation and self.model in RECURRENT:
            uses = "tanh" if self.model == "rnn" else "tanh and sigmoid"
            raise ConfigError(f"activation: the {self.model} always uses {uses}, got {self.activation}.")
        if self.model not in RECURRENT and self.dropout and not self.hidden:
            raise ConfigError("dropout: there is no hidden layer to apply it to. Give --hidden a width, such as 64.")
        if self.model in RECURRENT and len(set(self.hidden)) != 1:
            what = f"the {self.model} needs at least one layer, all of the same width"
            raise ConfigError(f"hidden: {what}, got {self.hidden}.")
        if self.model in RECURRENT and self.dropout and len(self.hidden) == 1:
            raise ConfigError(
                f"dropout: the {self.model} applies it between layers. Give --hidden two widths, such as 64,64."
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Config:
        """A config from named values; an unknown name is refused."""
        known = [item.name for item in fields(cls)]
        for name in values:
            if name not in known:
                near = difflib.get_close_matches(str(name)[:40], known, n=1)
                hint = f" Did you mean {near[0]}?" if near else ""
                shown = name if str(name).isidentifier() else _shown(name)
                raise ConfigError(f"{shown}: there is no such option.{hint} The options are {', '.join(known)}.")
        return cls(**values)

    @classmethod
    def values_from_yaml(cls, path: str | Path) -> dict[str, Any]:
        """The values that a YAML file sets, each a number, a string or a list of them; nothing else is built."""
        from experiments.training import config_file

        try:
            return config_file.read(path)
        except config_file.FileError as error:
            raise ConfigError(f"config: {error}") from error

    def to_yaml(self) -> str:
        from experiments.training import config_file

        return config_file.text_of({n: list(v) if isinstance(v, tuple) else v for n, v in asdict(self).items()})


def _shown(value: Any) -> str:
    """Any value, shortened to fit into a line."""
    return reprlib.repr(value)


def _choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    for choice in choices:
        if str(value).lower() == choice.lower():
            return choice
    raise ConfigError(f"{name}: must be one of {', '.join(choices)}, got {_shown(value)}.")


def _is_plain(value: Any) -> bool:
    """Whether a text has only characters that every reader takes alike; Python reads 1_0 and other scripts too."""
    return not isinstance(value, str) or (value.isascii() and "_" not in value)


def _number(name: str, value: Any) -> float:
    """A finite float, from a number or the text of one."""
    try:
        number = float(value) if _is_plain(value) else None
    except (TypeError, ValueError):
        number = None
    except OverflowError:
        number = math.inf
    if number is None or isinstance(value, bool):
        raise ConfigError(f"{name}: must be a number, got {_shown(value)}.")
    if not math.isfinite(number):
        raise ConfigError(f"{name}: must be finite, got {_shown(value)}.")
    return number


def _within(name: str, value: Any, most: float, closed: bool = False) -> float:
    """A number from 0 to `most`, itself included only if the range is closed."""
    number = _number(name, value)
    if not 0 <= number < most and not (closed and number == most):
        limits = "" if most == math.inf else f" and {'at most' if closed else 'less than'} {most:g}"
        raise ConfigError(f"{name}: must be at least 0{limits}, got {number:g}.")
    return number


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{name}: must be true or false, got {_shown(value)}.")
    return value


def _path(name: str, value: Any) -> str | None:
    """The text of a path; a number or a list is refused."""
    if value is None:
        return None
    if not isinstance(value, str | os.PathLike):
        raise ConfigError(f"{name}: must be a path, got {_shown(value)}. In a file, put quotes around it.")
    path = os.fspath(value)
    if not isinstance(path, str) or not path or "\0" in path:
        raise ConfigError(f"{name}: must be a path, got {_shown(path)}.")
    return path


def _whole(name: str, value: Any, smallest: int, largest: int | None = None) -> int:
    try:
        whole = int(value) if _is_plain(value) else None
    except (TypeError, ValueError, OverflowError):
        whole = None
    if whole is None or isinstance(value, bool) or (isinstance(value, float) and value != whole):
        raise ConfigError(f"{name}: must be a whole number, got {_shown(value)}.")
    if whole < smallest or (largest is not None and whole > largest):
        limits = f"at least {smallest}" if largest is None else f"between {smallest} and {largest}"
        raise ConfigError(f"{name}: must be {limits}, got {_shown(whole)}.")
    return whole


def _count(name: str, value: Any) -> int:
    """A count with an upper bound."""
    count = _whole(name, value, 1)
    if count > MOST:
        raise ConfigError(f"{name}: must be at most {MOST}, got {_shown(count)}.")
    return count


def _sequence(name: str, value: Any) -> list[Any]:
    """128, "256,128" or [256, 128] as a list."""
    if isinstance(value, str):
        return [part for part in value.replace(",", " ").split() if part]
    if value is None:
        raise ConfigError(f"{name}: must be whole numbers such as 256,128, got None.")
    return list(value) if isinstance(value, list | tuple) else [value]
