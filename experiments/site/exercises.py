"""exercises.html: every component whose backward, rule or body can be written as an exercise, by difficulty."""

from __future__ import annotations

from experiments.lessons.exercise import difficulty, exercises
from experiments.site.figures.first_row import quietly
from experiments.site.pages import Component, Site

# (heading, the most statements of scratch's own answer)
LEVELS = (("A line or two", 3), ("A few lines", 9), ("Half a page", 10**9))


def write(site: Site) -> None:
    known = {*exercises()}
    with quietly():
        steps = _steps(site, known)
    levels, done = [], 0
    for heading, most in LEVELS:
        levels.append((heading, [(one, count) for one, count in steps if done < count <= most]))
        done = most
    site.render("exercises.html", "exercises.html", title="Exercises: write it yourself", levels=levels)


def _steps(site: Site, known: set[str]) -> list[tuple[Component, int]]:
    """The components and the statements that their answer has, the easiest first."""
    found = [(one, max(1, difficulty(one.name))) for one in site.components if one.name in known]
    return sorted(found, key=lambda pair: (pair[1], pair[0].name))
