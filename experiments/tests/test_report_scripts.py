"""The scripts of the report's pages, run by Node.js: they compute what scratch computes."""

import json
from fnmatch import fnmatchcase

import numpy as np
import pytest

import scratch
from experiments import picture
from experiments.site import search
from experiments.site.component import SLIDERS
from experiments.site.figures import drawing, optimizers
from experiments.site.pages import HERE, Site, components
from experiments.training import plots
from parity_tests.engine import find
from parity_tests.tests import patience


def in_node(script: str, expression: str) -> object:
    code = (
        f"const page = require({json.dumps(str(HERE / 'static' / script))}); console.log(JSON.stringify({expression}))"
    )
    done = patience.run(["node", "-e", code])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


OPTIONS = {"SGD": {}, "SGD, Nesterov": {"nesterov": True}, "Adam": {}, "AdamW": {}, "RMSprop": {}, "Adagrad": {}}


@pytest.mark.parametrize("surface", optimizers.SURFACES, ids=lambda surface: surface.name)
@pytest.mark.parametrize("rule", OPTIONS)
def test_sliders_move_as_scratch_does(rule: str, surface: optimizers.Surface) -> None:
    lr, momentum, steps = 0.01, 0.8, 50
    given = in_node("optimizer.js", f"page.path({rule!r}, {surface.name!r}, {lr}, {momentum}, {steps})")
    (one,) = (one for one in components() if one.name == f"optim.{rule.partition(',')[0]}")
    options = {"betas": (momentum, 0.999)} if "Adam" in rule else {} if rule == "Adagrad" else {"momentum": momentum}
    parameter = scratch.nn.Parameter(np.array([surface.start]))
    optimizer = find(scratch, one.name)([parameter], lr=lr, **options, **OPTIONS[rule])
    points = [parameter.data[0].copy()]
    for _ in range(steps):
        parameter.grad = np.array([surface.gradient(*parameter.data[0])])
        optimizer.step()
        points.append(parameter.data[0].copy())
    np.testing.assert_allclose(given, points, rtol=1e-9, atol=1e-12)


def test_scripts_know_every_rule_that_a_page_offers() -> None:
    rules = [rule for rules, _, _ in optimizers.RULES.values() for rule in rules]
    assert in_node("optimizer.js", "Object.keys(page.RULES)") == rules
    assert in_node("optimizer.js", "Object.keys(page.SURFACES)") == [surface.name for surface in optimizers.SURFACES]


def test_sliders_and_figures_have_the_same_functions() -> None:
    for surface in optimizers.SURFACES:
        js = f"page.SURFACES[{surface.name!r}]"
        value, gradient, start, window = in_node(
            "optimizer.js", f"[{js}.value(0.3, -0.7), {js}.gradient(0.3, -0.7), {js}.start, {js}.window]"
        )
        assert value == pytest.approx(surface.value(0.3, -0.7), rel=1e-12)
        assert gradient == pytest.approx(surface.gradient(0.3, -0.7), rel=1e-12)
        assert (tuple(start), tuple(window)) == (surface.start, surface.window)


def test_slider_finds_its_place() -> None:
    table = {"low": -8, "high": 8, "per_one": 16}
    found = in_node("elementwise.js", f"[-9, -8, 0.03, 0.04, 8, 99].map((x) => page.place({json.dumps(table)}, x))")
    assert found == [0, 0, 128, 129, 256, 256]


# --- the sliders of other components ----------------------------------------------------------------------------------


def scratchs_softmax(values):
    y = scratch.nn.Softmax(0)(np.array(values[:4]) / values[4])
    return [*y, -np.sum(y * np.log(y))]


def scratchs_layer_norm(values):
    layer = scratch.nn.LayerNorm(4, eps=10 ** values[4], dtype=np.float64)
    y = layer(np.array(values[:4]))
    return [*y, *layer.backward(np.array([values[5], 0, 0, 0.0]))]


def scratchs_cross_entropy(values):
    loss = scratch.nn.CrossEntropyLoss(label_smoothing=values[5])
    return [loss(np.array([values[:4]]), np.array([int(values[4]) - 1])), *loss.backward()[0]]


def scratchs_one_cycle(values):
    maximum, warm, div, final = values
    optimizer = scratch.optim.SGD([scratch.nn.Parameter(np.zeros(1))], lr=1.0)
    schedule = scratch.optim.lr_scheduler.OneCycleLR(
        optimizer, maximum, total_steps=20, pct_start=warm, div_factor=div, final_div_factor=final, cycle_momentum=False
    )
    rates = [optimizer.param_groups[0]["lr"]]
    for _ in range(19):
        optimizer.step()
        schedule.step()
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


OF_SCRATCH = {
    "nn.Softmax": scratchs_softmax,
    "nn.LayerNorm": scratchs_layer_norm,
    "nn.CrossEntropyLoss": scratchs_cross_entropy,
    "optim.lr_scheduler.OneCycleLR": scratchs_one_cycle,
}


