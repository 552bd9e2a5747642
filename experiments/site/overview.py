"""The overview, index.html: coverage by family, the grid of worst errors, the same-seed table, speed, the machine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.site import speed
from experiments.site.pages import Component, Site, percent, severity
from experiments.site.speed import Speed
from parity_tests.checks import streams as seeds
from parity_tests.rule import FACTOR, FLOOR, Result
from parity_tests.table.row import Refusal

LEVELS = 10  # shades of the grid, from no error to the limit
SIZES, PROGRAMS = (0, 1, 15, 16, 17, 63, 1000), 20  # of the same-seed table; `nn-parity seeds` draws more and larger


@dataclass(frozen=True)
class Family:
    """A family of the table as a line of the coverage."""

    name: str
    members: list[Component]
    speeds: list[Speed]

    @property
    def cases(self) -> int:
        return sum(not isinstance(row, Refusal) for one in self.members for row in one.rows)

    @property
    def refusals(self) -> int:
        return sum(isinstance(row, Refusal) for one in self.members for row in one.rows)

    @property
    def results(self) -> list[Result]:
        return [result for one in self.members for result in one.results]

    @property
    def failed(self) -> int:
        return sum(not result.ok for result in self.results)

    @property
    def worst(self) -> Component:
        return max(self.members, key=share)

    @property
    def ratio(self) -> float | None:
        """The median of scratch's time over torch's."""
        return speed.middle(self.speeds)


def write(site: Site, drawn: Sequence[Drawn]) -> None:
    """The page index.html; without `drawn` it has no same-seed table."""
    speeds, measured = speed.read(site.components)
    families = [
        Family(name, members, [speeds[one.name] for one in members if one.name in speeds])
        for name, members in _by_family(site.components)
    ]
    site.render(
        "overview.html",
        "index.html",
        title="Every component of a neural network, twice",
        families=families,
        worst=max(site.components, key=share),
        results=sum(len(family.results) for family in families),
        rows=sum(len(one.rows) for one in site.components),
        failed=[one for one in site.components if not one.ok],
        share=share,
        shade=shade,
        percent=percent,
        breakable=breakable,
        levels=LEVELS,
        factor=FACTOR,
        floor=FLOOR,
        drawn=drawn,
        seeds_environment=seeds.environment(),
        speeds=speeds,
        measured=measured,
        scale=speed.Scale.of(list(speeds.values())),
    )


def _by_family(components: Sequence[Component]) -> Iterator[tuple[str, list[Component]]]:
    for name in dict.fromkeys(one.family for one in components):
        yield name, [one for one in components if one.family == name]


def share(component: Component) -> float:
    """The worst error as a share of its limit: 1 is at the limit, more has failed, 0 if every bit is equal."""
    return severity(component.worst) if component.worst else 0.0


def shade(value: float) -> int:
    """The level of a share, 0 to LEVELS - 1."""
    return int(min(value * LEVELS, LEVELS - 1))


def breakable(name: str) -> Any:
    """A name that may break before each of its words."""
    from markupsafe import Markup, escape

    return Markup("<wbr>").join(escape(word) for word in re.split(r"(?<=[a-z\d])(?=[A-Z])|(?<=_)(?=[a-z])", name))


# --- the same seed ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawn:
    """One random function, over all dtypes with the same verdict."""

    function: str
    dtypes: str
    verdict: str
    values: int
    ok: bool
    component: Component | None  # whose page tells more


def same_seed(components: Sequence[Component]) -> list[Drawn]:
    """The same-seed table, dtypes of one verdict in one line."""
    alike: dict[tuple[str, str, bool], list[seeds.Row]] = {}
    for row in seeds.table(SIZES, PROGRAMS):
        alike.setdefault((row.function, row.verdict, row.ok), []).append(row)
    pages = {one.name: one for one in components}
    return [
        Drawn(function, ", ".join(row.dtype for row in rows), verdict, sum(row.values for row in rows), ok,
              pages.get(_component_of(function)))
        for (function, verdict, ok), rows in alike.items()
    ]  # fmt: skip


def _component_of(function: str) -> str:
    """nn.init.normal_ of "init.normal_(0.1, 0.3)", nn.Dropout of "nn.Dropout(0.3)"."""
    name = function.partition("(")[0]
    return f"nn.{name}" if name.startswith("init.") else name
