"""Ports of six blocks to other frameworks: the correct ones agree, and mistakes are located and named."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from parity_tests.tests.foreign.matrix import PAGE, Port, frameworks, judged, page, read

INSTALLED = [framework for framework in frameworks() if framework.installed()]


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    """What the frameworks deprecate is theirs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def ports() -> list[Any]:
    found = [(framework, port) for framework in INSTALLED for port in framework.ports()]
    return [pytest.param(f, p, id=f"{f.name} {p.block} {p.mistake or 'correct'}") for f, p in found]


@pytest.mark.parametrize(("framework", "port"), ports())
def test_a_port(framework: Any, port: Port) -> None:
    result, report = judged(framework, port)
    assert result.right_verdict, str(report)
    if port.mistake:
        assert result.located, str(report)
    known = {row.key: row for row in read()}
    assert result.named == known[result.key].named, str(report)


def test_the_results_are_what_the_project_promises() -> None:
    """Every correct port agrees, every mistake is located, and 85 % of them are named."""
    results = read()
    assert results
    known = {f.name.partition(" on ")[0] for f in frameworks()}
    assert {r.framework.partition(" on ")[0] for r in results} <= known  # Keras on one of its backends
    assert [r.key for r in results if not r.right_verdict] == []
    planted = [r for r in results if r.mistake]
    assert [r.key for r in planted if not r.located] == []
    assert sum(r.named for r in planted) >= 0.85 * len(planted)
    for framework in {r.framework for r in results}:
        for block in {r.block for r in results if r.framework == framework}:
            own = [r for r in results if (r.framework, r.block) == (framework, block)]
            assert any(not r.mistake for r in own), (framework, block)
            assert sum(bool(r.mistake) for r in own) >= 3, (framework, block)


def test_the_page_is_of_these_results() -> None:
    assert PAGE.read_text() == page(read())
