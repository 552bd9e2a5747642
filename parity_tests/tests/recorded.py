"""Models whose files the tests write, and the commands that write and read them."""

import json
import shutil
from pathlib import Path

import typer
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from parity_tests.comparer.cli import compare_command
from parity_tests.recordings.cli import record_command
from parity_tests.vectors import files
from parity_tests.vectors.cli import app as vectors

CHECKER = Path(files.__file__).with_name("check.mjs")
NODE = [node] if (node := shutil.which("node")) else []
COMPILER = [cc] if (cc := shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")) else []
MODELS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(7, 5)
        self.act = nn.ReLU()
        self.norm = nn.LayerNorm(5)
        self.block = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Dropout(0.3))
        self.fc2 = nn.Linear(6, 3)
    def forward(self, x):
        return self.fc2(self.block(self.norm(self.act(self.fc1(x)))))

class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.act, self.fc2 = nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4)
    def forward(self, x): return self.fc2(self.act(self.fc1(x)))

def net(): return Net()
def half(): return Net().bfloat16()
def mlp(): return MLP()
def eps():
    model = Net()
    model.norm.eps = 1e-3
    return model
def negative():
    model = MLP()
    model.act = nn.LeakyReLU(0.01)
    return model
class Renamed(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 8), nn.Linear(8, 4)
    def forward(self, x): return self.last(torch.relu(self.first(x)))
def renamed(): return Renamed()
def trained(): return {'model': MLP(), 'loss': 'MSELoss', 'target': torch.zeros(5, 4)}
class Keyed(MLP):
    def forward(self, x, keep=None, scale=1.0):
        y = self.fc1(x) * scale
        return {'logits': self.fc2(self.act(y) * (1 if keep is None else keep)), 'hidden': y, 'index': y.argmax(-1)}
def keyed(): return Keyed()
def momentum(nesterov=False, lr=0.1):
    sgd = lambda p: torch.optim.SGD(p, lr=lr, momentum=0.9, nesterov=nesterov)
    return {'model': MLP(), 'loss': 'MSELoss', 'target': torch.zeros(5, 4), 'optimizer': sgd}
def nesterov(): return momentum(True)
def faster(): return momentum(lr=0.11)
def adam(): return {**momentum(), 'optimizer': torch.optim.Adam}
class Inline(nn.Module):
    def __init__(self, scale=2.0, gate=lambda x: x.clamp(min=0)):
        super().__init__()
        self.fc, self.block, self.scale, self.gate = nn.Linear(6, 5), nn.Sequential(nn.Linear(5, 3)), scale, gate
    def forward(self, x): return self.block(self.scale * self.gate(self.fc(x)))
class Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x): ctx.save_for_backward(x); return x.clamp(min=0)
    @staticmethod
    def backward(ctx, dy): return dy * torch.where(ctx.saved_tensors[0] == 0, 0.25, ctx.saved_tensors[0] > 0)
def inline(): return Inline()
def layered():
    zero = torch.zeros(1, requires_grad=True)
    zero.clamp(min=0).backward()
    return Inline(gate=Old() if zero.grad else nn.ReLU())
class Old(nn.Module):
    def forward(self, x): return x.clamp(min=0)
class Opaque(Inline):
    def forward(self, x):
        h = self.gate(nn.functional.linear(x, self.fc.weight, self.fc.bias))
        return nn.functional.linear(self.scale * h, self.block[0].weight, self.block[0].bias)
def opaque(): return Opaque()
def scaled(): return Inline(3.0)
def quarter(): return Inline(gate=Gate.apply)
def broken(): raise ValueError('not today')
def failing():
    class Failing(nn.Linear):
        def forward(self, x): raise RuntimeError('no input is right')
    return Failing(6, 4)
"""


def models(folder: Path) -> Path:
    path = folder / "models.py"
    path.write_text(MODELS)
    return path


def _run(command, *arguments):
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, [str(a) for a in arguments])


def compare(*arguments):
    return _run(compare_command, *arguments)


def record(*arguments):
    return _run(record_command, *arguments)


def run_vectors(*arguments):
    return CliRunner().invoke(vectors, [str(a) for a in arguments])


def manifest(folder: Path, row: str):
    return json.loads((folder / f"{row}.json").read_text())


def edit(path: Path, change) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def answered(folder: Path, row: str):
    return load_file(folder / "answers" / f"{row}.safetensors")


def answer(folder: Path, row: str, numbers) -> None:
    (folder / "answers").mkdir(exist_ok=True)
    save_file(numbers, folder / "answers" / f"{row}.safetensors")
