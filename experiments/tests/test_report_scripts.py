"""The scripts of the report's pages, run by Node.js: they compute what scratch computes."""

import json

import numpy as np
import pytest

import scratch
from experiments.site.figures import optimizers
from experiments.site.pages import HERE, components
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
