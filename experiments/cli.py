"""nn-parity: the command line. Each command imports its own heavy modules, so that --help is quick."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.training.config import DATA, MODELS, Config, ConfigError
from parity_tests.choices import choice
from parity_tests.cli import Commands, check, seeds, table
from parity_tests.comparer.cli import compare_command
from parity_tests.conventions.cli import conventions
from parity_tests.exits import CODES, refuse, refuse_unwritable, run
from parity_tests.recordings.cli import record_command
from parity_tests.vectors.cli import app as vectors
from parity_tests.workers import prepare

app = typer.Typer(
    cls=Commands,
    epilog=CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Neural networks from scratch in NumPy, proved equal to PyTorch from the same seed.",
)
app.command()(check)
app.command()(seeds)
app.command()(table)
app.command("compare")(compare_command)
app.command()(conventions)
app.command("record")(record_command)
app.add_typer(vectors, name="vectors")


# The panels of `train --help`.
PANELS = {
    "Data": "data data_dir limit_train validation shift rotate",
    "Network": "engine model hidden channels activation dropout init",
    "Training": "epochs batch_size optimizer lr weight_decay momentum scheduler label_smoothing seed patience",
    "Precision and devices": "dtype precision accelerator devices strategy compile deterministic",
    "Files": "save_every output",
}


def main() -> None:
    run(lambda: app(prog_name="nn-parity"))


def _version(asked: bool) -> None:
    if asked:
        from parity_tests.environment import versions

        found = versions("nn-parity", "numpy", "torch", "lightning")
        own = found.pop("nn-parity", "(not installed)")
        typer.echo(f"nn-parity {own}, {', '.join(f'{name} {version}' for name, version in found.items())}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the versions and exit")
    ] = False,
) -> None:
    """What every command has in common."""


def _option(name: str, panels: bool = True) -> Any:
    """The option of a Config field, with the field's own explanation, words and default, in its panel of the help."""
    (item,) = (item for item in fields(Config) if item.name == name)
    default = ",".join(map(str, item.default)) if isinstance(item.default, tuple) else item.default
    text = item.metadata["help"] + ("" if default is None else rf" \[default: {default}]")
    (panel,) = (panel for panel, names in PANELS.items() if name in names.split())
    more: dict[str, Any] = {"show_default": False, "rich_help_panel": panel if panels else None}
    choices = item.metadata["choices"]
    return choice(text, choices, **more) if choices else typer.Option(help=text, **more)


@app.command()
def train(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option(help="YAML file of options; options given here override it")] = None,
    resume: Annotated[Path | None, typer.Option(help="folder of a run to continue; --epochs extends it")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace the run that is in the folder")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="the speedrun recipe of MNIST, as the command fast")] = False,
    data: Annotated[str | None, _option("data")] = None,
    engine: Annotated[str | None, _option("engine")] = None,
    model: Annotated[str | None, _option("model")] = None,
    hidden: Annotated[str | None, _option("hidden")] = None,
    channels: Annotated[str | None, _option("channels")] = None,
    activation: Annotated[str | None, _option("activation")] = None,
    dropout: Annotated[float | None, _option("dropout")] = None,
    init: Annotated[str | None, _option("init")] = None,
    epochs: Annotated[int | None, _option("epochs")] = None,
    batch_size: Annotated[int | None, _option("batch_size")] = None,
    optimizer: Annotated[str | None, _option("optimizer")] = None,
    lr: Annotated[float | None, _option("lr")] = None,
    weight_decay: Annotated[float | None, _option("weight_decay")] = None,
    momentum: Annotated[float | None, _option("momentum")] = None,
    scheduler: Annotated[str | None, _option("scheduler")] = None,
    label_smoothing: Annotated[float | None, _option("label_smoothing")] = None,
    shift: Annotated[int | None, _option("shift")] = None,
    rotate: Annotated[float | None, _option("rotate")] = None,
    seed: Annotated[int | None, _option("seed")] = None,
    dtype: Annotated[str | None, _option("dtype")] = None,
    precision: Annotated[str | None, _option("precision")] = None,
    accelerator: Annotated[str | None, _option("accelerator")] = None,
    devices: Annotated[int | None, _option("devices")] = None,
    strategy: Annotated[str | None, _option("strategy")] = None,
    compile: Annotated[bool | None, _option("compile")] = None,
    deterministic: Annotated[bool | None, _option("deterministic")] = None,
    validation: Annotated[float | None, _option("validation")] = None,
    patience: Annotated[int | None, _option("patience")] = None,
    save_every: Annotated[int | None, _option("save_every")] = None,
    limit_train: Annotated[int | None, _option("limit_train")] = None,
    data_dir: Annotated[str | None, _option("data_dir")] = None,
    output: Annotated[str | None, _option("output")] = None,
) -> None:
    """Train a network with scratch, torch, or both from one seed. Exit 1 if weights or batches of the two differ.

    \b
    nn-parity train --model cnn --data mnist --epochs 3
    nn-parity train --resume runs/mine --epochs 9
    """
    values = Config.values_from_yaml(config) if config else {}
    given = {name: value for name, value in context.params.items() if value is not None}
    given = {n: value for n, value in given.items() if n not in ("config", "resume", "fast", "overwrite")}
    if resume and (set(given) - {"data_dir", "epochs"} or config or overwrite):
        raise ConfigError("resume: a run continues with its own options; only --data-dir and --epochs may change.")
    if fast:
        if set(given) - {"data_dir", "epochs", "model"} or resume:
            raise ConfigError(
                "fast: a recipe sets all other options; only --model, --epochs and --data-dir may be given."
            )
        from experiments.fast.command import fast_command

        recipe = "mlp" if model == "mlp" else "cnn-fast"
        raise typer.Exit(0 if fast_command((recipe,), epochs=epochs, data_dir=data_dir) else 1)

    from experiments.training import run as train
    from experiments.training import summary

    if resume:
        result = train.resume(resume, data_dir, epochs=epochs, lines=True)
    else:
        result = train.train(Config.from_dict({**values, **given}), overwrite=overwrite, lines=True)
    summary.show(result)
    raise typer.Exit(0 if result.ok else 1)


