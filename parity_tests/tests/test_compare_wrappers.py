"""Models that are wrapped, compiled, exported, half precise, that cast or cannot be copied."""

import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.utils.checkpoint
from torch import nn

from parity_tests import compare
from parity_tests.comparer.findings import CompareError
from parity_tests.comparer.twin import computing_in, twin_of
from parity_tests.tests.ports import Named, Wrapped, X, agree, seeded

# --- precisions and twins ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_models(dtype):
    def net():
        return nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 4)).to(dtype)

    x = torch.tensor(X).to(dtype)
    agree(seeded(net), seeded(net), x)
    assert not compare(seeded(lambda: nn.Sequential(*net(), nn.Hardtanh(-0.1, 0.1))), seeded(net), x).ok


def test_the_twin_that_cannot_be_made_or_run():
    class Casts(nn.Linear):
        def forward(self, x):
            return super().forward(torch.tensor(x.detach().to(torch.float32).numpy().astype(np.float32)))

    class Closed(nn.Module):
        """Its layers are held by a function alone, which a copy still calls."""

        def __init__(self):
            super().__init__()
            self.a, b = nn.Linear(8, 8), nn.Linear(8, 4)
            self.b = b
            self.run = lambda x: b(torch.tanh(self.a(x)))

        def forward(self, x):
            return self.run(x)

    report = agree(seeded(Closed), seeded(Closed))
    assert any("float32" in note for note in report.notes)
    assert not compare(seeded(lambda: nn.Sequential(seeded(Closed), nn.Tanh())), Wrapped("0", seeded(Closed)), X).ok

    class NoCopy(nn.Linear):
        def __deepcopy__(self, memo):
            raise RuntimeError("not today")

    agree(NoCopy(8, 4), NoCopy(8, 4))


def test_float32_written_into_the_reference():
    class Norm(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(8))

        def forward(self, x):
            h = x.to(torch.float32)
            h = h * torch.rsqrt(h.pow(2).mean(-1, keepdim=True) + torch.tensor(1e-6, dtype=torch.float32))
            return self.weight * (h @ torch.eye(8)).float().to(x.dtype)

    report = agree(Norm(), Norm())
    assert not any("twin" in note for note in report.notes)


def test_a_twin_computes_in_its_own_precision_throughout():
    x, model = torch.tensor(X), twin_of(Wrapped("inner", Hides()), torch.float64)
    with computing_in(torch.float64):
        made = [x.float(), x.to(torch.float32), x.to(dtype=torch.float32), torch.eye(8)]
        made += [model(x.double()), *model.state_dict().values()]
    assert {part.dtype for part in made} == {torch.float64}
    assert torch.eye(8).dtype == torch.tensor(X).float().dtype == torch.float32


class Hides(nn.Module):
    """One of its layers stands in a plain list."""

    def __init__(self):
        super().__init__()
        self.first, self.rest = nn.Linear(8, 8), [nn.Linear(8, 4)]

    def forward(self, x):
        return self.rest[0](self.first(x).float())


# --- wrappers ---------------------------------------------------------------------------------------------------------


class Checkpointed(nn.Module):
    def __init__(self, on, reentrant=False):
        super().__init__()
        self.a, self.b, self.on, self.reentrant = nn.Linear(8, 8), nn.Linear(8, 4), on, reentrant

    def forward(self, x):
        h = torch.utils.checkpoint.checkpoint(self.a, x, use_reentrant=self.reentrant) if self.on else self.a(x)
        return self.b(h)


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.filterwarnings("ignore")
def test_recomputation_is_no_second_call(reentrant):
    agree(Checkpointed(True, reentrant), Checkpointed(False))
    agree(Checkpointed(False), Checkpointed(True, reentrant))


def test_data_parallel():
    agree(nn.DataParallel(Named()), Named())
    agree(Named(), nn.DataParallel(Named()))


