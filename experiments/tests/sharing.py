"""Which worker of pytest-xdist runs which tests."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from xdist.scheduler import LoadScopeScheduling

BY_FILE = (
    "test_report_component.py",
    "test_report_runs.py",
    "test_resume.py",
    "test_train.py",
    "test_predict.py",
    "test_faults.py",
)
# Tests that share what takes long to make: one worker makes it, and runs all of them.
SHARING = {
    "test_report_site.py": "the small report",
    "test_report_browser.py": "the small report",
    **{name: name for name in BY_FILE},
}


class Sharing(LoadScopeScheduling):
    """Tests of one group of SHARING go to one worker, every other test to whoever is free. The groups come first.

    This is what --dist loadgroup promises; xdist 3.8 groups nothing under pytest 9.2, and says nothing of it. What is
    done is forgotten, and the place of a test is looked up: xdist counts and searches through all tests after each.
    """

    def _split_scope(self, nodeid: str) -> str:
        return SHARING.get(Path(nodeid.partition("::")[0]).name, nodeid)

    @cached_property
    def places(self) -> dict[str, int]:
        return {nodeid: place for place, nodeid in enumerate(self.collection)}

    def _assign_work_unit(self, node: Any) -> None:
        group, tests = self.workqueue.popitem(last=False)
        self.assigned_work[node][group] = tests
        node.send_runtest_some([self.places[nodeid] for nodeid, done in tests.items() if not done])

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        super().mark_test_complete(node, item_index, duration)
        group = self._split_scope(self.collection[item_index])
        if all(self.assigned_work[node][group].values()):
            del self.assigned_work[node][group]