@app.command()
def fast(
    recipes: Annotated[list[str] | None, typer.Argument(help="mlp, cnn-fast, cnn-accurate; all by default")] = None,
    loop: Annotated[str, choice("who runs the steps", ("plain", "fabric", "trainer"))] = "plain",
    seeds: Annotated[int, typer.Option(help="number of seeds")] = 10,
    engine: Annotated[str, choice("who computes", ("torch", "scratch"))] = "torch",
    compiled: Annotated[bool, typer.Option("--compile", help="compile the network")] = False,
    data_dir: Annotated[str | None, _option("data_dir", panels=False)] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the figures to this file")] = None,
) -> None:
    """Train MNIST with all data on the device, against the clock. Exit 1 if a goal is missed.

    \b
    nn-parity fast mlp --seeds 3
    nn-parity fast cnn-fast --loop trainer --json fast.json
    """
    from experiments.fast.command import LOOPS, RECIPES, fast_command

    asked: list[tuple[str, str, Collection[str]]] = [("recipes", recipe, RECIPES) for recipe in recipes or ()]
    for what, value, allowed in [*asked, ("loop", loop, LOOPS), ("engine", engine, ("scratch", "torch"))]:
        if value not in allowed:
            raise ConfigError(f"{what}: must be one of {', '.join(allowed)}, got {value!r}.")
    refuse_unwritable("fast", "--json", json_file)
    ok = fast_command(
        recipes or list(RECIPES),
        loop,
        seeds,
        engine=engine,
        compiled=compiled,
        data_dir=data_dir,
        json_file=json_file,
    )
    raise typer.Exit(0 if ok else 1)


@app.command()
def twins(
    model: Annotated[list[str] | None, choice("a network; all by default", MODELS)] = None,
    data: Annotated[str, choice("data set", DATA)] = "mnist",
    seeds: Annotated[int, typer.Option(help="number of float32 runs")] = 5,
    data_dir: Annotated[str | None, _option("data_dir", panels=False)] = None,
    output: Annotated[str, typer.Option(help="folder for the results")] = "runs/twins",
) -> None:
    """Train each model on both engines: float64 losses must agree, float32 accuracies overlap. Exit 1 if not.

    \b
    nn-parity twins --data digits --seeds 3
    nn-parity twins --model cnn --output runs/cnn-twins
    """
    from experiments.training.twins import MODELS, twins

    ok = all(twin.ok for twin in twins(model or MODELS, data, seeds, data_dir, output))
    raise typer.Exit(0 if ok else 1)


