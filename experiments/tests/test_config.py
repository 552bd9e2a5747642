"""Config accepts what it should, refuses the rest with one clear sentence, and survives its own YAML file."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments.training.config import ACTIVATIONS, OPTIMIZERS, Config, ConfigError


def test_values_are_brought_into_one_form() -> None:
    config = Config(hidden="256, 128", lr="1e-3", epochs="3", engine="Scratch", activation="relu", optimizer="ADAM")  # type: ignore[arg-type]
    assert (config.hidden, config.lr, config.epochs) == ((256, 128), 0.001, 3)
    assert (config.engine, config.activation, config.optimizer) == ("scratch", "ReLU", "adam")
    assert Config(hidden=64).hidden == (64,)  # type: ignore[arg-type]
    assert Config(hidden=[64, 32]).hidden == (64, 32)  # type: ignore[arg-type]
    assert Config(hidden=()).hidden == ()


def test_yaml_round_trip(tmp_path: Path) -> None:
    config = Config(
        hidden=(20, 10),
        channels=(3,),
        model="cnn",
        compile=False,
        dropout=0.25,
        limit_train=100,
        seed=-3,
        output="somewhere",
    )
    path = tmp_path / "config.yaml"
    path.write_text(config.to_yaml())
    assert Config.from_dict(Config.values_from_yaml(path)) == config


MEANT: list[tuple[str, dict[str, Any]]] = [
    ("lr: 1e-3\nhidden: 64\n", {"lr": 1e-3, "hidden": (64,)}),
    ("epochs: 010\n", {"epochs": 10}),
    ("epochs: 0o10\nseed: 0x1F\n", {"epochs": 8, "seed": 31}),
    ("seed: -007\nlr: +.5\n", {"seed": -7, "lr": 0.5}),
    ("output: yes\ndata_dir: no\n", {"output": "yes", "data_dir": "no"}),
    ("output: 2020-09-09\n", {"output": "2020-09-09"}),
    ("output: '010'\n", {"output": "010"}),
    ("output: 1:30\n", {"output": "1:30"}),
    ("output: ~\npatience:\nlimit_train: null\n", {}),
    ("deterministic: False\n", {"deterministic": False}),
    ("epochs: 5.0\n", {"epochs": 5}),
]


@pytest.mark.parametrize(("text", "values"), MEANT, ids=[text for text, _ in MEANT])
def test_yaml_means_what_version_1_2_says(text: str, values: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    config = Config.from_dict(Config.values_from_yaml(path))
    assert config == Config(**values)
    path.write_text(config.to_yaml())
    assert Config.from_dict(Config.values_from_yaml(path)) == config


ZEROS = "0" * 400
SURPRISES = {
    "lr: yes": "lr: must be a number, got 'yes'",
    "lr: true": "lr: must be a number, got True",
    "weight_decay: true": "weight_decay: must be a number, got True",
    "rotate: on": "rotate: must be a number, got 'on'",
    "dropout: no": "dropout: must be a number, got 'no'",
    "dropout: false": "dropout: must be a number, got False",
    "epochs: 1:30": "epochs: must be a whole number, got '1:30'",
    "epochs: 0b11": "epochs: must be a whole number, got '0b11'",
    "epochs: 1_0": "epochs: must be a whole number, got '1_0'",
    "lr: 1_000.5": "lr: must be a number, got '1_000.5'",
    "hidden: [1_0, 4]": "hidden: must be a whole number, got '1_0'",
    "seed: \u0663": "seed: must be a whole number, got '\u0663'",
    "dropout: 0.\uff12": "dropout: must be a number, got '0.\uff12'",
    "compile: yes": "compile: must be true or false, got 'yes'",
    "output: true": "output: must be a path, got True",
    "output: 010": "output: must be a path, got 10. In a file, put quotes around it",
    "data_dir: [a, b]": r"data_dir: must be a path, got \['a', 'b'\]",
    "output: ''": "output: must be a path, got ''",
    f"lr: 1{ZEROS}": r"lr: must be finite, got 10*\.\.\.0*",
    "lr: 1e400": "lr: must be finite, got inf",
    f"epochs: 1{ZEROS}": "epochs: must be at most 2147483647, got 10",
    f"weight_decay: -1{ZEROS}": "weight_decay: must be finite",
    f"seed: 1{ZEROS}": "seed: must be between .*, got 10",
}


@pytest.mark.parametrize("text", SURPRISES, ids=lambda text: text[:20])
def test_yaml_that_another_reader_takes_otherwise_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"{text}\n")
    with pytest.raises(ConfigError, match=SURPRISES[text]) as caught:
        Config.from_dict(Config.values_from_yaml(path))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", ["yes", "010", "1e3", "0o17", ".inf", "null", "~", "1:30", "2020-09-09", "- x", "#"])
def test_a_path_that_looks_like_a_value_stays_a_path(name: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(Config(data_dir=name).to_yaml())
    assert Config.from_dict(Config.values_from_yaml(path)).data_dir == name


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"data": "cifar"}, "data: must be one of digits, mnist, got 'cifar'"),
    ({"engine": "jax"}, "engine: must be one of scratch, torch, both, got 'jax'"),
    ({"model": None}, "model: must be one of mlp, cnn, rnn, lstm, gru, got None"),
    ({"optimizer": "lion"}, "optimizer: must be one of sgd, adam, adamw, .*got 'lion'"),
    ({"activation": "Step"}, "activation: must be one of ReLU, .*got 'Step'"),
    ({"dtype": "float16"}, "dtype: must be one of float32, float64, got 'float16'"),
    ({"accelerator": "tpu"}, "accelerator: must be one of cpu, gpu, got 'tpu'"),
    ({"epochs": 0}, "epochs: must be at least 1, got 0"),
    ({"epochs": 1.5}, "epochs: must be a whole number, got 1.5"),
    ({"epochs": True}, "epochs: must be a whole number, got True"),
    ({"epochs": float("inf")}, "epochs: must be a whole number, got inf"),
    ({"batch_size": -1}, "batch_size: must be at least 1, got -1"),
    ({"seed": 2**64}, "seed: must be between -9223372036854775808 and 18446744073709551615"),
    ({"seed": "seven"}, "seed: must be a whole number, got 'seven'"),
    ({"hidden": "128,wide"}, "hidden: must be a whole number, got 'wide'"),
    ({"hidden": (0,)}, "hidden: must be at least 1, got 0"),
    ({"lr": 0}, "lr: must be greater than 0, got 0"),
    ({"lr": "fast"}, "lr: must be a number, got 'fast'"),
    ({"lr": float("nan")}, "lr: must be finite, got nan"),
    ({"hidden": None}, "hidden: must be whole numbers such as 256,128, got None"),
    ({"rotate": 181}, "rotate: must be at least 0 and at most 180, got 181"),
    ({"weight_decay": -1}, "weight_decay: must be at least 0, got -1"),
    ({"compile": "yes"}, "compile: must be true or false, got 'yes'"),
    ({"precision": "bf16-mixed"}, "precision: bf16-mixed is for --engine torch with --dtype float32, got engine both"),
    ({"precision": "16-mixed", "engine": "torch"}, "precision: 16-mixed needs a GPU"),
    ({"compile": True}, "compile: only torch can be compiled, got engine both"),
    ({"devices": 2, "engine": "torch"}, "devices: 2 devices share the batches of one engine with strategy ddp"),
    ({"devices": 2, "strategy": "ddp"}, "devices: .* got engine both with ddp"),
    (
        {"devices": 4, "strategy": "ddp", "engine": "torch", "batch_size": 3},
        "batch_size: 3 images cannot be shared by 4",
    ),
    ({"patience": 3}, "patience: stopping early is decided on a validation part"),
    ({"momentum": 0.9}, "momentum: adam has no momentum option"),
    ({"model": "lstm", "hidden": (3, 4)}, "hidden: the lstm needs at least one layer, all of the same width"),
    ({"model": "lstm", "dropout": 0.5}, "dropout: the lstm applies it between layers"),
    ({"dropout": 1}, "dropout: must be at least 0 and less than 1, got 1"),
    ({"validation": -0.1}, "validation: must be at least 0 and less than 1, got -0.1"),
    ({"limit_train": 0}, "limit_train: must be at least 1, got 0"),
    ({"engine": "scratch", "accelerator": "gpu"}, "accelerator: NumPy runs on the CPU, got engine scratch on gpu"),
    ({"accelerator": "gpu", "dropout": 0.5}, "dropout: must be 0 for both engines on gpu"),
    ({"channels": (3,)}, r"channels: only the cnn has convolutions, got \(3,\) for the mlp"),
    (
        {"model": "gru", "hidden": (3, 3), "dropout": 0.5, "devices": 2, "strategy": "ddp", "engine": "torch"},
        "dropout: several devices share the masks of the lstm, not of the gru",
    ),
    ({"model": "rnn", "activation": "GELU"}, "activation: the rnn always uses tanh, got GELU"),
    ({"model": "gru", "hidden": (3, 4)}, "hidden: the gru needs at least one layer, all of the same width"),
    ({"model": "lstm", "activation": "GELU"}, "activation: the lstm always uses tanh and sigmoid, got GELU"),
    ({"hidden": (), "dropout": 0.5}, "dropout: there is no hidden layer to apply it to"),
    ({"epoch": 3}, "epoch: there is no such option. Did you mean epochs\\? The options are data, engine"),
    ({"colour": 3}, "colour: there is no such option. The options are"),
]


@pytest.mark.parametrize(("values", "message"), REFUSED, ids=[str(values) for values, _ in REFUSED])
def test_refusals(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Config.from_dict(values)


def test_yaml_files_that_make_no_sense(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    with pytest.raises(ConfigError, match=r"config: .*config.yaml cannot be read: .*No such file"):
        Config.values_from_yaml(path)
    path.write_text("epochs: [3\n")
    with pytest.raises(ConfigError, match="is not YAML"):
        Config.values_from_yaml(path)
    path.write_text("- epochs\n")
    with pytest.raises(ConfigError, match="must hold lines such as 'epochs: 5', got list"):
        Config.values_from_yaml(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        Config.values_from_yaml(path)
    path.write_text("run: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(ConfigError, match="is not YAML"):
        Config.values_from_yaml(path)


def test_every_optimizer_and_activation_exists_on_both_sides() -> None:
    import scratch
    import torch_impl

    for lib in (scratch, torch_impl):
        assert all(hasattr(lib.optim, name) for name in OPTIMIZERS.values())
        assert all(hasattr(lib.nn, name) for name in ACTIVATIONS)


def test_replace_checks_again() -> None:
    with pytest.raises(ConfigError):
        replace(Config(), epochs=0)