@pytest.mark.parametrize("name", OF_SCRATCH)
def test_sliders_give_what_scratch_gives(name: str) -> None:
    """At both ends of every slider and at places between."""
    sliders = in_node("sliders.js", f"page.PLAYS[{name!r}].sliders")
    rng = np.random.default_rng(0)
    ends = [[s["low"] for s in sliders], [s["high"] for s in sliders], [s["value"] for s in sliders]]
    between = [
        [s["low"] + s["step"] * int(rng.integers(round((s["high"] - s["low"]) / s["step"]) + 1)) for s in sliders]
        for _ in range(20)
    ]
    places = json.dumps([*ends, *between])
    found = in_node("sliders.js", f"{places}.map((x) => page.PLAYS[{name!r}].rows(x).map((row) => row[1]))")
    for values, given in zip([*ends, *between], found, strict=True):
        values = [float(value) for value in values]
        np.testing.assert_allclose(given, OF_SCRATCH[name](values), rtol=1e-9, atol=1e-12, err_msg=str(values))


def test_every_page_with_sliders_has_its_formulas() -> None:
    assert tuple(in_node("sliders.js", "Object.keys(page.PLAYS)")) == SLIDERS == tuple(OF_SCRATCH)
    assert {*SLIDERS} <= {one.name for one in components()}


def test_a_race_is_won_by_the_lowest_end_and_every_rule_runs_at_its_best_rate() -> None:
    rules = list(OPTIONS)
    found = in_node("optimizer.js", f"page.race({json.dumps(rules)}, 'ravine', 80)")
    assert isinstance(found, list)
    assert [one["value"] for one in found] == sorted(one["value"] for one in found)
    assert {one["rule"] for one in found} == {*rules}
    ravine = optimizers.SURFACES[0]
    for one in found:
        assert one["value"] == pytest.approx(ravine.value(*one["points"][-1]), rel=1e-12)
        assert one["value"] < ravine.value(*ravine.start) / 10
        left, right, low, high = ravine.window
        assert all(left <= x <= right and low <= y <= high for x, y in one["points"])
    assert (
        in_node("optimizer.js", "page.race(['SGD'], 'ravine', 80)[0].lr")
        == found[[o["rule"] for o in found].index("SGD")]["lr"]
    )


def test_the_pages_have_the_colors_of_all_pictures() -> None:
    text = (HERE / "static" / "style.css").read_text(encoding="utf-8")
    light, dark = text.split("prefers-color-scheme: dark", 1)
    for engine in picture.COLORS:
        assert f"--{engine}: {picture.COLORS[engine]};" in light
        assert f"--{engine}: {picture.ON_DARK[engine]};" in dark
    assert (
        drawing.ENGINE_STYLES["torch"]["linewidth"]
        == plots.TWIN_STYLES[1]["linewidth"]
        > 2 * plots.TWIN_STYLES[0]["linewidth"]
    )


# --- the search -------------------------------------------------------------------------------------------------------

FINDS = {
    "relu": "nn.ReLU",
    "linear": "nn.Linear",
    "torch.nn.Linear": "nn.Linear",
    "torch.optim.lr_scheduler.StepLR": "optim.lr_scheduler.StepLR",
    "Conv2d": "nn.Conv2d",
    "softmax loss": "nn.CrossEntropyLoss",
    "xent": "nn.CrossEntropyLoss",
    "binary cross entropy": "nn.BCELoss",
    "swish": "nn.SiLU",
    "nesterov": "optim.SGD",
    "weight decay": "optim.AdamW",
    "glorot": "nn.init.xavier_normal_",
    "He": "nn.init.kaiming_normal_",
    "backprop": "Exercises",
    "dense": "nn.Linear",
    "layer norm": "nn.LayerNorm",
    "mean squared error": "nn.MSELoss",
    "lienar": "nn.Linear",
    "layernrom": "nn.LayerNorm",
    "crossentrpy": "nn.CrossEntropyLoss",
    "sofmax": "nn.Softmax",
    "drpout": "nn.Dropout",
    "tf32": "torch: tf32 by default",
    "adam": "optim.Adam",
    "exercises": "Exercises",
}


def test_the_search_finds_what_people_type() -> None:
    entries = list(search.index(Site(HERE, components(), {})))
    articles = [entry for entry in entries if entry["kind"] == "article"]
    queries = [*FINDS, articles[0]["name"], "zzzzzz"]
    code = f"{json.dumps(queries)}.map((typed) => page.ranked({json.dumps(entries)}, typed)[0]?.name ?? '')"
    first = dict(zip(queries, in_node("search.js", code), strict=True))
    assert first == {**FINDS, articles[0]["name"]: articles[0]["name"], "zzzzzz": ""}


def test_every_synonym_belongs_to_a_component() -> None:
    names = [one.name for one in components()]
    assert [pattern for pattern in search.SYNONYMS if not any(fnmatchcase(name, pattern) for name in names)] == []
