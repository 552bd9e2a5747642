"""The fast runs: three loops that give one result, plans and steps that are what they say, figures that are honest."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.bench import stored
from experiments.fast import tables
from experiments.fast.__main__ import main
from experiments.fast.command import fast_command
from experiments.fast.loops import LOOPS, Plain, Trainer
from experiments.fast.measure import benchmark, goals, measure
from experiments.fast.recipe import RECIPES, Recipe, chunk_length
from experiments.fast.resident import Resident
from experiments.fast.scratch_run import ScratchRun
from experiments.fast.torch_run import Run
from experiments.training.config import ConfigError
from experiments.training.data import ImageData, Part
from parity_tests.exits import CannotError

# On a GPU the sums of convolutions may come in another order each time; those of the MLP do not.
PLACES = [("cpu", name) for name in RECIPES] + ([("cuda", "mlp")] if torch.cuda.is_available() else [])


@pytest.fixture(scope="module")
def part() -> Part:
    """Noise, and in it a bar whose height in the image is its class."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 10, 130)
    images = generator.integers(0, 100, (130, 28, 28))
    rows = np.arange(28) // 3 == labels[:, None]
    images[rows] += 150
    return Part(images.astype(np.uint8), labels)


def small(name: str, **changes: object) -> Recipe:
    return replace(RECIPES[name], **{"epochs": 2, "batch_size": 20, **changes})


def losses(run: Run | ScratchRun, seed: int, loop: str = "plain") -> list[float]:
    driver = LOOPS[loop]()
    driver.adopt(run)
    run.prepare()
    return trained(run, driver, seed)


def trained(run: Run | ScratchRun, driver: Plain, seed: int) -> list[float]:
    run.restart(seed)
    run.draw_plan()
    driver.train(run)
    return run.all_losses()


# --- loops ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("device", "name"), PLACES)
@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_three_loops_give_the_same_bits(device: str, name: str, precision: str, part: Part) -> None:
    results = {loop: losses(Run(small(name), part, device, precision, longest_chunk=3), 1, loop) for loop in LOOPS}
    assert len(results["plain"]) == 12
    assert len(set(results["plain"])) == 12
    assert results["fabric"] == results["plain"]
    assert results["trainer"] == results["plain"]


@pytest.mark.parametrize(("device", "name"), PLACES)
def test_a_seed_gives_the_same_bits_again_and_another_does_not(device: str, name: str, part: Part) -> None:
    run = Run(small(name), part, device)
    first, other, again = losses(run, 1), trained(run, Plain(), 2), trained(run, Plain(), 1)
    assert again == first
    assert other[0] != first[0]


@pytest.mark.parametrize(("device", "name"), PLACES)
def test_a_chunk_is_its_steps_one_by_one(device: str, name: str, part: Part) -> None:
    """On a GPU: a graph's replay gives the bits of the steps that it holds."""
    expected = losses(Run(small(name), part, device), 1)
    run = Run(small(name), part, device)
    run.prepare()
    run.restart(1)
    run.draw_plan()
    for _ in range(run.steps):
        run.step()
    assert run.all_losses() == expected


def test_the_trainer_counts_raw_steps_and_stops_by_them(part: Part) -> None:
    run, loop = Run(small("mlp"), part, longest_chunk=3), Trainer()
    run.restart(0)
    run.draw_plan()
    loop.train(run, epochs=run.epochs + 3)  # more than there are steps for
    assert (run.chunk_length, run.chunks, run.steps) == (3, 2, 12)
    assert loop.trainer.global_step == int(run.done) == 12


