"""One engine's part of a run: restored, fitted by Lightning, evaluated."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint

from experiments.training import board
from experiments.training.augment import Augmentation
from experiments.training.checkpoints import SafeIO, SaveLast, TrainingError, WhereItStands, read
from experiments.training.compiling import compiled, why_not
from experiments.training.conditions import changes, conditions
from experiments.training.config import Config
from experiments.training.devices import GRACE, Watched, end_children, is_child, is_loss_of_others, lost, part
from experiments.training.driven import Driven, fingerprint, optimizer_and_schedule
from experiments.training.folder import deciding, refuse_foreign
from experiments.training.lightly import loggers, quiet_and_deterministic
from experiments.training.lit import EVALUATION_BATCH, Images, LitClassifier, Shown
from experiments.training.masks import share_masks
from experiments.training.outcome import EngineRun
from experiments.training.prepared import Prepared
from experiments.training.results import finished_config, read_finished, write_finished
from torch_impl.files import printable, remove_parts


class Run:
    """`restore` what an earlier start left; then `outcome`, for which it may have to `build`, `fit` and `evaluate`."""

    def __init__(self, driven: Driven, config: Config, prepared: Prepared, output: Path, shown: bool | None) -> None:
        self.driven = driven
        self.config = config
        self.prepared = prepared
        self.output = output
        self.shown = shown  # a bar, lines, or nothing
        self.folder = output / driven.name
        self.last, self.best = (self.folder / "checkpoints" / f"{name}.ckpt" for name in ("last", "best"))
        self.finished: EngineRun | None = None
        self.start_from: Path | None = None

    def restore(self) -> None:
        """Find out whether this engine has finished this run, or where it stopped.

        Raises    TrainingError if the files are damaged, or those of another run.
        """
        if not is_child():
            remove_parts(self.last)
            remove_parts(self.best)
        before = read(self.last)["run"] if self.last.exists() else None
        if before is not None:
            self.start_from = self.last
            refuse_foreign(_of(before, "config"), self.config, self.last)
        if self.best.exists():
            refuse_foreign(_of(read(self.best)["run"], "config"), self.config, self.best)
        if (self.folder / "finished.json").exists():
            config = finished_config(self.folder)  # older versions did not write it: then the checkpoint has it
            config = _of(before, "config") if config is None else config
            refuse_foreign(config, self.config, self.folder / "finished.json")
            if _of(config, "epochs") == self.config.epochs:
                self.finished = read_finished(self.folder, self.output)
        changed = changes(_of(before, "conditions"), conditions())
        if changed and not self.finished and not is_child():
            print(
                f"nn-parity: resume: {self.driven.name}: {changed}. The last bits may differ from those of a run that "
                "was never stopped.",
                file=sys.stderr,
            )

    def outcome(self) -> EngineRun:
        """The engine's outcome, from this start or an earlier one."""
        if self.finished:
            return self.finished
        self.build()
        with quiet_and_deterministic(self.config):
            self.fit()
            self.evaluate()
        done = self.figures()
        write_finished(done, deciding(self.config), self.folder, self.output, self.prepared.data.test)
        return done

    def build(self) -> None:
        """The network, its weights drawn from the seed, the batches, and the module that trains it."""
        driven, config, (data, judge, judge_name) = self.driven, self.config, self.prepared
        moves = Augmentation(config.shift, config.rotate)
        shape = data.train.images.shape[1:]
        self.batches = driven.batches(data.train, config.batch_size, config.seed, True, moves)
        held_back = [driven.batches(part, EVALUATION_BATCH, config.seed, False) for part in (judge, data.test)]
        self.module = Images(self.batches, *held_back)
        network = driven.network(config, shape, data.classes)
        self.weights = fingerprint(network)
        share = self.batches.mine
        if config.devices > 1:
            share_masks(network, share)
        self.compilation = None
        compute = None
        if config.compile:
            trial = torch.from_numpy(data.train.images[: config.batch_size])
            share.whole = len(trial)
            compute, self.compilation = compiled(network, trial)
        self.lit = LitClassifier(
            network,
            driven.criterion(config.label_smoothing),
            driven.criterion(),
            lambda net: optimizer_and_schedule(driven, config, net, config.epochs * len(self.batches)),
            judge_name,
            {"engine": driven.name, "config": deciding(config), "shape": list(shape), "conditions": conditions()},
            share,
            compute,
        )

    def fit(self) -> None:
        """Train the remaining steps; none, if an earlier start was stopped after its last step."""
        config, torchs = self.config, self.driven.name == "torch"
        curves = read(self.start_from)["curves"] if self.start_from else {"epochs": [], "losses": []}
        self.trainer = lightning.Trainer(
            max_epochs=config.epochs,
            accelerator=config.accelerator if torchs else "cpu",
            devices=config.devices,
            strategy=Watched() if config.strategy == "ddp" else config.strategy,
            precision=config.precision if torchs else "32",  # type: ignore[arg-type]
            logger=loggers(self.folder, curves["epochs"], len(curves["losses"])),
            log_every_n_steps=1,
            callbacks=self.callbacks(),
            plugins=[SafeIO()],
            num_sanity_val_steps=0,
            deterministic=config.deterministic,
            enable_model_summary=False,
            enable_progress_bar=False,
        )
        start = time.perf_counter()
        try:
            self.trainer.fit(self.lit, self.module, ckpt_path=self.start_from, weights_only=True)
        except (AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
            raise self.readable(error) from error
        except BaseException:
            end_children()
            raise
        self.seconds = time.perf_counter() - start

    def readable(self, error: Exception) -> Exception:
        """The error that stopped the training, as one line for the user; a fault of the program unchanged."""
        if self.config.devices > 1 and is_loss_of_others(error):
            time.sleep(GRACE)  # this process ends during this time if its watch finds the lost one
            end_children()
            return TrainingError(lost(f"the processes do not reach each other: {printable(error)}"))
        end_children()
        reason = why_not(error)
        if reason:
            return TrainingError(f"compile: torch cannot compile here: {printable(reason)}. Omit --compile.")
        if self.start_from is None or self.lit.started or isinstance(error, TrainingError):
            return error
        return TrainingError(f"checkpoint: {self.start_from} does not fit this run: {printable(error)}.")

    def evaluate(self) -> None:
        """Judge the test images: with the best checkpoint if other images selected it, else with the final weights."""
        lit = self.lit
        self.losses, self.epochs = torch.stack(lit.losses).tolist(), lit.epochs  # a checkpoint loaded later has its own
        if self.prepared.judge_name == "validation":
            self.trainer.test(lit, self.module, ckpt_path=self.best, weights_only=True, verbose=False)
            self.test = lit.figures("test")
        else:
            if not lit.predicted:  # no training was left, so the last epoch was judged in an earlier start
                self.trainer.loggers = []
                self.trainer.validate(lit, self.module, verbose=False)
            self.test = self.epochs[-1]
        part()
        if self.trainer.global_rank > 0:
            sys.exit(0)  # one of several processes writes the results

    def figures(self) -> EngineRun:
        return EngineRun(
            engine=self.driven.name,
            losses=self.losses,
            epochs=self.epochs,
            test_loss=self.test["test_loss"],
            test_accuracy=self.test["test_accuracy"],
            seconds=self.seconds,
            initial_weights=self.weights,
            batches=[digest.hex() for digest in self.batches.passed],
            checkpoint=self.best,
            predicted=torch.cat(self.lit.predicted).tolist(),
            confidence=torch.cat(self.lit.confidence).tolist(),
            compiled=self.compilation.record() if self.compilation else None,
        )

    def callbacks(self) -> list[Callback]:
        config, judge = self.config, self.prepared.judge_name
        chosen: list[Callback] = [WhereItStands(self.batches)]
        if config.patience is not None:
            chosen.append(EarlyStopping("validation_loss", patience=config.patience, check_finite=False))
        if board.installed():
            chosen.append(board.StepLosses())
        if self.shown is not None:
            chosen.append(Shown(self.driven.name, bar=self.shown))
        keep: dict[str, Any] = {"monitor": f"{judge}_accuracy", "mode": "max", "save_on_train_epoch_end": True}
        return [
            *chosen,
            ModelCheckpoint(self.best.parent, self.best.stem, enable_version_counter=False, **keep),
            SaveLast(self.last, config.save_every),
        ]


def _of(record: Any, name: str) -> Any:
    return record.get(name) if isinstance(record, dict) else None
