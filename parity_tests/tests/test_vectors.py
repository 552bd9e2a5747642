"""Vectors: complete, deterministic, answered by two implementations that read nothing else, and safe to read."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from parity_tests.checks import averaging, clipping, scheduler
from parity_tests.engine import SCRATCH
from parity_tests.table import TABLE
from parity_tests.table.row import Pair
from parity_tests.tests import patience
from parity_tests.vectors import files
from parity_tests.vectors.answer import answer
from parity_tests.vectors.cli import app
from parity_tests.vectors.export import export
from parity_tests.vectors.files import VectorsError, read_index
from parity_tests.vectors.judge import judge_row
from parity_tests.vectors.vector import file_name

ROWS = {row.label: row for row in TABLE if isinstance(row, Pair)}
NODE = [node] if (node := shutil.which("node")) else []
CHECKER = Path(files.__file__).with_name("check.mjs")
IN_NODE = {"nn.Linear", "nn.LayerNorm", "nn.BatchNorm1d", "nn.MSELoss", "nn.ReLU", "nn.Sigmoid", "nn.Tanh", "optim.SGD"}
# Every kind of layer and of option: nested inputs, integers, arrays and components among the options, buffers, several
# outputs, random numbers, other numbers in each precision, NaN; and every kind of optimizer.
LAYERS = [
    "nn.Linear",
    "nn.LSTM",
    "nn.MultiheadAttention",
    "nn.TransformerEncoder[norm]",
    "nn.BCEWithLogitsLoss[both weights]",
    "nn.CTCLoss",
    "nn.BatchNorm1d[cumulative average]",
    "nn.Dropout[p=0.2]",
    "nn.AdaptiveMaxPool1d[return_indices]",
    "nn.FractionalMaxPool2d",
    "nn.MSELoss[kinks]",
]
OPTIMIZERS = ["optim.Adam[amsgrad]", "optim.LBFGS[short memory]", "optim.Rprop"]


def test_arrays_of_any_order_come_back_with_their_numbers():
    x = np.arange(24, dtype=np.float32).reshape(4, 6)
    orders = {"C": x, "transposed": x.T, "Fortran": np.asfortranarray(x), "every second": x[::2, ::3]}
    orders |= {"turned": x[::-1], "number": np.array(3.0, np.float32)}
    for more in ({}, {"half": torch.ones(2, 3, dtype=torch.bfloat16).t()}):
        found = safetensors.torch.load(files.as_safetensors(orders | more))
        for name, array in orders.items():
            np.testing.assert_array_equal(found[name].numpy(), array, err_msg=name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A vectors folder of the rows above."""
    path = tmp_path_factory.mktemp("vectors") / "new"
    export(path, [ROWS[label] for label in LAYERS + OPTIMIZERS], {})
    return path


@pytest.fixture
def small(folder, tmp_path):
    """A folder of its own, with scratch's answer to nn.Linear."""
    for name in ("nn.Linear.json", "nn.Linear.safetensors"):
        shutil.copy(folder / name, tmp_path)
    index = json.loads((folder / "vectors.json").read_text())
    index["rows"] = [row for row in index["rows"] if row["name"] == "nn.Linear"]
    (tmp_path / "vectors.json").write_text(json.dumps(index))
    answer(tmp_path, "nn.Linear")
    return tmp_path


def failures(folder, label):
    return [result for result in judge_row(folder, file_name(label), label) if not result.ok]


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def rewrite(path, change):
    """Change the tensors of a file in place."""
    numbers = load_file(path)
    change(numbers)
    save_file(numbers, path)


# --- what is written -------------------------------------------------------------------------------------------------


def test_names_are_safe_and_unique():
    names = [file_name(label) for label in ROWS]
    assert len({name.lower() for name in names}) == len(names)
    assert [name for name in names if not files.SAFE_NAME.fullmatch(name)] == []


def test_exporting_twice_gives_the_same_bytes(folder, tmp_path):
    threads = torch.get_num_threads()
    torch.set_num_threads(3 - threads if threads < 3 else 1)
    try:
        export(tmp_path, [ROWS[label] for label in LAYERS + OPTIMIZERS], {})
    finally:
        torch.set_num_threads(threads)
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == sorted(path.name for path in folder.iterdir() if path.is_file())
    assert [name for name in written if (tmp_path / name).read_bytes() != (folder / name).read_bytes()] == []


