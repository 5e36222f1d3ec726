"""The commands that judge models: `pmrs evaluate`, the other `evaluate-...`, `models` and `promote`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from jobs.cli.options import AsJson, SourcesFile, day, settings_with, words
from jobs.evaluate.limits import Gate

app = typer.Typer()
LIMITS = Gate()


def _show(told: dict[str, Any], as_json: bool, markdown: Callable[[], str] | None, table: Callable[[], None]) -> None:
    """As JSON, else as Markdown where that is asked for, else as a table on the terminal."""
    if as_json:
        typer.echo(json.dumps(told, indent=1))
    elif markdown:
        typer.echo(markdown())
    else:
        table()


@app.command()
def evaluate(
    models: Annotated[str, typer.Option(help="Models to compare, by comma. Default: all; with --lists: none.")] = "",
    split: Annotated[str, typer.Option(help="temporal, random, last or users. Default: temporal where there are events.")] = "",
    date: Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="Default: the newest date in the data.")] = "",
    days: Annotated[int, typer.Option(help="Days that a temporal split asks for. Default: the last quarter, at most 14.")] = 0,
    lists: Annotated[list[Path] | None, typer.Option(help="A ranking table to score (Parquet or CSV).")] = None,
    task: Annotated[str, typer.Option(help="The task that --lists answers. Default: the split's first.")] = "",
    export: Annotated[Path | None, typer.Option(help="Folder for the split's tables, user ids included.")] = None,
    tune: Annotated[bool, typer.Option(help="Choose settings on a split of the training part.")] = True,
    register: Annotated[bool, typer.Option("--register", help="Keep the fitted models as candidates: see `pmrs models`.")] = False,
    against: Annotated[str, typer.Option(help="Another model, beside popularity, to tell the paired differences from.")] = "",
    full: Annotated[bool, typer.Option("--full", help="Print every metric with its interval; --json always has them.")] = False,
    as_json: AsJson = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    sources: SourcesFile = None,
) -> None:
    """Compare models, or anybody's ranking table, on one honest split: every metric with its interval."""
    from jobs.cli.models import show_everywhere
    from jobs.cli.progress import bar
    from jobs.cli.show import console
    from jobs.evaluate import command
    from jobs.evaluate.question import Config
    from jobs.evaluate.show import markdown, print_table

    settings = settings_with(sources)
    config = Config(split, words(models), days, tune, str(day(date)) if date else "")
    with bar("evaluating") as notify:
        options = command.Options(tuple(lists or ()), task, export, register, against)
        told = command.run(settings, config, options, lambda step: notify(step, 0, 0))
    if register:
        show_everywhere(settings)
    _show(told, as_json, (lambda: markdown(told, full)) if as_markdown else None, lambda: print_table(told, console(), full))


@app.command("evaluate-pairs")
def evaluate_pairs(
    date: Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="Default: the newest date in the data.")] = "",
    as_json: AsJson = False,
    sources: SourcesFile = None,
) -> None:
    """Predict which labelled pairs (KKBox) come true, on later ones: AUC, AP and errors on real negatives."""
    from jobs.cli.progress import bar
    from jobs.cli.show import console
    from jobs.evaluate import pairs
    from jobs.evaluate.show import print_pairs

    with bar("evaluating labelled pairs"):
        told = pairs.run(settings_with(sources), str(day(date)) if date else "", pairs.Config())
    _show(told, as_json, None, lambda: print_pairs(told, console()))


