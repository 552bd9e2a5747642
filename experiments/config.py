"""Config: everything that decides a run, from the command line or a YAML file, checked before anything starts."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

ENGINES = ("scratch", "torch", "both")
DATA = ("digits", "mnist")
MODELS = ("mlp",)
OPTIMIZERS = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}
ACTIVATIONS = ("ReLU", "LeakyReLU", "ELU", "SELU", "GELU", "SiLU", "Softplus", "Sigmoid", "Tanh")
DTYPES = ("float32", "float64")
ACCELERATORS = ("cpu", "gpu")


class ConfigError(ValueError):
    """An option that is unknown or out of its range."""


def option(default: Any, help: str, choices: Any = None) -> Any:
    """A field with its explanation and, if it is a choice, the allowed values."""
    allowed = tuple(choices or ())
    text = f"{help}: {', '.join(allowed)}" if allowed else help
    return field(default=default, metadata={"help": text, "choices": allowed})


@dataclass(kw_only=True)
class Config:
    """One training run. Values are checked and brought into one form: text that spells a number becomes the number.

    Raises    ConfigError naming the option, what is allowed, and what came.
    """

    data: str = option("digits", "data set", DATA)
    engine: str = option("both", "who computes", ENGINES)
    model: str = option("mlp", "network", MODELS)
    epochs: int = option(5, "passes over the training set")
    batch_size: int = option(64, "images in a batch")
    optimizer: str = option("adam", "update rule", OPTIMIZERS)
    lr: float = option(1e-3, "learning rate")
    hidden: tuple[int, ...] = option((128,), "widths of the hidden layers, such as 128 or 256,128")
    activation: str = option("ReLU", "function after each hidden layer", ACTIVATIONS)
    dropout: float = option(0.0, "share of hidden units dropped while training")
    seed: int = option(0, "the one number that weights, order and masks come from")
    dtype: str = option("float32", "precision", DTYPES)
    accelerator: str = option("cpu", "where torch computes; NumPy computes on the CPU", ACCELERATORS)
    validation: float = option(0.0, "share of the training set held back to judge each epoch; 0 judges on the test set")
    limit_train: int | None = option(None, "train on this many images only")
    data_dir: str | None = option(None, "folder with the MNIST files")
    output: str | None = option(None, "folder for the results; by default a new one in runs/")

    def __post_init__(self) -> None:
        for item in fields(self):
            choices = item.metadata["choices"]
            if choices:
                setattr(self, item.name, _choice(item.name, getattr(self, item.name), choices))
        for name in ("epochs", "batch_size"):
            setattr(self, name, _whole(name, getattr(self, name), 1))
        self.seed = _whole("seed", self.seed, -(2**63), 2**64 - 1)
        self.hidden = tuple(_whole("hidden", width, 1) for width in _sequence(self.hidden))
        self.lr = _number("lr", self.lr)
        if not self.lr > 0:
            raise ConfigError(f"lr: must be greater than 0, got {self.lr}.")
        for name in ("dropout", "validation"):
            value = _number(name, getattr(self, name))
            if not 0 <= value < 1:
                raise ConfigError(f"{name}: must be at least 0 and less than 1, got {value}.")
            setattr(self, name, value)
        if self.limit_train is not None:
            self.limit_train = _whole("limit_train", self.limit_train, 1)
        for name in ("data_dir", "output"):
            if getattr(self, name) is not None:
                setattr(self, name, str(getattr(self, name)))
        if self.engine == "scratch" and self.accelerator == "gpu":
            raise ConfigError("accelerator: NumPy runs on the CPU, got engine scratch on gpu. Use torch, or cpu.")
        if self.engine == "both" and self.accelerator == "gpu" and self.dropout:
            raise ConfigError(
                "dropout: must be 0 for both engines on gpu, where torch draws its masks from another stream."
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Config:
        """A config from named values; a name that is no option is refused."""
        known = [item.name for item in fields(cls)]
        for name in values:
            if name not in known:
                near = difflib.get_close_matches(str(name), known, n=1)
                hint = f" Did you mean {near[0]}?" if near else ""
                raise ConfigError(f"{name}: there is no such option.{hint} The options are {', '.join(known)}.")
        return cls(**values)

    @classmethod
    def values_from_yaml(cls, path: str | Path) -> dict[str, Any]:
        """The values that a YAML file sets."""
        import yaml

        try:
            values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"config: {path} cannot be read: {error}.") from error
        except yaml.YAMLError as error:
            raise ConfigError(f"config: {path} is not YAML: {error}") from error
        if not isinstance(values, dict):
            raise ConfigError(f"config: {path} must hold lines such as 'epochs: 5', got {type(values).__name__}.")
        return values

    def to_yaml(self) -> str:
        import yaml

        return yaml.safe_dump({**asdict(self), "hidden": list(self.hidden)}, sort_keys=False)


def _choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    for choice in choices:
        if str(value).lower() == choice.lower():
            return choice
    raise ConfigError(f"{name}: must be one of {', '.join(choices)}, got {value!r}.")


def _number(name: str, value: Any) -> float:
    """A float; YAML reads 1e-3, written without a point, as text."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ConfigError(f"{name}: must be a number, got {value!r}.") from None


def _whole(name: str, value: Any, smallest: int, largest: int | None = None) -> int:
    try:
        whole = int(value)
    except (TypeError, ValueError, OverflowError):
        whole = None
    if whole is None or isinstance(value, bool) or (isinstance(value, float) and value != whole):
        raise ConfigError(f"{name}: must be a whole number, got {value!r}.")
    if whole < smallest or (largest is not None and whole > largest):
        limits = f"at least {smallest}" if largest is None else f"between {smallest} and {largest}"
        raise ConfigError(f"{name}: must be {limits}, got {whole}.")
    return whole


def _sequence(value: Any) -> list[Any]:
    """128, "256,128" or [256, 128] as a list."""
    if isinstance(value, str):
        return [part for part in value.replace(",", " ").split() if part]
    return list(value) if isinstance(value, list | tuple) else [value]
