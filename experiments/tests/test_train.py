"""One seed, two engines, nothing copied: what a run must show, write, refuse and leave as it was."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import lightning
import numpy as np
import pytest
import torch

from experiments.training import plots, results
from experiments.training.config import Config, ConfigError
from experiments.training.driven import Driven, DrivenScratch, DrivenTorch, optimizer_and_schedule
from experiments.training.lightly import quiet_and_deterministic
from experiments.training.lit import Images, LitClassifier
from experiments.training.outcome import RunResult, compare, relative_difference
from experiments.training.prepared import prepare
from experiments.training.run import train

# SiLU is smooth: no input within a rounding of a kink can turn float32's last digits into a jump of the loss.
CONFIG = Config(epochs=3, hidden=(48, 32), activation="SiLU", dropout=0.2, lr=3e-3, seed=7)
ENGINES = [DrivenScratch(), DrivenTorch()]


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return train(replace(CONFIG, output=str(tmp_path_factory.mktemp("twins"))))


def test_both_engines_start_and_read_alike_and_their_losses_agree(twins: RunResult) -> None:
    assert twins.comparison is not None
    assert twins.ok
    assert twins.comparison.same_initial_weights
    assert twins.comparison.same_batches
    assert twins.comparison.largest_difference <= 1e-6
    assert twins.comparison.first_visible_step is None
    assert [len(run.losses) for run in twins.runs.values()] == [3 * 23, 3 * 23]
    assert all(run.test_accuracy > 0.85 for run in twins.runs.values())


@pytest.mark.usefixtures("no_pictures_here")
def test_float64_agrees_to_its_own_last_digits(tmp_path: Path) -> None:
    result = train(replace(CONFIG, activation="ReLU", dtype="float64", output=str(tmp_path)))
    assert result.ok
    assert result.comparison is not None
    assert result.comparison.largest_difference <= 1e-13


@pytest.mark.usefixtures("no_pictures_here")
def test_another_seed_is_another_run(twins: RunResult, tmp_path: Path) -> None:
    other = train(replace(CONFIG, engine="torch", epochs=1, seed=8, output=str(tmp_path))).runs["torch"]
    first = replace(twins.runs["torch"], losses=twins.runs["torch"].losses[: len(other.losses)])
    comparison = compare(first, other)
    assert (comparison.same_initial_weights, comparison.same_batches, comparison.ok) == (False, False, False)
    assert comparison.first_visible_step == 1


@pytest.mark.usefixtures("no_pictures_here")
def test_one_bit_of_one_weight_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Driven.network

    def nudged(self: Driven, config: Config, shape: tuple[int, ...], classes: int) -> torch.nn.Module:
        network = honest(self, config, shape, classes)
        if self.name == "scratch":
            weight = next(network.parameters()).detach().numpy()
            weight[0, 0] = np.nextafter(weight[0, 0], np.float32(1))
        return network

    monkeypatch.setattr(Driven, "network", nudged)
    result = train(replace(CONFIG, epochs=1, output=str(tmp_path)))
    assert result.comparison is not None
    assert not result.comparison.same_initial_weights
    assert result.comparison.same_batches
    assert not result.ok


def test_batches_are_those_of_a_plain_shuffling_dataloader() -> None:
    data, _, _ = prepare(CONFIG)
    tensors = torch.utils.data.TensorDataset(*(torch.from_numpy(array) for array in data.train))
    generator = torch.Generator().manual_seed(7)
    plain = torch.utils.data.DataLoader(tensors, 50, shuffle=True, generator=generator)
    loaders = [engine.batches(data.train, 50, 7, shuffle=True) for engine in ENGINES]
    for _ in range(2):
        for expected, *batches in zip(plain, *loaders, strict=True):
            for batch in batches:
                assert all(torch.equal(a, b) for a, b in zip(expected, batch, strict=True))


def test_what_a_run_writes(twins: RunResult) -> None:
    folder = twins.output
    assert Config.from_dict(Config.values_from_yaml(folder / "config.yaml")) == replace(twins.config, output=None)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["ok"] is True
    assert metrics["seed"] == 7
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    for name, run in twins.runs.items():
        with open(folder / name / "steps.csv", newline="") as file:
            steps = list(csv.DictReader(file))
        assert [float(step["loss"]) for step in steps] == run.losses
        with open(folder / name / "logs" / "metrics.csv", newline="") as file:
            epochs = list(csv.DictReader(file))
        assert [float(epoch["test_accuracy"]) for epoch in epochs] == pytest.approx(
            [epoch["test_accuracy"] for epoch in run.epochs], rel=1e-6
        )
        assert metrics["runs"][name]["epochs"] == run.epochs
        assert {path.name for path in (folder / name / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
        assert (folder / metrics["runs"][name]["checkpoint"]).is_file()


@pytest.mark.usefixtures("no_pictures_here")
def test_a_second_run_in_the_same_folder_replaces_the_first(tmp_path: Path) -> None:
    config = replace(CONFIG, engine="scratch", epochs=1, output=str(tmp_path))
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "notes.txt").write_text("mine")
    losses = [train(config, overwrite=overwrite).runs["scratch"].losses for overwrite in (False, True)]
    assert losses[0] == losses[1]
    assert len((tmp_path / "scratch" / "logs" / "metrics.csv").read_text().splitlines()) == 2
    assert (tmp_path / "scratch" / "notes.txt").read_text() == "mine"


@pytest.mark.usefixtures("no_pictures_here")
def test_a_validation_part_judges_and_the_best_checkpoint_is_tested(tmp_path: Path) -> None:
    config = replace(CONFIG, engine="torch", validation=0.25, output=str(tmp_path))
    data, judge, name = prepare(config)
    whole, _, _ = prepare(CONFIG)
    assert name == "validation"
    assert len(judge.labels) + len(data.train.labels) == len(whole.train.labels)
    images = {image.tobytes() for image in data.train.images}
    assert not images & {image.tobytes() for image in judge.images}
    np.testing.assert_array_equal(data.test.images, whole.test.images)
    run = train(config).runs["torch"]
    assert set(run.epochs[0]) == {"train_loss", "validation_loss", "validation_accuracy", "steps", "lr"}
    engine = DrivenTorch()
    network = engine.network(config, (8, 8), 10)
    state = torch.load(run.checkpoint, weights_only=True)["state_dict"]
    network.load_state_dict({name.removeprefix("network."): value for name, value in state.items()})
    predicted = network.eval()(torch.from_numpy(data.test.images)).argmax(1).numpy()
    assert run.test_accuracy == pytest.approx((predicted == data.test.labels).mean(), rel=1e-6)


def continued(engine: Driven, checkpoint: Path, folder: Path) -> list[float]:
    """The losses of one more epoch from a checkpoint, on an engine that need not be the one that wrote it."""
    data, judge, name = prepare(CONFIG)
    lit = LitClassifier(
        engine.network(replace(CONFIG, seed=99), (8, 8), 10),
        engine.criterion(),
        engine.criterion(),
        lambda network: optimizer_and_schedule(engine, CONFIG, network, 100),
        name,
    )
    with quiet_and_deterministic(CONFIG):
        trainer = lightning.Trainer(
            default_root_dir=folder,
            max_epochs=CONFIG.epochs + 1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=False,
        )
        batches = (
            engine.batches(part, 64, 5, shuffle)
            for part, shuffle in ((data.train, True), (judge, False), (judge, False))
        )
        trainer.fit(lit, Images(*batches), ckpt_path=checkpoint, weights_only=True)
    return torch.stack(lit.losses[-23:]).tolist()


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")  # the callbacks' state is not wanted
def test_either_engine_goes_on_from_the_checkpoint_of_either(twins: RunResult, tmp_path: Path) -> None:
    """Weights and Adam's moments cross over: otherwise the first updates would be those of a fresh optimizer."""
    checkpoints = [twins.output / run.engine / "checkpoints" / "last.ckpt" for run in twins.runs.values()]
    curves = [continued(engine, path, tmp_path) for engine in ENGINES for path in checkpoints]
    assert len(curves[0]) == 23
    for curve in curves[1:]:
        assert relative_difference(curve, curves[0]).max() <= 1e-6


