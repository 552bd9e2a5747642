"""Files from a stranger: no code runs, nothing is written, memory stays small, and there is one clear error.

The readers run in a process that may take little more memory than it has after its imports: what would need more
fails there with another error than the one that is expected here.
"""

import json
import os
import re
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from safetensors.numpy import save_file

import scratch
from parity_tests.comparer.findings import CompareError
from parity_tests.comparer.load import load_arrays
from parity_tests.tests import patience, strangers
from parity_tests.tests.strangers import archive, described, npy, saved, tensor, zipped
from torch_impl import bridge, files, nn
from torch_impl.files import FileRefusedError

MARKER = Path(strangers.MARKER)  # where the process runs
FILES = {
    "ckpt": strangers.checkpoints(MARKER),
    "npy": strangers.npys(MARKER),
    "npz": strangers.npzs(MARKER),
    "safetensors": strangers.safetensors_files(MARKER),
    "json": strangers.JSONS,
}
MORE = 256 * 2**20  # bytes that reading may take, including what torch takes when it first loads something
READ_ALL = f"""
import json, re, resource, sys
from pathlib import Path
from torch_impl import files

read = dict(ckpt=files.read_checkpoint, npy=files.read_npy, npz=files.read_npz,
            safetensors=files.read_safetensors, json=lambda path: files.read_json(path, 2**22))
size = int(re.search(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (size + {MORE}, size + {MORE}))
said = {{}}
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        said[path.name] = f"it was read: {{read[path.suffix[1:]](path)}}"
    except files.FileRefusedError as error:
        said[path.name] = str(error)
    except BaseException as error:
        said[path.name] = f"{{type(error).__name__}}: {{error}}"
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """What the readers said to every file, by kind and name, from one process."""
    home = tmp_path_factory.mktemp("strangers")
    (home / "files").mkdir()
    for kind, hostile in FILES.items():
        for i, (content, _) in enumerate(hostile.values()):
            (home / "files" / f"{i}.{kind}").write_bytes(content)
    before = sorted(home.rglob("*"))
    command = [sys.executable, "-W", "error", "-c", READ_ALL, "files"]
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = patience.run(command, cwd=home, env=path)
    assert done.returncode == 0, done.stderr
    assert sorted(home.rglob("*")) == before, "code ran, or a file was written"
    answers = json.loads(done.stdout)
    return {kind: {name: answers[f"{i}.{kind}"] for i, name in enumerate(files)} for kind, files in FILES.items()}


CASES = [(kind, name) for kind, files in FILES.items() for name in files]


@pytest.mark.parametrize(("kind", "name"), CASES, ids=[f"{kind}: {name}" for kind, name in CASES])
def test_a_hostile_file_is_refused(said: dict[str, dict[str, str]], kind: str, name: str) -> None:
    assert re.search(FILES[kind][name][1], said[kind][name])
    assert said[kind][name].isprintable()
    assert len(said[kind][name]) < 400


# --- damage by chance -------------------------------------------------------------------------------------------------

DAMAGES = 300  # of each kind of file
FLIPS = f"""
import random, sys
from pathlib import Path
from torch_impl import files

random.seed(0)
for kind in ("checkpoint", "npy", "npz", "safetensors"):
    path, read = Path(sys.argv[1], f"x.{{kind}}"), getattr(files, f"read_{{kind}}")
    content, refused = path.read_bytes(), 0
    for _ in range({DAMAGES}):
        damaged = bytearray(content)
        for _ in range(random.choice((1, 1, 1, 9))):
            damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
        path.write_bytes(damaged[: random.choice((len(damaged), random.randrange(len(damaged))))])
        try:
            read(path)
        except files.FileRefusedError:
            refused += 1
    print(refused)
"""


def test_random_damage_is_refused_or_harmless(tmp_path: Path) -> None:
    """In a process of its own, where a crash would show."""
    state = {name: value.numpy() for name, value in torch.nn.Linear(5, 3).state_dict().items()}
    (tmp_path / "x.checkpoint").write_bytes(saved(torch.nn.Linear(5, 3).state_dict()))
    np.save(tmp_path / "x.npy", state["weight"])
    np.savez_compressed(tmp_path / "x.npz", **state)
    save_file(state, tmp_path / "x.safetensors")
    command = [sys.executable, "-W", "ignore", "-c", FLIPS, str(tmp_path)]
    done = patience.run(command)
    assert (done.returncode, done.stderr) == (0, "")
    refused = [int(line) for line in done.stdout.split()]
    assert len(refused) == 4
    assert min(refused) > DAMAGES // 3  # every second one is cut, and a cut is always noticed


# --- what is right is read --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bool", "float16", "complex64", ">f4"])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3, 5)])
def test_arrays_come_back_as_they_were(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    x = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "t.npy", x.T)
    np.savez(tmp_path / "x.npz", a=x, b=x.T)
    np.savez_compressed(tmp_path / "y.npz", a=x, b=x.T)
    found = [files.read_npy(tmp_path / "x.npy"), files.read_npy(tmp_path / "t.npy").T]
    for name in ("x.npz", "y.npz"):
        arrays = files.read_npz(tmp_path / name)
        found += [arrays["a"], arrays["b"].T]
    for y in found:
        np.testing.assert_array_equal(y, x)
        assert y.dtype == x.dtype.newbyteorder("=")
        assert y.flags.writeable


def test_checkpoints_come_back_as_they_were(tmp_path: Path) -> None:
    """Weights, their dtypes, views of one storage, an optimizer's state, bytes, numbers and texts."""
    net = torch.nn.Sequential(torch.nn.LSTM(3, 5), torch.nn.BatchNorm1d(5))
    optimizer = torch.optim.Adam(net.parameters(), amsgrad=True)
    sum(p.sum() for p in net.parameters()).backward()
    optimizer.step()
    flat = torch.arange(6.0)
    content = {
        "state_dict": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "parts": [flat[:2], flat[2:].reshape(2, 2).T],
        "kinds": [torch.ones(2).to(kind) for kind in (torch.float64, torch.bfloat16, torch.int32, torch.bool)],
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "facts": (b"\x00\xff", "text", 1, 2**70, 1.5, True, None, {"a": [1]}),
    }
    torch.save(content, tmp_path / "x.ckpt")
    found = files.read_checkpoint(tmp_path / "x.ckpt")
    assert str(found) == str(content)
    assert found["parts"][0].data_ptr() + 8 == found["parts"][1].data_ptr()