@app.command("evaluate-genres")
def evaluate_genres(
    models: Annotated[str, typer.Option(help="Models to compare, by comma. Default: all.")] = "",
    date: Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="Default: the newest date in the data.")] = "",
    folds: Annotated[
        int, typer.Option(help="Parts of the tracks; genres of fewer tracks are left out (of 2 folds: of fewer than 4).", min=2)
    ] = 6,
    seeds: Annotated[int, typer.Option(help="Times that all is done anew.", min=1)] = 5,
    fold: Annotated[int | None, typer.Option(help="Only this fold of each seed, from 0.", min=0)] = None,
    as_json: AsJson = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    sources: SourcesFile = None,
) -> None:
    """Compare genre models on labelled audio, cross-validated by track. Stopped, it goes on from there when run again."""
    from jobs.cli.progress import bar
    from jobs.cli.show import console
    from jobs.evaluate.genres import command
    from jobs.evaluate.genres.show import markdown, print_genres

    config, options = command.Config(folds, seeds), command.Options(words(models), fold)
    with bar("evaluating genre models") as notify:
        told = command.run(settings_with(sources), str(day(date)) if date else "", config, options, notify)
    _show(told, as_json, (lambda: markdown(told)) if as_markdown else None, lambda: print_genres(told, console()))


@app.command("evaluate-new-tracks")
def evaluate_new_tracks(
    date: Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="Default: the newest date in the data.")] = "",
    share: Annotated[float, typer.Option(help="Share of the tracks that are held out.", min=0.01, max=0.9)] = 0.2,
    seed: Annotated[int, typer.Option(help="Of the draw.", min=0)] = 7,
    network: Annotated[bool, typer.Option("--network", help="Let a network hear their clips too; it trains for minutes.")] = False,
    as_json: AsJson = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    sources: SourcesFile = None,
) -> None:
    """Hold tracks out with all their plays, and find who will like them: by sound, text, artist, genre."""
    from jobs.cli.progress import bar
    from jobs.cli.show import console
    from jobs.evaluate.new_tracks import command
    from jobs.evaluate.new_tracks.show import markdown, print_new_tracks

    with bar("evaluating new tracks") as notify:
        config = command.Config(share, seed, network)
        told = command.run(settings_with(sources), str(day(date)) if date else "", config, notify)
    _show(told, as_json, (lambda: markdown(told)) if as_markdown else None, lambda: print_new_tracks(told, console()))


@app.command("models")
def list_models(as_json: AsJson = False, sources: SourcesFile = None) -> None:
    """List the registered models: which is live, how good each was, and what the gate said of it."""
    from jobs.cli.models import all_models, print_models

    found = all_models(settings_with(sources))
    typer.echo(json.dumps(found, indent=1)) if as_json else print_models(found)


@app.command()
def promote(
    model: Annotated[str, typer.Argument(help="A candidate's digest (or its beginning), or a method for its newest.")],
    metrics: Annotated[str, typer.Option(help="Metrics, by comma, of none of which it may be worse.")] = ",".join(LIMITS.metrics),
    keep_coverage: Annotated[float, typer.Option(help="Least share of the live model's coverage.", min=0.0)] = LIMITS.keep_coverage,
    more_lift: Annotated[float, typer.Option(help="Most by which the popularity lift may rise.")] = LIMITS.more_lift,
    most_churn: Annotated[float, typer.Option(help="Largest share of places that may change.", min=0, max=1)] = LIMITS.most_churn,
    fewest_users: Annotated[int, typer.Option(help="Fewest users that must be asked.", min=1)] = LIMITS.fewest_users,
    date: Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="Default: the newest date in the data.")] = "",
    days: Annotated[int, typer.Option(help="Days that a temporal split asks for. Default: the last quarter, at most 14.")] = 0,
    as_json: AsJson = False,
    sources: SourcesFile = None,
) -> None:
    """Make a candidate the live recommender, if it passes the gate; else exit with 1, and the live one stays."""
    from jobs.cli.models import print_promotion, show_everywhere
    from jobs.cli.progress import bar
    from jobs.evaluate import promote as gate

    settings = settings_with(sources)
    limits = Gate(words(metrics), keep_coverage, more_lift, most_churn, fewest_users)
    with bar("asking both models") as notify:
        found = gate.run(settings, model, str(day(date)) if date else "", days, limits, lambda step: notify(step, 0, 0))
    folder = show_everywhere(settings)
    typer.echo(json.dumps(found.card["gate"][-1], indent=1)) if as_json else print_promotion(found, folder)
    if not found.verdict.passed:
        raise typer.Exit(1)
