"""`make exhaustive`: every function at every float32 number, scratch and torch; resumable, with a progress bar."""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from experiments.exhaustive.floats import OCTAVES
from experiments.exhaustive.functions import FUNCTIONS
from experiments.exhaustive.kernels import CAPABILITIES, kernels
from experiments.exhaustive.results import RESULTS, lines, save
from experiments.exhaustive.run import run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.exhaustive", description=__doc__)
    parser.add_argument("labels", nargs="*", help="functions, such as GELU or 'GELU tanh'; all by default")
    parser.add_argument("--step", type=int, default=1, help="only every so many floats (a power of 2)")
    parser.add_argument(
        "--kernels", nargs="*", default=CAPABILITIES, help="torch's sets of instructions; none: scratch"
    )
    parser.add_argument("--folder", type=Path, default=Path("runs/exhaustive"), help="where the state is kept")
    parser.add_argument("--json", type=Path, default=RESULTS, help="the file of results")
    given = parser.parse_args()
    known = {function.label: function for function in FUNCTIONS}
    unknown = [label for label in given.labels if label not in known]
    if unknown:
        parser.error(f"unknown function {unknown[0]!r}; choose from {', '.join(known)}")
    if given.step < 1 or given.step & (given.step - 1) or given.step > 2**15:
        parser.error(f"--step must be a power of 2 up to 32768, got {given.step}")
    with kernels(tuple(given.kernels)) as engines:
        for label in given.labels or known:
            with tqdm(total=OCTAVES, desc=label, unit="octave") as bar:
                state = run(known[label], engines, given.step, given.folder, bar)
            found = list(lines(known[label], state, given.step))
            save(found, given.json)
            for line in found:
                print(
                    f"{label} {line['quantity']:5} {line['kernel']:14} worst {line['worst']:.3g} ulp at {line['at']}, "
                    f"beyond 4 ulp {line['beyond_4']:.2%}, {line['wrong'] or 'nothing else wrong'}"
                )


if __name__ == "__main__":
    main()
