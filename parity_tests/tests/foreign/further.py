"""A port of one of the further blocks, and what compare must say of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from parity_tests.comparer.comparison import compare
from parity_tests.tests.foreign.further_blocks import FURTHER
from parity_tests.tests.foreign.matrix import place_of


@dataclass
class Further:
    """`mistake` is empty for a right one; `where` are the places that are right, `cause` the name of the cause."""

    block: str
    left: Callable[[], Any]
    mistake: str = ""
    where: tuple[str, ...] = ()
    cause: str = ""
    mode: str = "both"

    def check(self) -> None:
        """Without glue and without a map: a right port agrees, and a mistake is located."""
        right, inputs = FURTHER[self.block]
        report = compare(self.left(), right(), inputs, mode=self.mode)
        first = report.first_divergence
        if not self.mistake:
            assert report.ok, str(report)
            return
        assert first is not None, str(report)
        assert place_of(first) in self.where, str(report)
        if self.cause:
            assert report.cause is not None, str(report)
            assert report.cause.name == self.cause, str(report)


def cases(ports: Callable[[], Any]) -> Any:
    """As parameters of a test."""
    return pytest.mark.parametrize("port", [pytest.param(p, id=f"{p.block} {p.mistake or 'right'}") for p in ports()])