def test_limits_are_those_of_check(folder):
    from parity_tests.checks import check

    stated = {
        ((entry["what"] if entry["case"] == "train" else f"eval {entry['what']}"), entry["precision"]): entry[
            "limit_ulp"
        ]
        for entry in json.loads((folder / "nn.LSTM.json").read_text())["expected"]
    }
    used = {(r.what, r.dtype): r.limit for r in check(ROWS["nn.LSTM"]) if (r.what, r.dtype) in stated}
    assert stated == used


def test_a_second_export_adds_rows_or_replaces_all_and_leaves_other_files(tmp_path):
    pages = ["FORMAT.md", "check.mjs"]
    export(tmp_path, [ROWS["nn.ReLU"]], {})
    (tmp_path / "notes.txt").write_text("mine")
    index = export(tmp_path, [ROWS["nn.Tanh"]], {})
    assert [row["label"] for row in index["rows"]] == ["nn.ReLU", "nn.Tanh"]
    with pytest.raises(VectorsError, match=r"made with unknown versions|holds rows made with"):
        export(tmp_path, [ROWS["nn.Tanh"]], {"torch": "2.11.0"})
    index = export(tmp_path, [ROWS["nn.Tanh"]], {"torch": "2.11.0"}, only=True)
    assert [row["label"] for row in index["rows"]] == ["nn.Tanh"]
    tanh = ["nn.Tanh.json", "nn.Tanh.safetensors"]
    assert sorted(p.name for p in tmp_path.iterdir()) == [*pages, *tanh, "notes.txt", "vectors.json"]
    assert [page for page in pages if (tmp_path / page).read_bytes() != (CHECKER.parent / page).read_bytes()] == []


def test_options_have_names(folder):
    lstm = json.loads((folder / "nn.LSTM.json").read_text())
    assert (lstm["args"], lstm["kwargs"]) == ([], {"input_size": 3, "hidden_size": 5})


def test_what_cannot_be_written_is_left_out_with_a_reason(tmp_path):
    index = export(tmp_path, [ROWS["nn.init.uniform_"], ROWS["optim.lr_scheduler.LambdaLR"], ROWS["nn.ReLU"]], {})
    assert index["left_out"].keys() == {"nn.init.uniform_", "optim.lr_scheduler.LambdaLR"}
    assert [row["label"] for row in index["rows"]] == ["nn.ReLU"]


# --- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", LAYERS + OPTIMIZERS)
def test_scratch_answers_from_the_files_alone(folder, label):
    answer(folder, file_name(label))
    assert failures(folder, label) == []


@pytest.mark.parametrize(
    ("label", "compute"),
    [
        ("optim.lr_scheduler.SequentialLR", lambda row, _: scheduler.run(row, [SCRATCH])),
        ("optim.lr_scheduler.ReduceLROnPlateau", lambda row, _: scheduler.run(row, [SCRATCH])),
        ("nn.utils.clip_grad_norm_[longer]", lambda row, dtype: clipping.run(row, SCRATCH, dtype, 0)),
        ("optim.swa_utils.AveragedModel[EMA]", lambda row, dtype: averaging.run(row, SCRATCH, dtype, 0)),
        ("optim.swa_utils.update_bn", lambda row, dtype: averaging.run(row, SCRATCH, dtype, 0)),
    ],
)
def test_the_other_kinds_ask_for_what_scratch_computes(tmp_path, label, compute):
    row, name = ROWS[label], file_name(label)
    export(tmp_path, [row], {})
    manifest = json.loads((tmp_path / f"{name}.json").read_text())
    asked = {(entry["precision"], entry["case"]) for entry in manifest["expected"]}
    numbers = {f"{p}/{case}/{what}": np.array(x) for p, case in asked for what, x in compute(row, p).items()}
    (tmp_path / "answers").mkdir()
    save_file(numbers, tmp_path / "answers" / f"{name}.safetensors")
    assert failures(tmp_path, label) == []


@pytest.mark.parametrize("node", NODE)
def test_node_answers_from_the_page_alone(node, tmp_path):
    """check.mjs computes its components and judges them; Python judges what it wrote, and it judges scratch's."""
    rows = [row for row in ROWS.values() if row.name in IN_NODE]
    export(tmp_path, rows, {})
    ran = patience.run([node, CHECKER, tmp_path, "--write"])
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
    assert f"{len(rows)} rows judged, 0 failed, 0 not" in ran.stdout
    assert [f for row in rows for f in failures(tmp_path, row.label)] == []
    for row in rows:
        answer(tmp_path, file_name(row.label))
    ran = patience.run([node, CHECKER, tmp_path, "--answers"])
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout


