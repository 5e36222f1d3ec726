"""The table of genre models, on the terminal and as Markdown, and the picture of a confusion matrix."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from jobs.evaluate.genres.judged import RIVALS
from jobs.evaluate.tables import headed, markdown_table
from jobs.report import plots

HEAD = ("model", "clips", "accuracy", "95 %", "spread over seeds", "macro F1", "log loss", "s a fold")
NEEDS = {"spread over seeds": 130, "s a fold": 110, "log loss": 100, "macro F1": 100}
"""Columns of characters that a terminal must have for one of the table."""


def head_of(told: dict[str, Any]) -> tuple[str, ...]:
    """Columns of `rows_of`."""
    titles = {row["model"]: row["title"].split(",")[0].removesuffix(" (scikit-learn)") for row in told["results"]}
    return (*HEAD, *(f"from {titles[name]}" for name in RIVALS if name in titles))


def rows_of(told: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """A row of cells for each model, the best first; `*`: the difference is significant."""
    rivals = [name for name in RIVALS if any(row["model"] == name for row in told["results"])]
    for row in sorted(told["results"], key=lambda one: (-one["accuracy"]["mean"], one["model"])):
        mean, gaps = row["accuracy"], row["against"]
        yield (
            row["title"],
            row["preset"] + (f" (tiled: {row['tiled']:.0%})" if row["tiled"] else ""),
            f"{mean['mean']:.3f}",
            f"{mean['low']:.3f}-{mean['high']:.3f}",
            f"{row['seed_spread']:.3f}",
            f"{row['macro_f1']:.3f}",
            "" if row["log_loss"] is None else f"{row['log_loss']:.3f}",
            f"{row['seconds']:.1f}",
            *(f"{gaps[name]['mean']:+.3f}{'*' if gaps[name]['significant'] else ''}" if name in gaps else "" for name in rivals),
        )


def about(told: dict[str, Any]) -> list[str]:
    """What the figures are of."""
    lines = [
        f"{headed(told)}: {told['protocol']}.",
        f"{told['tracks']} tracks of {len(told['genres'])} genres of the set {told['genre_set']}, {told['asked']} of them asked.",
    ]
    if told["left_out"]:
        few = ", ".join(f"{genre} ({count})" for genre, count in told["left_out"].items())
        lines.append(f"Genres of fewer tracks than there are folds (with two folds: than four) are left out: {few}.")
    return lines


def print_genres(told: dict[str, Any], console: Console) -> None:
    """The table for a terminal."""
    for line in about(told):
        console.print(line)
    head = head_of(told)
    shown = [name for name in head if console.width >= NEEDS.get(name, 0)]
    table = Table()
    for name in shown:
        table.add_column(name, justify="left" if name in HEAD[:2] else "right")
    for row in rows_of(told):
        table.add_row(*[cell for name, cell in zip(head, row, strict=True) if name in shown])
    console.print(table)


def markdown(told: dict[str, Any]) -> str:
    """The same for docs/results.md."""
    return "\n".join([*about(told), "", *markdown_table(head_of(told), rows_of(told), texts=2)]) + "\n"


def confusion(row: dict[str, Any], genres: list[str]) -> str:
    """SVG: of the tracks of each genre (rows), the share that the model called each genre."""
    title = f"{row['title']}\naccuracy {row['accuracy']['mean']:.2f}"
    return plots.confusion(np.array(row["confusion"], float), genres, row["model"], title, shares=True) + "\n"
