"""Checkpoints: written completely or not at all, sufficient to resume bit for bit, and kept if anything fails."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

import scratch
from experiments.training.batches import Batches
from experiments.training.devices import is_child
from parity_tests.exits import CannotError, StoppedError
from torch_impl.files import FileRefusedError, read_checkpoint, write_whole


class TrainingError(CannotError, RuntimeError):
    """A run that cannot continue: numbers that are no longer finite, a full disk."""


class Interrupted(StoppedError):
    """A run that was asked to stop and has saved its state. The exit code is 128 + the signal's number."""

    def __init__(self, number: int) -> None:
        saved = "all is saved. Continue with --resume and its folder"
        super().__init__(number, "" if is_child() else saved)  # of several processes, the first reports for all


class SafeIO(TorchCheckpointIO):
    """A file appears under its name only when all of it is on the disk; until then an older file stays.

    Loading never runs code: weights_only=True.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        path = Path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, lambda file: torch.save(checkpoint, file))
        except (OSError, RuntimeError) as error:  # torch's writer turns a full disk into a RuntimeError
            raise TrainingError(
                f"checkpoint: {path} cannot be written: {error}. The previous one is intact. Is the disk full?"
            ) from error

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = True) -> dict[str, Any]:
        checkpoint = read(path)
        loops = checkpoint.get("loops")
        place = loops.get("fit_loop") if isinstance(loops, dict) else None
        if not isinstance(place, dict) or not {"epoch_progress", "epoch_loop.batch_progress"} <= place.keys():
            raise TrainingError(f"checkpoint: {path} is damaged: it does not hold the state of the training.")
        _bring_home(checkpoint, Path(path).parent)
        return checkpoint


def _bring_home(checkpoint: dict[str, Any], folder: Path) -> None:
    """Lightning's ModelCheckpoint forgets which epoch was best if its folder was moved: give it the current paths."""
    callbacks, home = checkpoint.get("callbacks"), os.path.realpath(folder)
    for name, state in callbacks.items() if isinstance(callbacks, dict) else ():
        if not str(name).startswith("ModelCheckpoint") or not isinstance(state, dict):
            continue
        state["dirpath"] = home
        for key in ("best_model_path", "kth_best_model_path", "last_model_path"):
            if state.get(key):
                state[key] = os.path.join(home, os.path.basename(str(state[key])))
        if isinstance(state.get("best_k_models"), dict):
            best = state["best_k_models"].items()
            state["best_k_models"] = {os.path.join(home, os.path.basename(str(path))): score for path, score in best}


def read(path: str | Path) -> dict[str, Any]:
    """A checkpoint, on the CPU, without running code from it.

    Raises    TrainingError if the file is not there, or not a checkpoint of this program.
    """
    try:
        checkpoint = read_checkpoint(path)
    except FileRefusedError as error:
        if not Path(path).exists():
            raise TrainingError(f"checkpoint: there is no file {path}.") from error
        raise TrainingError(f"checkpoint: {path} is damaged, or not a checkpoint: {error}.") from error
    missing = [
        key for key in ("state_dict", "curves", "run") if not isinstance(checkpoint, dict) or key not in checkpoint
    ]
    if missing:
        raise TrainingError(f"checkpoint: {path} lacks {', '.join(missing)}. Was it written by nn-parity train?")
    if not _are_figures(checkpoint["curves"]):
        raise TrainingError(f"checkpoint: {path} is damaged: its curves are not losses and figures of epochs.")
    return checkpoint


def _are_figures(curves: Any) -> bool:
    """Whether these are the losses of steps, and for each epoch its figures by name."""
    if not isinstance(curves, dict) or not isinstance(curves.get("losses"), torch.Tensor):
        return False
    epochs = curves.get("epochs")
    return isinstance(epochs, list) and all(
        isinstance(figures, dict) and "steps" in figures and all(type(v) in (int, float) for v in figures.values())
        for figures in epochs
    )


class WhereItStands(lightning.Callback):
    """The position in the batches, and every global random stream that a step may draw from, by process.

    Lightning restores a loader's state_dict in the middle of an epoch but not at its end, so the batches are kept here.
    """

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def state_dict(self) -> dict[str, Any]:
        own = {
            "batches": self.batches.state_dict(),
            "scratch": torch.from_numpy(scratch.get_rng_state().copy()),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }
        if not torch.distributed.is_initialized():
            return {"ranks": [own]}
        ranks: list[Any] = [None] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(ranks, own)
        return {"ranks": ranks}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
        own = state_dict["ranks"][rank]
        self.batches.load_state_dict(own["batches"])
        scratch.set_rng_state(own["scratch"].numpy())
        torch.set_rng_state(own["torch"])
        if torch.cuda.is_available() and own["cuda"]:
            torch.cuda.set_rng_state_all(own["cuda"])


