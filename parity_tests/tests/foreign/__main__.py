"""`python -m parity_tests.tests.foreign [NAME ...]`: run the ports of installed frameworks, and write the results."""

from __future__ import annotations

import sys
import warnings

from parity_tests.environment import environment
from parity_tests.tests.foreign.matrix import PAGE, RESULTS, Result, as_json, frameworks, judged, page, read
from torch_impl.files import write_text


def main(names: list[str]) -> None:
    warnings.filterwarnings("ignore")
    known = {result.key: result for result in read()}
    for framework in frameworks():
        if (names and framework.name not in names) or not framework.installed():
            continue
        known = {key: result for key, result in known.items() if key[0] != framework.name}
        for port in framework.ports():
            result, report = judged(framework, port)
            known[result.key] = result
            good = result.located and result.named if port.mistake else result.right_verdict
            about = f"{framework.name} {port.block}: {port.mistake or 'correct'}: {result.verdict}"
            print(about, result.place or "-", result.says or "no cause", f"({result.seconds} s)", sep=", ")
            if not good:
                print("not as planted:", report, sep="\n")
        write(list(known.values()))


def write(results: list[Result]) -> None:
    """After every framework: what was run is not lost."""
    results.sort(key=lambda result: result.framework)
    write_text(RESULTS, as_json(results, environment("cpu")))
    write_text(PAGE, page(results))


if __name__ == "__main__":
    main(sys.argv[1:])
