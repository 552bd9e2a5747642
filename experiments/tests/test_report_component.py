"""The report's component pages: every component has one, every kind has its figures, what failed is seen."""

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from markupsafe import Markup

import scratch
import torch_impl
from experiments.lessons.small import small
from experiments.lessons.update import WAYS
from experiments.site import component, docstring, figures, source_code
from experiments.site.figures import elementwise
from experiments.site.pages import Component, Site, anchor, components
from parity_tests.checks import check
from parity_tests.engine import find
from parity_tests.environment import environment
from parity_tests.table import FAMILIES, TABLE
from parity_tests.table.recipe import normal
from parity_tests.table.row import Layer, Pair, Program, Scheduler

NAMES = [one.name for one in components()]
ONE_OF_EACH = [  # the smallest of every family, and of every way to draw
    "nn.Linear", "nn.Tanh", "nn.GLU", "nn.MSELoss", "nn.Dropout", "nn.Conv1d", "nn.Unfold", "nn.MaxPool1d",
    "nn.ZeroPad3d", "nn.RMSNorm", "nn.RNN", "nn.GRUCell", "nn.Embedding", "nn.ScaledDotProductAttention",
    "nn.TransformerEncoderLayer", "nn.UpsamplingNearest2d", "nn.PixelShuffle", "nn.ChannelShuffle",
    "nn.PairwiseDistance", "nn.Flatten", "nn.ModuleDict", "nn.init.eye_", "nn.init.dirac_",
    "nn.utils.clip_grad_value_", "optim.Muon", "optim.LBFGS", "optim.lr_scheduler.StepLR",
    "optim.swa_utils.AveragedModel", "optim.swa_utils.SWALR", "nn.utils.skip_init", "data.Subset",
]  # fmt: skip
WITHOUT_FIGURE = ("nn.ModuleDict", "nn.utils.skip_init", "data.Subset")


def site(folder: Path, names: list[str]) -> Site:
    return Site(folder, [one for one in components() if one.name in names], environment("cpu"))


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of one component of each kind, with the checks of its first row alone."""
    folder = tmp_path_factory.mktemp("site")
    small = site(folder, ONE_OF_EACH)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(component, "check", lambda row: check(row) if row is first_row(row.name) else [])
        patch.setattr(component.stopwatch, "speed", lambda _: None)
        for name in ONE_OF_EACH:
            component.write(small, name)
    return folder


def first_row(name: str) -> object:
    return next(row for row in TABLE if row.name == name)


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_page_says_it_all(pages: Path, name: str) -> None:
    (one,) = (one for one in components() if one.name == name)
    text = (pages / one.page).read_text(encoding="utf-8")
    assert Markup.escape(name) in text
    for row in one.rows:
        assert f'id="{anchor(row.label)}"' in text
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids)), "an id occurs twice"
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(ids)
    assert {"code", "errors", "options", "time"} <= set(ids)
    assert not re.search(r"<section[^>]*>\s*(<h2[^>]*>[^<]*</h2>)?\s*</section>", text), "a card without content"
    assert ("derivation" in ids) == (name not in ("data.Subset", "nn.utils.skip_init"))
    card = text.partition('id="derivation"')[2].partition("</section>")[0]
    assert not card or (">The mathematics</h2>" in card) == ("<math" in card)
    first = next((row for row in one.rows if isinstance(row, Pair)), None)
    assert ("example" in ids) == (small(name) is not None or isinstance(first, tuple(WAYS)))
    assert 'class="raw"' not in text, "a formula was not typeset"
    order = [text.find(f'id="{part}"') for part in ("derivation", "traps", "example", "code", "figures", "errors")]
    there = [place for place in order if place >= 0]
    assert there == sorted(there), "what is for implementers is last, traps are high"
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text), "nothing comes from the network"
    assert "http-equiv" not in text


def test_every_family_has_a_page_here() -> None:
    families = {one.family for one in components() if one.name in ONE_OF_EACH}
    assert families == set(FAMILIES)


@pytest.mark.parametrize("name", [name for name in ONE_OF_EACH if name not in WITHOUT_FIGURE])
def test_everything_that_computes_has_a_figure(pages: Path, name: str) -> None:
    (one,) = (one for one in components() if one.name == name)
    text = (pages / one.page).read_text(encoding="utf-8")
    drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert drawings
    for drawing in drawings:
        ElementTree.fromstring(drawing)
        assert "#0" not in re.sub(r'href="[^"]*"', "", drawing), "a stand-in color was left"
    assert re.search(r"<figcaption>.{40,}</figcaption>", text, re.DOTALL)


def test_a_schedule_shows_its_rule_and_offers_it_as_an_exercise(pages: Path) -> None:
    text = (pages / "components" / "optim.lr_scheduler.steplr.html").read_text(encoding="utf-8")
    passes = re.sub(r"<[^>]+>", "", text.partition('<pre class="code passes')[2].partition("</pre>")[0])
    assert "def get_lr" in passes
    assert "def step" not in passes, "bookkeeping that all schedules share"
    assert "everything but the rule" in text
    assert "a backward for you to fill in" not in text
    assert "every number of them bit for bit" in text
    assert "a backward for you to fill in" in (pages / "components" / "nn.linear.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("one", components(), ids=lambda one: one.name)
def test_nothing_is_missing_for_a_page(one: Component) -> None:
    """What a page shows is there, for every component and without building the site."""
    assert lacking(one) == []


def lacking(one: Component) -> list[str]:
    """What a component's page would miss, and where it belongs."""
    cases = [row for row in one.rows if isinstance(row, Pair) and not isinstance(row, Program)]
    file = find(scratch, one.name).__module__.replace(".", "/") + ".py"
    found = []
    texts = [docstring.parse(title, text) for title, text in source_code.documents(one.name)]
    derived = any(text.blocks or {part.title for part in text.sections} - component.FOR_IMPLEMENTERS for text in texts)
    if not (derived if cases else any(text.summary for text in texts)):
        found.append(f"a derivation: write the docstring of {one.name} in {file}")
    if cases and not any(isinstance(row, Layer) for row in cases) and one.family not in figures.BY_FAMILY:
        found.append(f"a figure: add the family {one.family!r} to BY_FAMILY in experiments/site/figures/__init__.py")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_no_text_sends_the_reader_to_what_is_not_there(name: str) -> None:
    for _, text in source_code.documents(name):
        assert not re.search(r"\b_[A-Z]\w+|\bCorrelation\b", text.partition("\n>>> ")[0])