@app.command()
def predict(
    picture: Annotated[Path, typer.Argument(help="a picture of one digit, such as a PNG file")],
    checkpoint: Annotated[Path, typer.Option(help="a .ckpt file that `train` wrote")],
    seen: Annotated[Path | None, typer.Option(help="write the network's input to this PNG file")] = None,
) -> None:
    """Recognize the digit in a picture.

    \b
    nn-parity predict digit.png --checkpoint runs/mine/torch/checkpoints/best.ckpt
    nn-parity predict photo.jpg --checkpoint best.ckpt --seen input.png
    """
    from experiments.training import plots, summary
    from experiments.training.predict import predict

    answer = predict(checkpoint, picture)
    if seen:
        plots.seen(answer.image, f"{answer.engine}: {answer.digit}", seen)
    summary.show_prediction(answer)


@app.command()
def demo(output: Annotated[str, typer.Option(help="folder for the results")] = "runs/demo") -> None:
    """Check every component, train one network with both engines, print the verdict. Exit 1 if anything failed.

    \b
    nn-parity demo
    nn-parity demo --output runs/first
    """
    prepare()
    from experiments.demo import demo

    ok = demo(output)
    raise typer.Exit(0 if ok else 1)


@app.command()
def replay(
    names: Annotated[list[str] | None, typer.Argument(help="the articles; without a name they are listed")] = None,
    everything: Annotated[bool, typer.Option("--all", help="all articles")] = False,
    listing: Annotated[bool, typer.Option("--list", help="the texts, and what replays each of them")] = False,
    output: Annotated[Path, typer.Option(help="folder for the results")] = Path("runs/replay"),
    data_dir: Annotated[Path | None, typer.Option(help="folder with the MNIST files")] = None,
) -> None:
    """Replay the systems of articles with both engines and compare the figures. Exit 1 if one does not hold.

    \b
    nn-parity replay
    nn-parity replay foundations tree-age --output runs/articles
    """
    from experiments.articles import ARTICLES
    from experiments.articles import replay as articles

    if names and everything:
        refuse("replay: give the names of articles, or --all.")
    if listing or not (names or everything):
        articles.show_all()
        raise typer.Exit(0)
    done = articles.replay(list(ARTICLES) if everything else names or [], output, data_dir)
    raise typer.Exit(0 if all(found.ok for found in done) else 1)


@app.command()
def exercise(
    name: Annotated[str, typer.Argument(help="a component, such as nn.LayerNorm or optim.Adam")] = "",
    output: Annotated[Path | None, typer.Option(help="the file; by default named after the component")] = None,
    listing: Annotated[bool, typer.Option("--list", help="list the components that have an exercise")] = False,
) -> None:
    """Write an exercise: a backward, an optimizer's rule or an initialiser for you to fill in, judged when you run it.

    \b
    nn-parity exercise nn.LayerNorm
    nn-parity exercise --list
    """
    from experiments.lessons.exercise import exercises, write

    typer.echo("\n".join(exercises()) if listing or not name else f"Written: {write(name, output)}. Run it.")


@app.command()
def bench(
    pattern: Annotated[str, typer.Argument(help="measure only the cases whose group/name contains this")] = "",
    quick: Annotated[
        bool, typer.Option("--quick", help="fewer rounds and smaller cases: two minutes, not twenty")
    ] = False,
    data_dir: Annotated[Path | None, typer.Option(help="folder with the MNIST files; else similar images")] = None,
    json_folder: Annotated[
        Path | None, typer.Option("--json", help="folder for one file per group, such as experiments/results")
    ] = None,
    write: Annotated[
        list[Path] | None,
        typer.Option(help="file whose speed tables are rewritten, from the saved results unless --json is given"),
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="only list the cases")] = False,
) -> None:
    """Measure speed: each engine in its own process, threads pinned, in turn. Exit 1 if a limit is missed.

    \b
    nn-parity bench layers/Conv2d --quick
    nn-parity bench --json experiments/results --write experiments/results/SPEED.md
    """
    from experiments.bench.run import command

    ok = command(pattern, quick, data_dir, json_folder, write or (), listing)
    raise typer.Exit(0 if ok else 1)


@app.command()
def report(
    pattern: Annotated[str, typer.Argument(help="only components with a row whose label contains this")] = "",
    output: Annotated[Path, typer.Option(help="folder for the site; open its index.html")] = Path("runs/report"),
    open_page: Annotated[bool, typer.Option("--open", help="open the page in your browser")] = False,
) -> None:
    """Build a static site, a page for each component: derivation, code, figures, errors. Exit 1 if a check failed.

    \b
    nn-parity report nn.Linear
    nn-parity report --output site
    """
    from experiments.site.build import command

    ok = command(output, pattern, open_page)
    raise typer.Exit(0 if ok else 1)


if __name__ == "__main__":
    main()
