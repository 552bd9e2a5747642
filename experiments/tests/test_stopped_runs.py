"""A run that cannot go on stops with one clear error, and its last good checkpoint stays."""

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.tests.crashes import ENGINES, WITH_STATES, at_step, crashed
from experiments.tests.small_runs import SMALL, nn_parity, same
from experiments.training import results
from experiments.training.checkpoints import SaveLast, TrainingError, read
from experiments.training.config import ConfigError
from experiments.training.lit import LitClassifier
from experiments.training.run import resume, train
from torch_impl.files import whole

pytestmark = pytest.mark.usefixtures("no_pictures")


def spoil_weight(lit: LitClassifier) -> None:
    with torch.no_grad():
        list(lit.network.parameters())[2][0, 0] = float("nan")


def spoil_output(lit: LitClassifier) -> None:
    with torch.no_grad():
        weight, bias, *_ = lit.network.parameters()
        weight.fill_(1e38)
        bias.fill_(3e38)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("spoil", "where"),
    [(spoil_weight, r"weights that are not finite: 4\.weight"), (spoil_output, r"output is not finite: 1 \(Linear\)")],
)
@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
def test_a_loss_that_is_not_finite_stops_the_run(
    engine: str, spoil: Callable[[LitClassifier], None], where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_step(9, spoil, monkeypatch)
    config = replace(WITH_STATES, engine=engine, output=str(tmp_path))
    with pytest.raises(TrainingError, match=rf"step 9: the loss is (nan|inf)\. The first .*{where}"):
        train(config)
    good = read(tmp_path / engine / "checkpoints" / "last.ckpt")
    assert len(good["curves"]["losses"]) == 8
    assert all(torch.isfinite(tensor).all() for tensor in good["state_dict"].values())


def test_an_update_to_infinity_is_not_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss of the last step was finite, the weights after it are not: the checkpoint before stays."""
    honest, seen = SaveLast.save, []

    def save(self: SaveLast, trainer: Any, module: LitClassifier) -> None:
        seen.append(1)
        if len(seen) == 4:
            spoil_weight(module)
        honest(self, trainer, module)

    monkeypatch.setattr(SaveLast, "save", save)
    with pytest.raises(TrainingError, match=r"step 4: the update made weights .* not finite: 4\.weight"):
        train(replace(WITH_STATES, engine="torch", output=str(tmp_path), save_every=1))
    good = read(tmp_path / "torch" / "checkpoints" / "last.ckpt")
    assert len(good["curves"]["losses"]) == 3
    assert all(torch.isfinite(tensor).all() for tensor in good["state_dict"].values())


def test_a_full_disk_is_one_clear_line_and_the_last_checkpoint_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, seen = torch.save, []

    def save(checkpoint: Any, file: Any) -> None:
        seen.append(1)
        if len(seen) == 3:
            file.write(b"half of it")
            raise OSError(28, "No space left on device")
        honest(checkpoint, file)

    monkeypatch.setattr(torch, "save", save)
    with pytest.raises(
        TrainingError, match=r"last.ckpt cannot be written: .*No space left.* The previous one is intact"
    ):
        train(replace(WITH_STATES, engine="torch", output=str(tmp_path), save_every=1))
    checkpoints = tmp_path / "torch" / "checkpoints"
    assert [path.name for path in checkpoints.iterdir()] == ["last.ckpt"]
    assert len(read(checkpoints / "last.ckpt")["curves"]["losses"]) == 2


def test_two_runs_in_one_folder_do_not_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(WITH_STATES, engine="torch", epochs=1, output=str(tmp_path))
    refusals = []

    def second(lit: LitClassifier) -> None:
        with pytest.raises(TrainingError, match=r"another run is writing into .* Choose another folder") as refusal:
            train(config)
        refusals.append(refusal)

    at_step(2, second, monkeypatch)
    train(config)
    assert len(refusals) == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_a_damaged_checkpoint_is_named(engine: str, tmp_path: Path) -> None:
    config = replace(WITH_STATES, engine=engine, output=str(tmp_path))
    crashed(config, 4)
    path = tmp_path / engine / "checkpoints" / "last.ckpt"
    content = path.read_bytes()
    for damaged in (
        content[: len(content) // 2],
        b"",
        b"not a checkpoint",
        content[:100] + b"\xff" * 99 + content[199:],
    ):
        path.write_bytes(damaged)
        with pytest.raises(TrainingError, match=r"checkpoint: .*last.ckpt (is damaged|lacks)"):
            resume(tmp_path)
    torch.save({"state_dict": {}}, path)
    with pytest.raises(TrainingError, match=r"lacks curves, run\. Was it written by nn-parity train\?"):
        resume(tmp_path)


def test_there_must_be_a_run_to_resume(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config: .*config.yaml cannot be read"):
        resume(tmp_path)


# --- stopped at the very end ------------------------------------------------------------------------------------------


def full_disk_at(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = whole.os.replace

    def replace(part: Any, path: Any) -> None:
        if Path(path).name == name:
            raise OSError(28, "No space left on device", str(path))
        honest(part, path)

    monkeypatch.setattr(whole.os, "replace", replace)


@pytest.mark.parametrize("validation", [0.0, 0.25])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["steps.csv", "finished.json", "metrics.json"])
def test_a_disk_that_is_full_after_the_last_checkpoint_costs_nothing(
    name: str, engine: str, validation: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(SMALL, engine=engine, validation=validation)
    with monkeypatch.context() as patch:
        full_disk_at(name, patch)
        with pytest.raises(
            TrainingError, match=r"cannot be written: .*No space left.*continue with --resume"
        ) as caught:
            train(replace(config, output=str(tmp_path / "full")))
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "full" / "metrics.json").exists()
    whole_run = train(replace(config, output=str(tmp_path / "whole"))).runs[engine]
    assert same(resume(tmp_path / "full").runs[engine], whole_run)
    logs = [(tmp_path / run / engine / "logs" / "metrics.csv").read_text() for run in ("full", "whole")]
    assert logs[0] == logs[1]


@pytest.mark.parametrize("name", ["config.yaml", "predictions.csv", "curves.png", "mistakes.png", "metrics.json"])
def test_a_full_disk_is_exit_code_2_and_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "find_spec", find_spec)  # with its pictures
    full_disk_at(name, monkeypatch)
    done = nn_parity("train", "--engine", "torch", "--limit-train", 64, "--epochs", 1, "--output", tmp_path)
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1), done.output
    assert "No space left on device" in done.stderr
    assert not [path for path in tmp_path.rglob("*") if path.name in (name, "metrics.json") or ".part" in path.name]
