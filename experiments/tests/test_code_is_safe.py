"""The code itself: in no file a call that would run, or hand to another program, what a user's file says."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("scratch", "torch_impl", "parity_tests", "experiments")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
PICKLES = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle"}
MAY_PICKLE = {"parity_tests/tests/strangers.py"}  # it makes the files that must be refused
MAY_LOAD_MODULES = {  # whole modules, which the test has just saved
    "parity_tests/tests/test_bridge_tools.py",
    "parity_tests/tests/ways.py",
}
MAY_RUN = {  # statements of scratch's own files, traced and changed
    "experiments/lessons/trace.py",
    "experiments/lessons/mistakes.py",
}
MAY_IMPORT = {
    "parity_tests/comparer/load.py",  # compare LEFT RIGHT is given code, and says so
    "experiments/articles/__init__.py",  # names of a list that stands there, here and below
    "experiments/bench/cases/__init__.py",
    "experiments/bench/worker.py",
    "experiments/site/build.py",
    "parity_tests/comparer/foreign/__init__.py",
    "parity_tests/comparer/foreign/keras_side.py",
    "parity_tests/conventions/statement.py",
}


def is_test(path: Path) -> bool:
    return path.name.startswith("test_") or "tests" in path.relative_to(ROOT).parts[1:]


def name_of(node: ast.expr) -> str:
    """A dotted name such as torch.load; what is no name is a question mark."""
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def option(call: ast.Call, name: str) -> object:
    """An option's value if it is written out, else None."""
    values = [word.value for word in call.keywords if word.arg == name]
    return values[0].value if values and isinstance(values[0], ast.Constant) else None


def wrong(path: Path, code: str) -> Iterator[str]:
    """What the rules say against a file."""
    name = path.relative_to(ROOT).as_posix()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            imported = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
            for module in PICKLES & {each.split(".")[0] for each in imported}:
                if not is_test(path) and name not in MAY_PICKLE:
                    yield f"{name}:{node.lineno}: imports {module}"
        elif isinstance(node, ast.Call) and (reason := _against(node, is_test(path), name)):
            yield f"{name}:{node.lineno}: {name_of(node.func)} {reason}"


def _against(call: ast.Call, test: bool, name: str) -> str | None:
    called = name_of(call.func)
    first, last = called.split(".")[0], called.rpartition(".")[2]
    given = {word.arg for word in call.keywords}
    loads = (called == "torch.load" or last == "load_from_checkpoint") and name not in MAY_LOAD_MODULES
    if loads and option(call, "weights_only") is not True:
        return "without weights_only=True"
    if first in ("np", "numpy") and last == "load" and not test and option(call, "allow_pickle") is not False:
        return "without allow_pickle=False"
    if first == "yaml" and last in ("load", "load_all", "unsafe_load", "full_load"):
        return "where SafeLoader would do"
    if last in ("Environment", "Template") and option(call, "autoescape") is not True:
        return "without autoescape=True"
    if called in ("eval", "exec", "compile", "__import__") and not test and name not in MAY_RUN:
        return "runs a text"
    if called in ("os.system", "os.popen") or option(call, "shell") is True:
        return "goes through a shell"
    if last in ("exec_module", "import_module") and not test and name not in MAY_IMPORT:
        return "imports what it is told to"
    if last in ("extractall", "unpack_archive") or called == "tempfile.mktemp":
        return "writes where it is told to"
    if called == "Image.open" and "formats" not in given and not test:
        return "without formats"
    return None


@pytest.mark.parametrize("package", PACKAGES)
def test_no_file_does_what_files_could_abuse(package: str) -> None:
    files = [path for path in FILES if path.relative_to(ROOT).parts[0] == package]
    assert len(files) > 5
    assert [line for path in files for line in wrong(path, path.read_text(encoding="utf-8"))] == []


PLANTED = [
    "torch.load(path)",
    "torch.load(path, weights_only=False)",
    "torch.load(path, weights_only=flag)",
    "Lit.load_from_checkpoint(path)",
    "np.load(path)",
    "np.load(path, allow_pickle=True)",
    "yaml.load(text, Loader=yaml.Loader)",
    "yaml.unsafe_load(text)",
    "import pickle",
    "from joblib import load",
    "eval(text)",
    "exec(text)",
    "Environment()",
    "jinja2.Environment(autoescape=False)",
    "os.system(text)",
    "subprocess.run(text, shell=True)",
    "importlib.import_module(name)",
    "zip.extractall(path)",
    "Image.open(path)",
]


@pytest.mark.parametrize("code", PLANTED)
def test_the_rules_notice(code: str) -> None:
    assert len(list(wrong(ROOT / "experiments" / "new.py", code))) == 1
