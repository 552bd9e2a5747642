"""The form of findings/: what CONTRIBUTING.md asks of each script. They are not run here: they install packages."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from parity_tests.installed import FLOORS, ROOT

FINDINGS = sorted((ROOT / "findings").glob("*"))


def test_there_are_some() -> None:
    assert len(FINDINGS) >= 8


@pytest.mark.parametrize("file", FINDINGS, ids=lambda file: file.stem)
def test_a_finding_has_its_form(file: Path) -> None:
    text = file.read_text()
    assert file.suffix == ".sh"
    assert os.access(file, os.X_OK)
    assert text.startswith("#!/usr/bin/env bash\n# ")
    head = re.match(r"#!.*\n((?:#.*\n)+)set -euo pipefail\n", text)
    assert head, "the comment, then set -euo pipefail"
    assert re.search(r"\d+\.\d+", head[1].partition("\n")[0]), "the first line says which version"
    for word in ("Guessed before: ", "Seen: ", "\n# Here: "):
        assert word in head[1], word
    assert "dir=$(mktemp -d); trap 'rm -rf \"$dir\"' EXIT" in text
    (installed,) = re.findall(r'pip" install --quiet --disable-pip-version-check (.+)', text)
    assert all("==" in package for package in installed.split()), installed
    assert "this has changed" in text
    assert not re.search(rf"\b(import|from) ({'|'.join(FLOORS)})\b", text), "without this project"


def test_each_is_about_a_behaviour_of_its_own() -> None:
    first = [file.read_text().splitlines()[1] for file in FINDINGS]
    assert len(set(first)) == len(first)