def test_torch_compile():
    report = agree(torch.compile(seeded(Named), backend="eager"), seeded(Named))
    assert {line.name for line in report.layers} == {"linear"}
    agree(seeded(Named), torch.compile(seeded(Named), backend="eager"))
    inside = seeded(Named)
    inside.compile(backend="eager")
    agree(inside, seeded(Named))

    class Wrong(Named):
        def forward(self, x):
            return super().forward(x) * 1.01

    assert not compare(torch.compile(seeded(Wrong), backend="eager"), seeded(Named), X).ok


def test_an_exported_program_is_compared_in_eval_mode():
    model = nn.Sequential(nn.Linear(8, 4), nn.Dropout(0.5))
    exported = torch.export.export(model.eval(), (torch.tensor(X),))
    for left in (exported, exported.module()):
        report = agree(left, model)
        assert {line.mode for line in report.layers} <= {"eval"}
        assert any("training mode" in text for text in report.uncompared)


def test_modes():
    model = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8))
    for mode, seen in (("eval", {"eval"}), ("train", {"train"}), ("both", {"train", "eval"})):
        assert {m.mode for m in agree(model, model, mode=mode).measurements} == seen
    with pytest.raises(CompareError, match="mode"):
        compare(model, model, X, mode="test")


class Inside(nn.Module):
    """Checkpoints a function of layers, with another epsilon perhaps."""

    def __init__(self, on, reentrant=False, eps=1e-5):
        super().__init__()
        self.a, self.norm, self.b = nn.Linear(8, 6), nn.LayerNorm(6, eps=eps), nn.Linear(6, 4)
        self.on, self.reentrant = on, reentrant

    def forward(self, x):
        function = lambda x: torch.tanh(self.norm(self.a(x)))  # noqa: E731
        h = torch.utils.checkpoint.checkpoint(function, x, use_reentrant=self.reentrant) if self.on else function(x)
        return self.b(h)


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.filterwarnings("ignore")
def test_layers_in_a_checkpoint_are_observed(reentrant):
    for left, right in ((True, False), (False, True), (True, True)):
        report = agree(seeded(Inside, left, reentrant), seeded(Inside, right, reentrant))
        assert not any("inside" in note for note in report.notes)
    report = compare(seeded(Inside, True, reentrant, 1e-3), seeded(Inside, False), X)
    assert (report.first_divergence.where, report.cause.name) == ("norm", "eps-value")


@pytest.mark.filterwarnings("ignore")
def test_wrappers_that_rename_what_a_state_dict_holds():
    from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper

    left = seeded(Inside, False)
    left.norm = checkpoint_wrapper(left.norm)
    agree(left, seeded(Inside, False))
    agree(checkpoint_wrapper(seeded(Inside, False)), seeded(Inside, False))
    left.norm._checkpoint_wrapped_module.eps = 1e-3
    assert compare(left, seeded(Inside, False), X).first_divergence.where == "norm"


def test_the_cause_in_an_exported_program():
    exported = torch.export.export(seeded(Inside, False, eps=1e-3).eval(), (torch.tensor(X),))
    report = compare(exported, seeded(Inside, False), X)
    assert "with eps=0.001" in str(report.cause)


def test_distributed_data_parallel_with_one_process(tmp_path):
    """With gloo, in a process of its own, since a process group is global."""
    program = f"""
import copy
import numpy as np, torch, torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from parity_tests import compare
dist.init_process_group("gloo", init_method="file://{tmp_path / "store"}", rank=0, world_size=1)
torch.manual_seed(0)
first, last = nn.Linear(8, 6), nn.Linear(6, 4)
make = lambda slope=0.01: copy.deepcopy(nn.Sequential(first, nn.LeakyReLU(slope), last))
X = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
sgd = lambda parameters: torch.optim.SGD(parameters, 0.1)
for left, right in ((DistributedDataParallel(make()), make()), (make(), DistributedDataParallel(make()))):
    report = compare(left, right, X, X[:, :4], nn.MSELoss(), sgd, 2)
    assert report.ok and len(report.layers) == 8, report
wrong = compare(DistributedDataParallel(make(0.1)), make(), X)
assert wrong.first_divergence.where == "1", wrong
dist.destroy_process_group()
print("done")
"""
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=300
    )
    assert result.stdout.strip() == "done", result.stderr
