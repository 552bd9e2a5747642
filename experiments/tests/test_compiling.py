"""--compile: what torch compiles is compiled, counted and recorded, and what it does not is said."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch._dynamo.utils import counters
from torch._inductor.runtime.cache_dir_utils import default_cache_dir

from experiments.training import compiling, models
from experiments.training.checkpoints import TrainingError, read
from experiments.training.compiling import compiled
from experiments.training.config import RECURRENT, Config
from experiments.training.run import resume, train
from experiments.training.summary import compiled_line, show
from parity_tests.table.versions import RELEASE

# Dynamo looks at the gradients of whatever it traces, in torch 2.15 of results too, which warns.
LOOKS = "ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"
pytestmark = [pytest.mark.usefixtures("no_pictures"), pytest.mark.filterwarnings(LOOKS)]

CONFIG = Config(engine="torch", hidden=(6,), epochs=1, limit_train=96, batch_size=32, compile=True)
NETWORKS = {
    "mlp": (CONFIG, ["the network"], []),
    "cnn": (replace(CONFIG, model="cnn", channels=(2,)), ["the network"], []),
}
for kind in RECURRENT:
    skipped = ["linear (Linear)"], [f"{kind} ({kind.upper()})"]
    NETWORKS[kind] = (replace(CONFIG, model=kind), *(skipped if RELEASE < (2, 15) else (["the network"], [])))


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs are traced and differentiated ahead of time, but not handed to a C++ compiler, which takes minutes."""
    monkeypatch.setattr(compiling, "BACKEND", "aot_eager")
    torch._dynamo.reset()
    counters.clear()


@pytest.mark.parametrize("model", NETWORKS)
def test_a_compiled_run_compiles(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, parts, eager = NETWORKS[model]
    result = train(replace(config, output=str(tmp_path / "compiled")))
    run = result.runs["torch"]
    assert run.compiled == {"compiled": parts, "eager": eager, "graphs": 1}
    assert counters["stats"]["unique_graphs"] >= 1  # torch's own count, the trial's included
    assert json.loads((tmp_path / "compiled" / "metrics.json").read_text())["runs"]["torch"]["compiled"] == run.compiled
    show(result)
    told = capsys.readouterr().out
    assert f"torch.compile compiled {parts[0]}, in 1 graphs" in told
    assert ("It cannot compile" in told) == bool(eager)
    assert all(f"It cannot compile {part}." in told for part in eager)
    plain = train(replace(config, compile=False, output=str(tmp_path / "plain"))).runs["torch"]
    assert plain.compiled is None
    np.testing.assert_allclose(run.losses, plain.losses, rtol=1e-5)
    states = [read(one.checkpoint)["state_dict"] for one in (run, plain)]
    assert states[0].keys() == states[1].keys()  # either can be resumed, or shown a picture


def test_each_of_many_runs_in_a_process_is_compiled(tmp_path: Path) -> None:
    """torch.compile stays eager when it has compiled a function, by its code, for the eighth time."""
    for number in range(10):
        result = train(replace(CONFIG, hidden=(6, number + 2), output=str(tmp_path / str(number))))
        assert result.runs["torch"].compiled == {"compiled": ["the network"], "eager": [], "graphs": 1}


def test_what_was_not_compiled_is_not_said_to_be() -> None:
    assert compiling.Compilation(["the network"]).record() == {"compiled": [], "eager": [], "graphs": 0}


def test_the_trial_draws_nothing_and_leaves_the_network_alone() -> None:
    import torch_impl

    network = models.mlp(torch_impl, 64, (6,), dropout=0.5)
    before, weights = torch.get_rng_state(), [p.clone() for p in network.parameters()]
    compiled(network, torch.rand(4, 8, 8, generator=torch.Generator()))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(weights, network.parameters(), strict=True))


def test_a_compiled_run_goes_on(tmp_path: Path) -> None:
    train(replace(CONFIG, output=str(tmp_path / "run")))
    longer = train(replace(CONFIG, epochs=2, output=str(tmp_path / "longer")))
    assert resume(tmp_path / "run", epochs=2).runs["torch"].losses == longer.runs["torch"].losses


def test_compiled_dropout_is_said_to_draw_other_masks() -> None:
    network = {"compiled": ["the network"], "eager": [], "graphs": 1}
    assert "Compiled dropout draws other masks than eager torch" in compiled_line(network, dropout=True)
    assert "masks" not in compiled_line(network, dropout=False)
    assert "masks" not in compiled_line({**network, "compiled": ["linear"], "eager": ["lstm (LSTM)"]}, dropout=True)


def test_where_torch_cannot_compile_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_compiler(graph: Any, inputs: Any) -> Any:
        raise RuntimeError("no C++ compiler found")

    monkeypatch.setattr(compiling, "BACKEND", no_compiler)
    with pytest.raises(TrainingError, match=r"compile: torch cannot compile here: .*Omit --compile") as caught:
        train(replace(CONFIG, output=str(tmp_path)))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("capability", ["", "avx2"])
@pytest.mark.parametrize("own", [False, True])
def test_other_vectors_have_a_cache_of_their_own(
    capability: str, own: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = {"ATEN_CPU_CAPABILITY": capability, "TORCHINDUCTOR_CACHE_DIR": str(tmp_path) if own else ""}
    for name, value in given.items():
        monkeypatch.setenv(name, value)  # and restored at the end
        if not value:
            monkeypatch.delenv(name)
    compiled(torch.nn.Linear(4, 2), torch.ones(3, 4))
    usual = default_cache_dir()
    wanted = str(tmp_path) if own else f"{usual}_{capability}" if capability else usual
    assert os.environ.get("TORCHINDUCTOR_CACHE_DIR", usual) == wanted