@pytest.mark.parametrize("node", NODE)
@pytest.mark.parametrize("tensor", ["input", "parameter weight", "cotangent", "truth/train/grad weight"])
def test_node_notices_a_changed_vector(node, small, tensor):
    def change(numbers):
        numbers[tensor].flat[2] *= 1.001

    rewrite(small / "nn.Linear.safetensors", change)
    ran = patience.run([node, CHECKER, small])
    assert ran.returncode == 1
    assert "1 rows judged, 1 failed" in ran.stdout


@pytest.mark.parametrize("node", NODE)
def test_node_says_how_it_is_used_and_which_files_are_missing(node, small):
    for arguments in ([], [small, "--wrong"], [small, "--write", "more"]):
        ran = patience.run([node, CHECKER, *arguments])
        assert (ran.returncode, ran.stdout, ran.stderr[:26]) == (2, "", "check.mjs: usage: node che")
    (small / "nn.Linear.json").unlink()
    ran = patience.run([node, CHECKER, small])
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "nn.Linear.json is missing: export the row again" in ran.stdout


BAD_ANSWERS = {
    "one element off by 1e-5": lambda n: n["float32/train/output"].__setitem__(
        (3, 1), n["float32/train/output"][3, 1] + 1e-5
    ),
    "zeros for a gradient": lambda n: n["float64/train/grad weight"].fill(0),
    "NaN": lambda n: n["float32/train/output"].__setitem__((0, 0), np.nan),
    "a number missing": lambda n: n.pop("float32/train/grad bias"),
    "a misspelled name": lambda n: n.__setitem__("float32/train/grad weigth", np.zeros(3, np.float32)),
    "float64 for float32": lambda n: n.__setitem__("float32/train/output", n["float64/train/output"]),
    "a transposed gradient": lambda n: n.__setitem__(
        "float32/train/grad weight", n["float32/train/grad weight"].T.copy()
    ),
    "nothing": dict.clear,
}