def test_no_argument_is_shown_by_its_address() -> None:
    """Neither a drawn array nor a function, wherever it is nested."""
    texts = [component.configuration(row) for row in TABLE]
    assert "{'keys': array}" in " ".join(texts)
    assert [text for text in texts if " at 0x" in text or "Recipe(" in text] == []


def test_what_a_page_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bare(scratch.nn.Module):
        pass

    monkeypatch.setattr(scratch.nn, "Bare", Bare, raising=False)
    Bare.__module__, Bare.__doc__ = "scratch.nn.module", ""
    monkeypatch.setitem(FAMILIES, "new", [Scheduler("nn.Bare")])
    (one,) = (one for one in components() if one.name == "nn.Bare")
    derivation, figure = lacking(one)
    assert derivation == "a derivation: write the docstring of nn.Bare in scratch/nn/module.py"
    assert figure == "a figure: add the family 'new' to BY_FAMILY in experiments/site/figures/__init__.py"


def test_pages_are_the_same_again(pages: Path, tmp_path: Path) -> None:
    (one,) = (one for one in components() if one.name == "nn.Tanh")
    first, second = (figures.draw(one)[0].svg for _ in range(2))
    assert first == second


def test_anchors_and_pages_differ() -> None:
    assert len({one.page for one in components()}) == len(NAMES)
    for one in components():
        anchors = [anchor(row.label) for row in one.rows]
        assert len(set(anchors)) == len(anchors), one.name


def test_failed_check_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(scratch.nn.Tanh):
        def forward(self, x: np.ndarray) -> np.ndarray:
            return super().forward(x) * np.float32(1.01)

    monkeypatch.setattr(component, "check", lambda row: check(row, ("float32",), component=Wrong))
    monkeypatch.setattr(component.stopwatch, "speed", lambda _: None)
    small = site(tmp_path, ["nn.Tanh"])
    assert not component.write(small, "nn.Tanh").ok
    text = (tmp_path / small.components[0].page).read_text(encoding="utf-8")
    assert 'class="verdict bad"' in text
    assert 'class="bad"><th' in text


class Cube(scratch.nn.Module):
    """The third power.

        y = x³

    Backward  dx = 3 x² dy
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        return self.save(x * x * x, x)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        x = self.take(dy)
        return 3 * x * x * dy


class TorchCube(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * x * x


@pytest.mark.parametrize("family", ["new", "activation", "pooling"])
def test_component_that_is_added_to_the_table_has_its_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    monkeypatch.setattr(scratch.nn, "Cube", Cube, raising=False)
    monkeypatch.setattr(torch_impl.nn, "Cube", TorchCube, raising=False)
    monkeypatch.setitem(FAMILIES, family, [Layer("nn.Cube", (), (normal(7, 5, 3, 2),))])
    small = site(tmp_path, ["nn.Cube"])
    assert component.write(small, "nn.Cube").ok
    text = (tmp_path / small.components[0].page).read_text(encoding="utf-8")
    assert "<svg" in text
    assert "<mn data-raised=" in text
    assert ("Ask both engines" in text) == (family == "activation")


@pytest.mark.parametrize("name", NAMES)
def test_source_shows_what_defines_a_component(name: str) -> None:
    code = source_code.scratch_source(name)
    compile(code, name, "exec")
    assert re.search(rf"(?:class|def) {name.rpartition('.')[2]}\b", code) or name == "nn.NLLLoss2d"
    assert '"""' not in code


@pytest.mark.parametrize("name", ["nn.GELU", "nn.ReLU", "nn.Threshold"])
def test_slider_shows_what_the_engines_compute(name: str) -> None:
    (one,) = (one for one in components() if one.name == name)
    table = elementwise.table(one)
    assert table is not None
    row = next(row for row in one.rows if isinstance(row, Pair))
    layer = find(scratch, name)(*row.args)
    x = np.arange(table["low"], table["high"] + 1 / table["per_one"], 1 / table["per_one"], dtype=np.float32)
    y = layer(x)
    np.testing.assert_array_equal(np.array(table["columns"]["scratch y"], np.float32), y)
    np.testing.assert_array_equal(
        np.array(table["columns"]["scratch slope"], np.float32), layer.backward(np.ones_like(y))
    )


def test_kinks_are_where_the_slope_jumps() -> None:
    named = {one.name: one for one in components()}
    for name, places in {"nn.ReLU": [0], "nn.Hardswish": [-3, 3], "nn.Softshrink": [-0.5, 0.5], "nn.Tanh": []}.items():
        row = elementwise.row_of(named[name])
        assert row is not None
        assert elementwise.kinks(row) == places
    assert elementwise.row_of(named["nn.Softmax"]) is None, "it is not element by element"