class SaveLast(Checkpoint):
    """Writes `path` every few steps, after each epoch, and before it stops at Ctrl-C or SIGTERM.

    A signal waits for the end of the step, so what is saved is never half a step; a second one does not wait.
    Numbers that are not finite are never saved: the run stops, and the last good checkpoint stays.
    """

    def __init__(self, path: Path, every: int) -> None:
        self.path = path
        self.every = every
        self.stopping: int | None = None
        self.stopped_early = False
        self.before: dict[int, Any] = {}

    def save(self, trainer: lightning.Trainer, module: Any) -> None:
        if not all(bool(torch.isfinite(p).all()) for p in module.network.parameters()):
            raise not_finite(module)
        self.stopped_early = trainer.should_stop
        trainer.save_checkpoint(self.path)

    def on_train_batch_end(self, trainer: lightning.Trainer, module: Any, *arguments: Any) -> None:
        if trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            return  # the epoch will be judged and then saved
        stopping = self.agreed(trainer)
        if stopping or trainer.global_step % self.every == 0:
            self.save(trainer, module)
        if stopping:
            self.obey()

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: Any) -> None:
        stopping = self.agreed(trainer)
        self.save(trainer, module)
        if stopping:
            self.obey()

    def agreed(self, trainer: lightning.Trainer) -> bool:
        """Whether any process was told to stop: they save together, or they would wait for each other forever."""
        return trainer.strategy.reduce_boolean_decision(self.stopping is not None, all=False)

    def obey(self) -> None:
        raise Interrupted(self.stopping or signal.SIGTERM)

    # --- signals ----------------------------------------------------------------------------------------------------

    def on_train_start(self, trainer: lightning.Trainer, module: Any) -> None:
        trainer.should_stop = trainer.should_stop or self.stopped_early
        if threading.current_thread() is threading.main_thread():
            self.before = {number: signal.signal(number, self.heard) for number in (signal.SIGINT, signal.SIGTERM)}

    def heard(self, number: int, frame: FrameType | None) -> None:
        if self.stopping is not None:
            raise Interrupted(number)
        self.stopping = number

    def teardown(self, trainer: lightning.Trainer, module: Any, stage: str) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before = {}
        if self.stopping is not None:  # after the last step, when nothing asks for it any more
            self.obey()

    # --- what it remembers ------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        return {"stopped_early": self.stopped_early}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.stopped_early = state_dict["stopped_early"]


def not_finite(module: Any, images: torch.Tensor | None = None) -> TrainingError:
    """The message if a loss or a weight is no longer finite: the step, the layer, and what is still finite."""
    losses = torch.stack(module.losses)
    bad = torch.nonzero(~torch.isfinite(losses))
    step = int(bad[0]) + 1 if len(bad) else len(losses)
    what = f"the loss is {float(losses[step - 1])}" if len(bad) else "the update made weights that are not finite"
    return TrainingError(f"step {step}: {what}. {_where(module.network, images)} Lower --lr, or check the data.")


def _where(network: torch.nn.Module, images: torch.Tensor | None) -> str:
    """The first layer whose weights, or else whose output, is not finite."""
    for name, parameter in network.named_parameters():
        if not torch.isfinite(parameter).all():
            return f"The first weights that are not finite: {name}."
    if images is None:
        return "All weights are finite."
    if not torch.isfinite(images).all():
        return "The images of this batch are not finite."
    found = _first_layer(network, images)
    return f"The first layer whose output is not finite: {found}." if found else "Every layer's output is finite."


def _first_layer(network: Any, images: torch.Tensor) -> str | None:
    """Run the layers, scratch's or torch's own, and check each output."""
    own = getattr(network, "scratch_module", network)
    look: Callable[[Any], bool] = lambda y: not bool(torch.isfinite(torch.as_tensor(y)).all())  # noqa: E731
    x: Any = images if own is network else images.numpy()
    if not hasattr(own, "__iter__"):
        return None
    with torch.no_grad(), scratch.no_grad():
        for number, layer in enumerate(own):
            x = layer(x)
            if look(x):
                return f"{number} ({type(layer).__name__})"
    return None
