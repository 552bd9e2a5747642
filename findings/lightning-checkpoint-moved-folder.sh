#!/usr/bin/env bash
# lightning 2.6.6: a run resumed in a moved folder forgets which checkpoint was its best one.
# ModelCheckpoint.load_state_dict compares the saved folder with its own; if they differ, best_model_score and
# best_k_models are dropped with a UserWarning, and the next epoch, better or not, takes the place of best.ckpt.
# Guessed before: the score is kept, since the score does not depend on the folder. Seen: None and an empty dict.
# Here: train --resume after a run's folder was moved; experiments/training/checkpoints.py puts the new folder's name first.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 lightning==2.6.6
cd "$dir"
venv/bin/python -W ignore - <<'PY'
import shutil
import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint


class Net(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(1))

    def training_step(self, batch, i):
        return (self.w * batch[0]).sum()

    def validation_step(self, batch, i):
        self.log("loss", float(self.current_epoch))  # the first epoch is the best one

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(4, 1)))
quiet = dict(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)


def saver(folder):
    return ModelCheckpoint(folder, "best", "loss", save_last=True, enable_version_counter=False)


first = saver("run")
lightning.Trainer(max_epochs=1, callbacks=[first], **quiet).fit(Net(), data, data)
shutil.copytree("run", "copy")
found = {}
for folder in ("run", "copy"):
    again = saver(folder)
    again.load_state_dict(torch.load(f"{folder}/last.ckpt", weights_only=False)["callbacks"][again.state_key])
    found[folder] = (None if again.best_model_score is None else float(again.best_model_score), len(again.best_k_models))
print(f"lightning {lightning.__version__}: best score and number of best models after loading:", found)
assert found == {"run": (0.0, 1), "copy": (None, 0)}, "this has changed"
PY
