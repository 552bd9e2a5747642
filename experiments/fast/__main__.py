"""python -m experiments.fast: needs only torch, NumPy and lightning, and runs from the checkout.

python -m experiments.fast                  the same as
python -m experiments.fast gpu              everything on the GPU; without one, the goals and what was measured
python -m experiments.fast run RECIPE ...   recipes from several seeds, on the available device
python -m experiments.fast benchmark        plain loop, Fabric and Trainer side by side
python -m experiments.fast cpu              the CNN on the CPU, torch and scratch
"""

from __future__ import annotations

import argparse
import sys

from experiments.fast import command, tables
from experiments.fast.loops import LOOPS
from experiments.fast.measure import ROUNDS
from experiments.fast.recipe import RECIPES
from experiments.training.data import DATA_DIR
from parity_tests.exits import run


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 if every goal was met, 1 if one was missed."""
    options = vars(parser().parse_args(arguments or sys.argv[1:] or ["gpu"]))
    return 0 if options.pop("function")(**options) else 1


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        "python -m experiments.fast", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = top.add_subparsers(title="commands", required=True)

    gpu = commands.add_parser("gpu", help="every recipe under every loop, and the benchmark")
    gpu.set_defaults(function=command.gpu_command)
    gpu.add_argument("--seeds", type=int, default=10)
    shared(gpu, tables.GPU)

    run = commands.add_parser("run", help="train recipes from several seeds")
    run.set_defaults(function=command.fast_command)
    run.add_argument("recipes", nargs="+", choices=RECIPES, metavar="RECIPE", help=", ".join(RECIPES))
    run.add_argument("--loop", choices=LOOPS, default="plain")
    run.add_argument("--seeds", type=int, default=10)
    run.add_argument("--engine", choices=("torch", "scratch"), default="torch")
    run.add_argument("--epochs", type=int, help="instead of the recipe's")
    run.add_argument("--validation", action="store_true", help="judge on the last 10000 training images instead")
    run.add_argument("--compile", dest="compiled", action="store_true", help="torch.compile the network")

    beside = commands.add_parser("benchmark", help="plain loop, Fabric and Trainer side by side")
    beside.set_defaults(function=command.benchmark_command)
    beside.add_argument("--recipe", choices=RECIPES, help="by default cnn-fast on the GPU, mlp on the CPU")
    beside.add_argument("--rounds", type=int, default=ROUNDS)
    for parser_ in (run, beside):
        shared(parser_, None)
        parser_.add_argument("--device", choices=("cpu", "cuda"), help="by default the GPU if there is one")
        parser_.add_argument("--precision", choices=("32", "bf16"), help="by default bf16 if it is fast")

    cpu = commands.add_parser("cpu", help="the CNN on the CPU, torch and scratch")
    cpu.set_defaults(function=command.cpu_command)
    cpu.add_argument("--threads", type=int, default=2, help="of either engine (default 2)")
    cpu.add_argument("--rounds", type=int, default=3, help="of torch and scratch in turn (default 3)")
    shared(cpu, tables.CPU)
    return top


def shared(parser: argparse.ArgumentParser, json_file: object) -> None:
    parser.add_argument("--data-dir", help=f"folder with the MNIST files; by default {DATA_DIR}, else a download")
    parser.add_argument("--json", dest="json_file", default=json_file, help="write the figures to this file")


if __name__ == "__main__":
    run(lambda: sys.exit(main()))
