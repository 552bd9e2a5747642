"""How tests are handed to workers: each to one of them, and all that share what takes long to make to the same one."""

from types import SimpleNamespace
from typing import Any

from experiments.tests.sharing import SHARING, Sharing

GROUP = [f"experiments/tests/{file}::test_{i}" for file, name in SHARING.items() if "small" in name for i in range(3)]
TESTS = [f"parity_tests/tests/test_table.py::test_row[{i}]" for i in range(100)]


class Worker:
    """Takes the places of tests, and runs none."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.shutting_down = False
        self.gateway = SimpleNamespace(id=str(id(self)))

    def send_runtest_some(self, places: list[int]) -> None:
        self.told += places

    def shutdown(self) -> None:
        self.shutting_down = True


def scheduler(workers: list[Worker], tests: list[str]) -> Any:
    option = SimpleNamespace(loadscopereorder=True)
    config: Any = SimpleNamespace(option=option, getvalue=lambda name: ["popen"] * len(workers))
    made: Any = Sharing(config, None)
    for worker in workers:
        made.add_node(worker)
        made.add_node_collection(worker, tests)
    made.schedule()
    return made


def test_every_test_runs_once_and_a_group_in_one_worker() -> None:
    workers, tests = [Worker(), Worker()], [*TESTS[:50], *GROUP, *TESTS[50:]]
    made = scheduler(workers, tests)
    finished: list[list[str]] = [[], []]
    while any(len(worker.told) > len(done) for worker, done in zip(workers, finished, strict=True)):
        for worker, done in zip(workers, finished, strict=True):
            for place in worker.told[len(done) :][:1]:
                done.append(tests[place])
                made.mark_test_complete(worker, place)
                assert len(made.assigned_work[worker]) <= 3, "what is done is counted again after each test"
    assert sorted(finished[0] + finished[1]) == sorted(tests)
    assert all(set(GROUP) <= set(done) or not set(GROUP) & set(done) for done in finished)
    assert made.tests_finished


def test_what_a_lost_worker_had_not_done_another_one_does() -> None:
    workers = [Worker(), Worker()]
    made = scheduler(workers, TESTS[:9])
    first, *_ = workers[0].told
    made.mark_test_complete(workers[0], first)
    lost = set(workers[0].told) - {first}
    assert made.remove_node(workers[0]) in TESTS
    for place in workers[1].told:
        made.mark_test_complete(workers[1], place)
    assert lost <= {*workers[1].told} | {TESTS.index(next(iter(tests))) for tests in made.workqueue.values()}