# --- steps ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECIPES)
def test_a_run_is_adam_under_one_cycle(name: str, part: Part) -> None:
    """The same training in plain torch: loader-less batches by NumPy, a float for the rate, torch's own scheduler."""
    run = Run(small(name), part)
    came = losses(run, 5)
    recipe, margin = run.recipe, run.data.margin
    torch.manual_seed(5)
    network = recipe.network(torch).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.lr, betas=recipe.betas, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.lr, total_steps=run.steps, pct_start=recipe.warm_up, cycle_momentum=False
    )
    padded = np.pad(part.images, ((0, 0), (margin, margin), (margin, margin)))
    side = padded.shape[1]
    expected = []
    for row in run.plan.numpy():
        numbers, down, right = row // side**2, row % side**2 // side, row % side
        moved = np.stack([padded[n, i : i + 28, j : j + 28] for n, i, j in zip(numbers, down, right, strict=True)])
        images = torch.tensor(moved, dtype=torch.float32) * (1 / 78.5675)
        labels = torch.tensor(part.labels[numbers])
        loss = torch.nn.functional.cross_entropy(network(images), labels, label_smoothing=recipe.label_smoothing)
        optimizer.zero_grad()
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = float(np.float32(group["lr"]))  # as the tensor on the device holds it
        optimizer.step()
        if len(expected) < run.steps - 1:
            schedule.step()
        expected.append(loss.item())
    assert came == expected