# --- limits -----------------------------------------------------------------------------------------------------------


def test_a_bomb_costs_no_memory(tmp_path: Path) -> None:
    """50 MB of zeros in 50 KB, of which at most 1 MB may be unpacked."""
    (tmp_path / "x.npz").write_bytes(zipped([("x.npy", npy(described(shape="(12500000,)"), bytes(5 * 10**7)))]))
    tracemalloc.start()
    try:
        with pytest.raises(
            FileRefusedError, match=r"its arrays would have 5000\d+ bytes, more than the limit of 1000000"
        ):
            files.read_npz(tmp_path / "x.npz", 10**6)
        assert tracemalloc.get_traced_memory()[1] < 10**6
    finally:
        tracemalloc.stop()


READ = {
    "npy": files.read_npy,
    "npz": files.read_npz,
    "safetensors": files.read_safetensors,
    "ckpt": files.read_checkpoint,
    "json": lambda path: files.read_json(path, 100),
}


@pytest.mark.parametrize("kind", READ)
def test_only_plain_files_are_opened(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"x.{kind}"
    for make, message in (
        (os.mkfifo, "it is a pipe"),
        (lambda path: path.symlink_to("/dev/zero"), "it is a pipe"),
        (Path.mkdir, "it is a folder"),
        (lambda path: path.symlink_to(path), "it cannot be opened: Too many levels of symbolic links"),
        (lambda path: None, "it cannot be opened: No such file"),
    ):
        make(path)
        with pytest.raises(FileRefusedError, match=message):
            READ[kind](path)
        if path.is_symlink() or path.exists():
            path.rmdir() if path.is_dir() else path.unlink()


def test_a_link_is_followed_only_where_it_may_be(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    (tmp_path / "y.json").symlink_to("x.json")
    assert files.read_json(tmp_path / "y.json", 100) == {}
    with pytest.raises(FileRefusedError, match="it is a link, which could lead anywhere"):
        files.read_json(tmp_path / "y.json", 100, follow=False)


def test_the_bridge_names_the_file_and_leaves_the_module_as_it_was(tmp_path: Path) -> None:
    layer = nn.Linear(3, 2)
    before = layer.weight.detach().clone()
    path = tmp_path / "w.safetensors"
    for name, (content, message) in strangers.safetensors_files(tmp_path / strangers.MARKER).items():
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"load_safetensors: .*w.safetensors is not read: .*({message})") as caught:
            bridge.load_safetensors(layer, path)
        assert str(caught.value).isprintable(), name
    assert torch.equal(layer.weight, before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
def test_half_precision_is_refused_with_one_text_wherever_parameters_come_from(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    module = nn.Linear(3, 2)
    state = {name: value.to(dtype) for name, value in module.state_dict().items()}
    safetensors.torch.save_file(state, tmp_path / "x.safetensors")
    torch.save(state, tmp_path / "x.pt")
    half = nn.Linear(3, 2).to(dtype)
    ways: list[Callable[[], Any]] = [
        lambda: bridge.load_safetensors(scratch.nn.Linear(3, 2), tmp_path / "x.safetensors"),
        lambda: load_arrays(tmp_path / "x.safetensors"),
        lambda: load_arrays(tmp_path / "x.pt"),
        lambda: bridge.copy_parameters(half, scratch.nn.Linear(3, 2)),
        lambda: bridge.load_arrays(scratch.nn.Linear(3, 2), state),
        lambda: bridge.save_safetensors(half, tmp_path / "y.safetensors"),
    ]
    text = rf"\w+ is in {str(dtype).removeprefix('torch.')}, but parameters must be float32 or float64\."
    for way in ways:
        with pytest.raises((ValueError, CompareError), match=text):
            way()
    assert not (tmp_path / "y.safetensors").exists()


def test_what_torch_alone_would_do(tmp_path: Path) -> None:
    """weights_only=True runs no code, but lets a small file take memory without end: hence read_checkpoint."""
    path = tmp_path / "x.ckpt"
    path.write_bytes(archive(strangers.Call(bytearray, 10**6)))
    assert len(torch.load(path, weights_only=True)) == 10**6
    path.write_bytes(archive(strangers.digits(10)))
    assert len(torch.load(path, weights_only=True)) > 10**5
    path.write_bytes(archive(tensor(4, (10**12,), (0,))))
    assert torch.load(path, weights_only=True).numel() == 10**12
    path.write_bytes(archive({"x": tensor(4, (4,), (1,))}, packing=zipfile.ZIP_DEFLATED))
    assert torch.load(path, weights_only=True)["x"].numel() == 4
