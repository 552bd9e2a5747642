"""Every file that a command writes goes through write_whole: no other library code opens a file for writing."""

import ast
from pathlib import Path

import pytest

from torch_impl.files import write_text

ROOT = Path(__file__).parents[2]
PACKAGES = ("scratch", "torch_impl", "parity_tests", "experiments")
WRITERS = {"write_text", "write_bytes", "to_csv", "savetxt", "touch", "copyfile", "copy2", "copytree", "ZipFile"}
SAVERS = {"save", "savez", "savez_compressed", "save_file", "savefig", "tofile"}  # right with an open file alone
OPEN = ("file", "buffer", "stream")  # what the library calls one
ALLOWED = {
    "experiments/training/folder.py": "an empty file, to see whether the folder can be written to, removed at once",
    "experiments/versions.py": "an empty file, which marks an environment as built",
    "parity_tests/comparer/shelf.py": "a file without a name",
    "parity_tests/conventions/statements/small_libraries.py": "safetensors.save returns bytes",
    "torch_impl/files/arrays.py": "an archive that is read",
    "torch_impl/files/whole.py": "write_whole itself",
    "experiments/bench/cases/memory.py": "Path('/proc/self/clear_refs') is no file on a disk",
}


def library() -> list[Path]:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return [path for path in files if "tests" not in path.relative_to(ROOT).parts]


def writes_in_place(source: str) -> list[str]:
    """Calls such as open(path, "w"), path.write_text(...), json.dump(value, file), figure.savefig(path)."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        modes = [a.value for a in [*node.args, *(k.value for k in node.keywords)] if isinstance(a, ast.Constant)]
        opens = name == "open" and any(isinstance(mode, str) and set(mode) & set("wax+") for mode in modes)
        method = isinstance(node.func, ast.Attribute) and (name in WRITERS or (name == "dump" and len(node.args) > 1))
        given = [getattr(a, "id", "") for a in node.args]
        own = isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) in ("self", "super()")
        saves = isinstance(node.func, ast.Attribute) and name in SAVERS and given and not own
        if opens or method or (saves and not set(given) & set(OPEN)):
            found.append(f"line {node.lineno}: {ast.unparse(node)}")
    return found


@pytest.mark.parametrize("path", library(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_written_in_place(path: Path) -> None:
    found = writes_in_place(path.read_text(encoding="utf-8"))
    if str(path.relative_to(ROOT)) in ALLOWED:
        assert found, f"{path.name} need not be in ALLOWED any more"
    else:
        assert found == [], f"use torch_impl.files.write_whole or write_text: {found}"


@pytest.mark.parametrize(
    "source",
    [
        *("open(path, 'w')", "path.open(mode='ab')", "path.write_text(x)", "json.dump(x, f)"),
        *("figure.savefig(path, dpi=9)", "picture.save(path, optimize=True)", "np.savez(path, x=x)", "path.touch()"),
        *("torch.save(x, path)", "shutil.copyfile(a, b)", "x.tofile(path)", "zipfile.ZipFile(path, 'w')"),
    ],
)
def test_writing_in_place_is_seen(source: str) -> None:
    assert writes_in_place(source)


def test_a_device_stays_one(tmp_path: Path) -> None:
    """A rename onto /dev/null would replace it for the whole machine, where the user may."""
    write_text("/dev/null", "[1]")
    assert Path("/dev/null").is_char_device()
    with pytest.raises(OSError, match="No space left"):
        write_text("/dev/full", "[1]")
    assert Path("/dev/full").is_char_device()