@pytest.mark.parametrize("change", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_a_wrong_answer_fails_in_both_judges(small, change):
    rewrite(small / "answers" / "nn.Linear.safetensors", change)
    assert failures(small, "nn.Linear")
    for node in NODE:
        assert patience.run([node, CHECKER, small, "--answers"]).returncode == 1


def test_a_random_case_may_be_left_out_and_no_other(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    path = tmp_path / "copy" / "answers" / "nn.Dropout-p=0.2.safetensors"
    answer(tmp_path / "copy", "nn.Dropout-p=0.2")
    rewrite(path, lambda n: [n.pop(name) for name in list(n) if "/train/" in name])
    assert failures(tmp_path / "copy", "nn.Dropout[p=0.2]") == []
    rewrite(path, lambda n: n.pop("float32/eval/output"))
    assert [f.what for f in failures(tmp_path / "copy", "nn.Dropout[p=0.2]")] == ["eval output"]


# --- the command line ------------------------------------------------------------------------------------------------


def test_commands(tmp_path):
    wrote = run("export", tmp_path / "v", "nn.Tanh")
    assert wrote.exit_code == 0, wrote.output
    assert run("check", tmp_path / "v").exit_code == 2, "there are no answers yet"
    answer(tmp_path / "v", "nn.Tanh")
    judged = run("check", tmp_path / "v")
    assert judged.exit_code == 0
    assert re.search(r"nn\.Tanh +4 results, worst .* ok", judged.output)
    assert run("check", tmp_path / "v", "--all").exit_code == 1
    path = tmp_path / "v" / "answers" / "nn.Tanh.safetensors"
    rewrite(path, lambda n: n["float32/train/output"].__imul__(1.001))
    judged = run("check", tmp_path / "v")
    assert judged.exit_code == 1
    assert re.search(r"nn\.Tanh: train output float32: .* ulp, limit", judged.output)


def test_export_refuses_a_folder_of_something_else(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    refused = run("export", tmp_path, "nn.Tanh")
    assert (refused.exit_code, len(refused.output.splitlines())) == (2, 1)
    assert "not empty" in refused.output
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    assert run("export", tmp_path / "thesis.tex", "nn.Tanh").exit_code == 2
    assert run("export", tmp_path / "new", "no such row").exit_code == 2


def test_a_broken_off_export_is_not_judged_and_can_be_done_again(tmp_path, monkeypatch):
    def stop(rows):
        yield next(iter(rows))
        raise KeyboardInterrupt

    export(tmp_path, [ROWS["nn.GELU"]], {})
    with pytest.raises(KeyboardInterrupt):
        export(tmp_path, [ROWS["nn.ReLU"], ROWS["nn.Tanh"]], {}, stop)
    assert "interrupted" in run("check", tmp_path).output
    index = export(tmp_path, [ROWS["nn.Tanh"]], {})
    assert [row["label"] for row in index["rows"]] == ["nn.GELU", "nn.Tanh"]
    assert {path.stem for path in tmp_path.glob("nn.*")} == {"nn.GELU", "nn.Tanh"}


# --- files from a stranger -------------------------------------------------------------------------------------------


def edited(path, change):
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", "a\\b", "..", ".hidden", "", "a\0", "é", None, 3])
@pytest.mark.parametrize("part", ["rows", "begun"])
def test_a_name_that_leads_out_of_the_folder_is_refused(small, name, part):
    edited(small / "vectors.json", lambda index: index.setdefault(part, [{"label": "x"}])[0].update(name=name))
    with pytest.raises(VectorsError, match="not the name of a row"):
        read_index(small)
    refused = run("check", small)
    assert (refused.exit_code, len(refused.output.splitlines())) == (2, 1)
    before = sorted(small.rglob("*"))
    assert run("export", small, "nn.Tanh").exit_code == 2, "an export deletes what the index names"
    assert sorted(small.rglob("*")) == before


def entry(**changes):
    return lambda manifest: manifest["expected"][0].update(changes)


BAD_MANIFESTS = {
    "an escape sequence": entry(what="\x1b[2J"),
    "an absurd shape": entry(shape=[10**12, 10**12]),
    "a negative size": entry(shape=[-7, 3]),
    "a size that is a text": entry(shape=["7", 3]),
    "another shape than the truth": entry(shape=[3, 7]),
    "a truth that is missing": entry(truth="../../secret"),
    "an unknown dtype": entry(dtype="object"),
    "an infinite limit": entry(limit_ulp=float("inf")),
    "a limit that is a text": entry(limit_ulp="4"),
    "no list": lambda manifest: manifest.update(expected={}),
    "an answer twice": lambda manifest: manifest["expected"].append(manifest["expected"][0]),
}


@pytest.mark.parametrize("change", BAD_MANIFESTS.values(), ids=BAD_MANIFESTS)
def test_a_bad_manifest_is_refused_in_one_line(small, change):
    edited(small / "nn.Linear.json", change)
    refused = run("check", small)
    assert (refused.exit_code, len(refused.output.splitlines())) == (2, 1), refused.output
    assert "nn.Linear.json" in refused.output
    assert "\x1b" not in refused.output


def header(text, size=None):
    data = text.encode()
    return (len(data) if size is None else size).to_bytes(8, "little") + data


BAD_FILES = {
    "empty": b"",
    "a header longer than the file": header("{}", 2**40),
    "a header that is no JSON": header("{{{"),
    "an absurd shape": header(
        '{"float32/train/output":{"dtype":"F32","shape":[1099511627776,1048576],"data_offsets":[0,4]}}'
    )
    + b"1234",
    "an absurd empty shape": header(
        '{"float32/train/output":{"dtype":"F32","shape":[0,9223372036854775807],"data_offsets":[0,0]}}'
    ),
    "offsets out of the file": header('{"float32/train/output":{"dtype":"F32","shape":[7,3],"data_offsets":[0,84]}}'),
    "a pickle": b"cos\nsystem\n(S'touch ran'\ntR.",
}


@pytest.mark.parametrize("data", BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_answer_file_is_a_failure_of_its_row(small, data):
    (small / "answers" / "nn.Linear.safetensors").write_bytes(data)
    assert failures(small, "nn.Linear")
    assert run("check", small).exit_code == 1
    (small / "nn.Linear.safetensors").write_bytes(data)
    assert run("check", small).exit_code == 2


@pytest.mark.parametrize("text", ["[" * 10**5, "{", '{"format": "other"}', "[]", "\xff"])
def test_a_bad_index_is_refused(small, text):
    (small / "vectors.json").write_text(text, encoding="latin-1")
    refused = run("check", small)
    assert (refused.exit_code, len(refused.output.splitlines())) == (2, 1), refused.output


def test_links_and_pipes_are_not_followed(small):
    path = small / "answers" / "nn.Linear.safetensors"
    shutil.move(path, small / "elsewhere")
    path.symlink_to(small / "elsewhere")
    assert "link" in failures(small, "nn.Linear")[0].note
    path.unlink()
    os.mkfifo(path)
    assert "plain file" in failures(small, "nn.Linear")[0].note
