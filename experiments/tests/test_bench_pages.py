"""What is said of the benchmark's results: lines, tables, files, pictures."""

import os
from pathlib import Path

import pytest

from experiments.bench import cost_curves, machine, page, run, stored
from experiments.bench.cases import (
    cnn,
)
from experiments.bench.lines import NO_REASON, Line, lines
from experiments.bench.lines import value as printed
from experiments.bench.machine import cores
from experiments.picture import COLORS, save

PAGES = [Path(__file__).parents[2] / "README.md", run.RESULTS / "SPEED.md"]


def made_up(kept=True, reason="", group="mlp"):
    limit = {"most": 0.62, "against": "torch", "phase": "", "late": False, "value": 0.5, "kept": kept}
    result = {
        "case": "784-128-10, batch 64, 1 thread",
        "setting": {},
        "threads": 1,
        "unit": "s",
        "values": {"scratch": {"epoch": [0.5, 0.4, 0.6]}, "torch": {"epoch": [1.0, 0.8, 1.2]}},
        "accuracy": {"scratch": [0.9, 0.95], "torch": [0.9, 0.96]},
        "ratios": {"torch": {"median": 0.5, "low": 0.4, "high": 0.6}},
        "limits": [limit],
        "facts": {"scratch": {"data": "MNIST"}, "torch": {"data": "MNIST"}},
        "threads_in_effect": {},
        "unavailable": {"jax": "JAX is not installed."},
        "error": "",
        "reason": reason,
    }
    return {"group": group, **machine.run_facts(), "quick": False, "results": [result]}


def test_a_line_says_it_all():
    (line,) = lines(made_up()["results"][0])
    assert line == Line(
        "784-128-10, batch 64, 1 thread",
        "500 ms",
        "torch 1 s",
        "0.50",
        "0.40 to 0.60",
        "0.62",
        "kept",
        "scratch 95.00% right; data MNIST; jax not measured: JAX is not installed.; torch 96.00% right",
    )


def test_a_missed_limit_needs_a_reason():
    (line,) = lines(made_up(kept=False)["results"][0])
    assert line.verdict == "MISSED"
    assert line.reason == NO_REASON
    (line,) = lines(made_up(kept=False, reason="erf is not in NumPy")["results"][0])
    assert line.reason == "erf is not in NumPy"


@pytest.mark.parametrize(
    ("number", "unit", "text"),
    [
        (1.234, "s", "1.23 s"),
        (0.01, "s", "10 ms"),
        (2.5e-6, "s", "2.5 µs"),
        (3e-8, "s", "30 ns"),
        (12.34, "MB", "12.34 MB"),
    ],
)
def test_values_in_their_handiest_size(number, unit, text):
    assert printed(number, unit) == text


