""".ci/run with programs of the test in place of make, apt-get and Chromium."""

import os
import shutil
from pathlib import Path

import pytest

from parity_tests.tests import patience

RAN = "tests of pages in a browser ran: 9"


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def ci(tmp_path):
    """Run a copy of .ci/run that sees no program but these and the system's own few."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (tmp_path / "checkout" / ".ci").mkdir(parents=True)
    shutil.copy(Path(__file__).parents[2] / ".ci" / "run", tmp_path / "checkout" / ".ci" / "run")
    for name in ("bash", "sh", "dirname", "mktemp", "tee", "grep", "rm", "timeout", "cat", "chmod", "sleep"):
        (programs / name).symlink_to(shutil.which(name))

    def run(made: str, status: int = 0, user: int = 0, browser: bool = False, apt: str | None = None):
        program(programs, "make", f'echo "made $1"; [ "$1" = lint ] || {{ echo "{made}"; exit {status}; }}')
        program(programs, "id", f"echo {user}")
        if browser:
            program(programs, "chromium", "")
        if apt is not None:
            program(programs, "apt-get", f'echo "$1" >> {tmp_path}/asked; {apt}')
        return patience.run([tmp_path / "checkout" / ".ci" / "run"], env={**os.environ, "PATH": str(programs)})

    return run


def test_lint_then_tests(ci):
    done = ci("8 passed")
    assert (done.returncode, done.stdout) == (0, "made lint\nmade test\n8 passed\n")


def test_a_failing_test_fails_it(ci):
    assert ci("1 failed", status=1).returncode != 0


def test_a_browser_whose_tests_did_not_run_fails_it(ci):
    assert ci("8 passed", browser=True).returncode == 1
    assert ci(RAN, browser=True).returncode == 0


INSTALL = '[ "$1" = update ] || { printf "#!/bin/sh\\n" > "${0%/*}/chromium"; chmod 755 "${0%/*}/chromium"; }'


def test_a_browser_is_installed_where_that_is_allowed(ci, tmp_path):
    assert ci(RAN, apt=INSTALL).returncode == 0
    assert (tmp_path / "asked").read_text() == "update\ninstall\n"


def test_an_installed_browser_whose_tests_did_not_run_fails_it(ci):
    done = ci("8 passed", apt=INSTALL)
    assert done.returncode == 1
    assert "there is a browser, and the tests of pages in a browser did not run" in done.stdout


def test_where_none_can_be_installed_it_goes_on(ci, tmp_path):
    done = ci("8 passed", apt="echo no network >&2; exit 100")
    assert done.returncode == 0
    assert done.stdout == "chromium could not be installed\nmade lint\nmade test\n8 passed\n"
    assert done.stderr == ""


def test_no_other_user_than_root_installs(ci, tmp_path):
    assert ci("8 passed", user=1000, apt=INSTALL).returncode == 0
    assert not (tmp_path / "asked").exists()