def test_nothing_global_is_left_changed_and_nothing_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.allow_tf32, torch.get_default_dtype()
    train(replace(CONFIG, epochs=1, limit_train=100, output=str(tmp_path)))
    after = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.allow_tf32, torch.get_default_dtype()
    assert after == before
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("no_pictures_here")
def test_a_run_without_a_name_gets_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = replace(CONFIG, engine="torch", epochs=1, limit_train=64)
    assert [str(train(config).output) for _ in range(2)] == ["runs/digits-mlp-1", "runs/digits-mlp-2"]


def test_an_output_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"output: .*file/run cannot be written: .* Choose another folder"):
        train(replace(CONFIG, output=str(tmp_path / "file" / "run")))


def test_a_gpu_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"accelerator: torch finds no GPU here. Use --accelerator cpu"):
        train(replace(CONFIG, engine="torch", accelerator="gpu", output=str(tmp_path)))


def test_a_curve_and_its_running_mean(tmp_path: Path) -> None:
    np.testing.assert_allclose(plots.running_mean([1, 2, 3, 6], 2), [1, 1.5, 2.5, 4.5])
    assert relative_difference([1.0, 0.0], [2.0, 0.0]).tolist() == [0.5, 0.0]
    losses = np.exp(-np.arange(500) / 100)
    curves = {"scratch": losses * (1 + 1e-7), "torch": losses}
    plots.loss_curves(curves, "float32", "a title", tmp_path / "twins.png")  # type: ignore[arg-type]
    plots.loss_curves({"torch": losses.tolist()}, "float64", "a title", tmp_path / "one.png")
    assert all((tmp_path / name).stat().st_size > 5000 for name in ("twins.png", "one.png"))


def test_the_steps_file_is_made_of_exact_floats(tmp_path: Path) -> None:
    losses = [0.1, 1 / 3, float(np.float32(2.3)), 5e-324]
    results.write_steps(tmp_path / "steps.csv", losses)
    rows = (tmp_path / "steps.csv").read_text().splitlines()
    assert [float(row.split(",")[1]) for row in rows[1:]] == losses