def test_the_tables_of_a_page(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n", encoding="utf-8")
    reports = [made_up(), made_up(kept=False, group="layers")]
    assert page.stale(path, reports)
    page.write(path, reports)
    assert not page.stale(path, reports)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "| 784-128-10, batch 64, 1 thread | 500 ms | 1 s (0.50) |" in text  # the engines side by side
    assert "## mlp: an epoch of MNIST by an MLP\n\n1 of 1 limits kept. " in text
    assert "## layers: layers at the sizes of real networks\n\n0 of 1 limits kept. " in text
    assert "| MISSED |" in text
    assert f"{os.cpu_count()} cores" in text or f"{cores()} cores" in text
    reports[0]["results"][0]["values"]["scratch"]["epoch"][0] = 0.7
    assert page.stale(path, reports)


def test_a_reason_stands_once_below_its_table(tmp_path):
    path = tmp_path / "SPEED.md"
    path.write_text(f"{page.BEGIN}{page.END}", encoding="utf-8")
    report = made_up(kept=False, reason="erf is not in NumPy")
    report["results"] *= 3
    page.write(path, [report])
    text = path.read_text(encoding="utf-8")
    assert text.count("MISSED") == text.count("see 1 |") == 3
    assert text.count("\n1. erf is not in NumPy\n") == text.count("erf is not in NumPy") == 1


def test_the_lines_of_the_readme(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(f"before\n{page.SHORT_BEGIN}\n{page.SHORT_END}\nafter\n", encoding="utf-8")
    page.write(path, [made_up()])
    text = path.read_text(encoding="utf-8")
    assert "| an epoch of MNIST, 784-128-10, batch 64 | 500 ms | torch 1 s | 0.50 | 0.40 to 0.60 |" in text
    assert "Of 1 limits that the benchmark sets on such figures, 1 are kept." in text
    assert not page.stale(path, [made_up()])
    assert page.stale(path, [made_up(kept=False)])


def test_every_line_of_the_readme_was_measured():
    assert all(f"| {what} | " in page.short(run.saved()) for what, *_ in page.SHORT)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_shows_the_saved_results(path):
    assert page.has_marks(path)
    assert not page.stale(path, run.saved()), f"run `nn-parity bench --write {path}`"


@pytest.mark.parametrize("path", sorted(run.RESULTS.glob("*.json")), ids=lambda path: path.name)
def test_a_file_of_results_has_one_result_a_line(path):
    assert path.read_text(encoding="utf-8") == stored.text(stored.read(path))
    assert len(path.read_text(encoding="utf-8").splitlines()) < 200


def test_a_report_is_written_key_by_key_and_result_by_result(tmp_path):
    report = {"group": "a", "machine": {"cores": 2}, "results": [{"case": "b", "values": [1, 2]}, {"case": "c"}]}
    stored.write(tmp_path / "new" / "a.json", report)
    assert stored.read(tmp_path / "new" / "a.json") == report
    assert (tmp_path / "new" / "a.json").read_text(encoding="utf-8").splitlines() == [
        "{",
        ' "group": "a",',
        ' "machine": {"cores": 2},',
        ' "results": [',
        '  {"case": "b", "values": [1, 2]},',
        '  {"case": "c"}',
        " ]",
        "}",
    ]
    with pytest.raises(ValueError, match="not JSON compliant"):
        stored.write(tmp_path / "b.json", {"value": float("nan")})


def test_exponents_and_their_picture(tmp_path, monkeypatch):
    results = [
        {
            "setting": {"axis": axis, axis: size},
            "threads": threads,
            "values": {engine: {"step": [factor * size ** cnn.EXPECTED[axis]]} for engine, factor in engines.items()},
        }
        for threads, engines in ((1, {"scratch": 2e-3, "torch": 1e-3}), (2, {"scratch": 1e-3, "torch": 6e-4}))
        for axis, sizes_of_axis in cnn.AXES.items()
        for size in sizes_of_axis
    ]
    found = cost_curves.curves(results)
    for axis, expected in cnn.EXPECTED.items():
        assert [*found[axis]] == ["scratch", "torch", "scratch, 2 threads", "torch, 2 threads"]
        assert cost_curves.exponent(found[axis]["scratch"]) == pytest.approx(expected)
    assert "channels^(2.00 scratch, 2.00 torch, 2.00 scratch, 2 threads" in cost_curves.summary(results)
    figures = []
    monkeypatch.setattr(cost_curves, "save", lambda figure, *where: (figures.append(figure), save(figure, *where)))
    cost_curves.draw(results, tmp_path / "curves.png")
    colors = {(line.get_label().split(",")[0], line.get_color()) for a in figures[0].axes for line in a.lines}
    assert {("scratch", COLORS["scratch"]), ("torch", COLORS["torch"])} <= colors
    assert len({name for name, _ in colors}) == len(colors)  # one color each
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert cost_curves.summary(made_up()["results"]) == ""


def test_the_commit_is_unknown_outside_git(tmp_path, monkeypatch):
    assert machine.commit() != ""
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    assert machine.commit() == "unknown"
