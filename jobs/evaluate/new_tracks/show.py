"""The table of `pmrs evaluate-new-tracks`, on the terminal and as Markdown."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from jobs.evaluate.new_tracks.command import METRICS, RIVALS
from jobs.evaluate.tables import headed, markdown_table

HEAD = ("way", *(name for metric in METRICS for name in (metric, "95 %")), *(f"{METRICS[1]} from {rival}" for rival in RIVALS))


def about(told: dict[str, Any]) -> list[str]:
    """What the figures are of."""
    return [
        f"{headed(told)}: {told['protocol']}.",
        f"New tracks: {told['new_tracks']:,}, others: {told['other_tracks']:,}.",
        f"Listeners who are asked: {told['users']:,}, with {told['likes']:,} likes of new tracks.",
    ]


def rows_of(told: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """A row of cells for each way, in the order in which they were asked; `*`: the difference is significant."""
    for row in told["results"]:
        figures = [
            cell for metric in METRICS
            for cell in (f"{row[metric]['mean']:.4f}", f"{row[metric]['low']:.3f}-{row[metric]['high']:.3f}")
        ]  # fmt: skip
        gaps = [row["against"].get(rival) for rival in RIVALS]
        yield (row["title"], *figures, *(f"{gap['mean']:+.4f}{'*' if gap['significant'] else ''}" if gap else "" for gap in gaps))


def print_new_tracks(told: dict[str, Any], console: Console) -> None:
    """The table for a terminal."""
    for line in about(told):
        console.print(line)
    table = Table(HEAD[0])
    for name in HEAD[1:]:
        table.add_column(name, justify="right")
    for row in rows_of(told):
        table.add_row(*row)
    console.print(table)


def markdown(told: dict[str, Any]) -> str:
    """The same for docs/results.md."""
    return "\n".join([*about(told), "", *markdown_table(HEAD, rows_of(told))]) + "\n"
