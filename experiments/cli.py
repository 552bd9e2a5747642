"""nn-parity: the command line. What is heavy is imported by the command that needs it, so that --help is quick."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.config import Config, ConfigError
from parity_tests.__main__ import check, seeds, table
from parity_tests.comparer.cli import compare_command
from parity_tests.vectors.cli import app as vectors

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Neural networks from scratch in NumPy, proved equal to PyTorch from the same seed.",
)
app.command()(check)
app.command()(seeds)
app.command()(table)
app.command("compare")(compare_command)
app.add_typer(vectors, name="vectors")


def main() -> None:
    app(prog_name="nn-parity")


@contextmanager
def plain_errors() -> Iterator[None]:
    """An error that the user can mend is one line on stderr and exit code 2."""
    from experiments.data import DataError

    try:
        yield
    except (ConfigError, DataError) as error:
        typer.echo(f"nn-parity: {error}", err=True)
        raise typer.Exit(2) from None


def _option(name: str) -> Any:
    """The option of a Config field, with the field's own explanation and default."""
    (item,) = (item for item in fields(Config) if item.name == name)
    default = ",".join(map(str, item.default)) if isinstance(item.default, tuple) else item.default
    usual = "" if default is None else f" (default {default})"
    return typer.Option(help=item.metadata["help"] + usual, show_default=False)


@app.command()
def train(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option(help="YAML file of options; those given here win over it")] = None,
    data: Annotated[str | None, _option("data")] = None,
    engine: Annotated[str | None, _option("engine")] = None,
    model: Annotated[str | None, _option("model")] = None,
    epochs: Annotated[int | None, _option("epochs")] = None,
    batch_size: Annotated[int | None, _option("batch_size")] = None,
    optimizer: Annotated[str | None, _option("optimizer")] = None,
    lr: Annotated[float | None, _option("lr")] = None,
    hidden: Annotated[str | None, _option("hidden")] = None,
    activation: Annotated[str | None, _option("activation")] = None,
    dropout: Annotated[float | None, _option("dropout")] = None,
    seed: Annotated[int | None, _option("seed")] = None,
    dtype: Annotated[str | None, _option("dtype")] = None,
    accelerator: Annotated[str | None, _option("accelerator")] = None,
    validation: Annotated[float | None, _option("validation")] = None,
    limit_train: Annotated[int | None, _option("limit_train")] = None,
    data_dir: Annotated[str | None, _option("data_dir")] = None,
    output: Annotated[str | None, _option("output")] = None,
) -> None:
    """Train a network with scratch, torch, or both from one seed. Exit 1 if weights or batches of the two differ."""
    with plain_errors():
        values = Config.values_from_yaml(config) if config else {}
        given = {name: value for name, value in context.params.items() if value is not None and name != "config"}
        settings = Config.from_dict({**values, **given})

        from experiments import summary, train

        result = train.train(settings)
        summary.show(result)
    raise typer.Exit(0 if result.ok else 1)


@app.command()
def demo(output: Annotated[str, typer.Option(help="folder for the results")] = "runs/demo") -> None:
    """Check every component, train one network with both engines, print the verdict. Exit 1 if anything failed."""
    with plain_errors():
        from experiments.demo import demo

        ok = demo(output)
    raise typer.Exit(0 if ok else 1)


@app.command()
def bench(
    pattern: Annotated[str, typer.Argument(help="measure only what contains this")] = "",
    json_file: Annotated[Path | None, typer.Option("--json", help="write the figures to this file")] = None,
) -> None:
    """Time scratch beside torch, in turn, as ratios with their spread. Exit 1 if a limit is not kept."""
    from experiments.bench import bench

    raise typer.Exit(0 if bench(pattern, json_file) else 1)


if __name__ == "__main__":
    main()