@pytest.mark.parametrize("shift", [0, 2])
def test_the_plan_takes_every_image_once_an_epoch_and_moves_it_everywhere(shift: int, part: Part) -> None:
    run = Run(small("mlp", shift=shift, batch_size=13, epochs=40), part)
    run.restart(0)
    run.draw_plan()
    numbers = (run.plan // run.data.area).view(40, -1)
    assert (numbers.sort(dim=1).values == torch.arange(130)).all()
    assert not (numbers[0] == numbers[1]).all()
    corner = run.plan % run.data.area
    for move in (corner // run.data.width, corner % run.data.width):
        assert move.unique().tolist() == list(range(2 * shift + 1))


def test_what_moves_in_is_black(part: Part) -> None:
    data = Resident(part, torch.device("cpu"), 2)
    images, labels = data.batch(data.corners(torch.tensor([7, 9]), torch.tensor([0, 4]), torch.tensor([3, 2])))
    expected = np.zeros((2, 28, 28), np.float32)
    expected[0, 2:, :-1] = part.images[7, :-2, 1:]
    expected[1, :-2, :] = part.images[9, 2:, :]
    assert (images.numpy() == expected * np.float32(1 / 78.5675)).all()
    assert labels.tolist() == part.labels[[7, 9]].tolist()


def test_chunks_fill_an_epoch() -> None:
    assert [chunk_length(steps, 40) for steps in (240, 120, 1, 41, 39)] == [40, 40, 1, 1, 39]


def test_too_few_images_for_a_batch(part: Part) -> None:
    with pytest.raises(ValueError, match="mlp: 130 images do not fill a batch of 500"):
        Run(RECIPES["mlp"], part)


# --- scratch ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECIPES)
def test_scratch_starts_alike_and_trains_alike(name: str, part: Part) -> None:
    """Nothing is copied. Rounding grows from step to step, and at a kink of ReLU it may jump: the first steps tell."""
    ours, theirs = ScratchRun(small(name), part), Run(small(name), part)
    for run in (ours, theirs):
        run.restart(4)
        run.draw_plan()
    assert (ours.plan == theirs.plan.numpy()).all()
    for (key, array), tensor in zip(
        ours.network.state_dict().items(), theirs.network.state_dict().values(), strict=True
    ):
        assert (array == tensor.numpy()).all(), key
    for run in (ours, theirs):
        for _ in range(4):
            run.step()
    np.testing.assert_allclose(ours.losses, theirs.all_losses()[:4], rtol=1e-5)


# --- figures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["torch", "scratch"])
def test_measure_gives_every_seed_and_the_spread(engine: str, part: Part) -> None:
    result = measure(small("mlp", epochs=8, lr=1e-3, warm_up=0.5), ImageData(part, part), seeds=3, engine=engine)
    assert len(result["accuracies"]) == len(result["seconds_each"]) == 3
    assert result["accuracy"]["mean"] == pytest.approx(np.mean(result["accuracies"]))
    assert result["accuracy"]["sd"] == pytest.approx(np.std(result["accuracies"], ddof=1))
    assert result["accuracy"]["least"] > 0.5
    assert result["in_time"] is None  # seconds are claimed of a GPU
    assert json.loads(json.dumps(result)) == result


def test_validation_keeps_the_test_set_out(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.fast.measure.VALIDATION", 30)
    nothing = Part(part.images[:0], part.labels[:0])  # judging on it would divide by zero
    result = measure(small("mlp"), ImageData(part, nothing), seeds=1, validation=True)
    assert (result["judged_on"], result["steps"], result["accuracy"]["sd"]) == ("validation", 10, None)


def test_goals_of_time_are_judged_on_a_gpu_alone() -> None:
    recipe = RECIPES["cnn-fast"]
    assert goals(recipe, "plain", "cpu", 0.99, 100.0)["in_time"] is None
    assert goals(recipe, "plain", "cuda", 0.99, 0.4)["in_time"] is True
    assert goals(recipe, "plain", "cuda", 0.99, 0.6)["in_time"] is False
    assert goals(recipe, "trainer", "cuda", 0.9899, 0.6) == {
        "goal": 0.99, "goal_met": False, "seconds_goal": 1.0, "in_time": True
    }  # fmt: skip


def test_benchmark_sets_the_loops_side_by_side(part: Part) -> None:
    result = benchmark(ImageData(part, part), small("mlp"), rounds=2)
    assert [(row["loop"], row["chunk"]) for row in result["rows"]] == [
        ("plain", 6), ("fabric", 6), ("trainer", 6), ("trainer", 1)
    ]  # fmt: skip
    assert result["rows"][0]["ratio"]["median"] == 1
    assert all(row["ratio"]["low"] <= row["ratio"]["median"] <= row["ratio"]["high"] for row in result["rows"])
    assert "fabric" in tables.benchmark_table(result)


def test_what_was_not_measured_is_called_so(tmp_path: Path, capsys: pytest.CaptureFixture[str], part: Part) -> None:
    empty = tables.goals_table(stored.read_if_there(tmp_path / "none.json"))
    assert empty.count("not measured") == 2 * sum(len(recipe.seconds) for recipe in RECIPES.values())
    run = measure(small("mlp"), ImageData(part, part), seeds=2)
    stored.write(tmp_path / "some.json", {"environment": {"device": "X"}, "runs": [run]})
    filled = tables.goals_table(stored.read_if_there(tmp_path / "some.json"))
    assert filled.count("not measured") == empty.count("not measured") - 2
    assert tables.percent(run["accuracy"]) in filled


# --- the command line -------------------------------------------------------------------------------------------------


def test_without_a_gpu_the_goals_are_shown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["gpu", "--json", str(tmp_path / "none.json")]) == 0
    assert "not measured" in capsys.readouterr().out


def test_what_cannot_be_carried_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CannotError, match=r"^MNIST: there is no folder"):
        main(["run", "mlp", "--data-dir", str(tmp_path / "none")])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(CannotError, match=r"^device: torch sees no GPU here, got cuda\."):
        main(["run", "mlp", "--device", "cuda"])


@pytest.mark.parametrize(
    ("loop", "device", "precision"), [("fabric", "cpu", "32"), ("plain", "cpu", "bf16"), ("plain", "cuda", "32")]
)
def test_what_scratch_does_not_have(loop: str, device: str, precision: str, part: Part) -> None:
    with pytest.raises(ConfigError, match=f"got {loop}, {device}, {precision}"):
        measure(small("mlp"), ImageData(part, part), loop, 1, device, precision, engine="scratch")


def test_needs_nothing_beside_torch_numpy_and_lightning(tmp_path: Path) -> None:
    code = """
import sys, numpy, torch, lightning
theirs = set(sys.modules)
from experiments.fast.__main__ import main
from experiments.fast.command import fast_command
main(["gpu", "--json", sys.argv[1]])
print({name.split(".")[0] for name in set(sys.modules) - theirs} - set(sys.stdlib_module_names) - {"__mp_main__"})
"""
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    command_line = [sys.executable, "-c", code, str(tmp_path / "none.json")]
    output = subprocess.run(command_line, capture_output=True, text=True, env=hidden, check=True).stdout
    ours = {"experiments", "parity_tests", "scratch", "torch_impl"}
    assert set(re.findall(r"'(\w+)'", output.splitlines()[-1])) == ours


def test_what_would_not_be_compiled_is_refused() -> None:
    """It was recorded as compiled."""
    with pytest.raises(ConfigError, match=r"compile: only torch can be compiled, got engine scratch"):
        fast_command(["mlp"], engine="scratch", seeds=1, compiled=True)
