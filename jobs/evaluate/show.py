"""The table on the terminal, and as Markdown for docs/results.md."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from jobs.evaluate.result import JUDGED_BY
from jobs.evaluate.tables import headed, markdown_table

FIRST, OTHERS = JUDGED_BY, ("R_liang@20", "HR@10", "MRR@20", "MAP@20")
HEAD = ("model", FIRST, "95 %", *OTHERS, "coverage", "lift", "seconds", "from popularity")
"""And, where differences from another model are told too, a column for it."""
NEEDS = {"MAP@20": 140, "lift": 140, "seconds": 140, "R_liang@20": 110, "HR@10": 110, "MRR@20": 110}
"""Columns of characters that a terminal must have for one of the table; --markdown and --json have them always."""


def references(told: dict[str, Any]) -> dict[str, str]:
    """Titles, by name, of the models beside popularity from which differences are told."""
    titles = {r["model"]: r["title"] for r in told["results"]}
    names = sorted({name for r in told["results"] for name in r["against"]} - {"popularity"})
    return {name: titles.get(name, name) for name in names}


def head_of(told: dict[str, Any]) -> tuple[str, ...]:
    """Of the columns of `rows_of`."""
    return (*HEAD, *(f"from {title}" for title in references(told).values()))


def rows_of(told: dict[str, Any], task: str) -> Iterator[tuple[str, ...]]:
    """A row of cells for each model, best NDCG@20 first; `*`: the difference is significant."""
    found = [r for r in told["results"] if r["task"] == task]
    for one in sorted(found, key=lambda r: (-r["metrics"][FIRST]["mean"], r["model"])):
        best, lift, gap = one["metrics"][FIRST], one["beyond"].get("popularity_lift"), one["against"].get("popularity")
        yield (
            one["title"] + (f", {len(one['seeds'])} seeds" if one["seeds"] else ""),
            f"{best['mean']:.4f}",
            f"{best['low']:.3f}-{best['high']:.3f}",
            *[f"{one['metrics'][m]['mean']:.4f}" for m in OTHERS],
            f"{one['beyond']['coverage']:.1%}",
            f"{lift:+.2f}" if lift is not None else "",
            f"{one['fit_seconds'] + one['list_seconds']:.1f}",
            _gap(gap),
            *[_gap(one["against"].get(name), with_interval=True) for name in references(told)],
        )


def _gap(gap: dict[str, Any] | None, with_interval: bool = False) -> str:
    if not gap:
        return ""
    interval = f" ({gap['low']:+.4f} to {gap['high']:+.4f})" if with_interval else ""
    return f"{gap['mean']:+.4f}{'*' if gap['significant'] else ''}{interval}"


def every_metric(told: dict[str, Any], task: str) -> tuple[list[str], list[tuple[str, ...]]]:
    """Names of the models, best NDCG@20 first, and a row of cells for each metric: its mean and its 95 % interval by model."""
    found = sorted((r for r in told["results"] if r["task"] == task), key=lambda r: (-r["metrics"][FIRST]["mean"], r["model"]))
    rows = []
    for metric in found[0]["metrics"] if found else ():
        each = [r["metrics"][metric] for r in found]
        rows.append((metric, *(f"{m['mean']:.4f} ({m['low']:.4f}-{m['high']:.4f})" for m in each)))
    return [r["model"] for r in found], rows


def print_table(told: dict[str, Any], console: Console, full: bool = False) -> None:
    """One table for each task, with what it asks, then the papers' claims. `full`: and one of every metric with its interval."""
    console.print(f"{headed(told)}: {told['protocol']}", style="bold")
    train = told["train"]
    learned = f"Learned from {train['ratings']:,} ratings of {train['users']:,} users"
    console.print(
        f"{learned}. All {train['tracks']:,} tracks in them are ranked, of {told['catalogue']:,} in the catalogue."
    )
    for name, reason in told["left_out"].items():
        console.print(f"Left out: {name}: {reason}.")
    for task, protocol in told["tasks"].items():
        rows = list(rows_of(told, task))
        if not rows:
            continue
        asked = next(r for r in told["results"] if r["task"] == task)
        table = Table(title=f"{task}: {protocol} ({asked['queries']:,} queries of {asked['users']:,} users)")
        head = head_of(told)
        shown = [name for name in head if console.width >= NEEDS.get(name, 0)]
        for name in shown:
            is_name = name == head[0]
            table.add_column(
                name, justify="left" if is_name else "right", no_wrap=not is_name, min_width=18 if is_name else None
            )
        for row in rows:
            table.add_row(*[cell for name, cell in zip(head, row, strict=True) if name in shown])
        console.print(table)
        if full:
            names, figures = every_metric(told, task)
            whole = Table("metric", *names, title=f"{task}: every metric, with its 95 % interval")
            for figure in figures:
                whole.add_row(*figure)
            console.print(whole)
    for line in claims_of(told):
        console.print(line)


def _full(told: dict[str, Any], task: str) -> list[str]:
    names, rows = every_metric(told, task)
    return [*markdown_table(("metric", *names), rows), ""]


def claims_of(told: dict[str, Any]) -> list[str]:
    """One line for each method of the table of which papers give figures."""
    by_model: dict[str, dict[tuple[str, ...], None]] = {}
    for result in told["results"]:
        for c in result["claims"]:
            figure = f"{c['metric']} {c['value']} ({c['source']})"
            by_model.setdefault(result["title"], {})[figure, c["comparable"]] = None
    lines = []
    for title, figures in by_model.items():
        reasons = dict.fromkeys(reason for _, reason in figures)
        lines.append(f"Papers on {title}: {'; '.join(f for f, _ in figures)}. Comparable: {'; '.join(reasons)}.")
    return lines


def markdown(told: dict[str, Any], full: bool = False) -> str:
    """The same for docs/results.md."""
    lines, head = [], head_of(told)
    for task, protocol in told["tasks"].items():
        rows = list(rows_of(told, task))
        if rows:
            lines += [f"**{task}**: {protocol}.", "", *markdown_table(head, rows), ""]
            lines += _full(told, task) if full else []
    return "\n".join(lines + [f"- {line}" for line in claims_of(told)]) + "\n"


def print_pairs(told: dict[str, Any], console: Console) -> None:
    """The table of `pmrs evaluate-pairs`, best AUC first."""
    first = told["results"][0]
    console.print(f"{told['sources']}, {told['date']}: {told['protocol']}", style="bold")
    console.print(f"{first['pairs']:,} pairs of {first['users']:,} users are asked, {first['share_true']:.1%} of them came true.")
    table = Table("model", "AUC", "95 %", "AP", "95 % of AP", "RMSE", "MAE")
    for row in sorted(told["results"], key=lambda r: -r["AUC"]["mean"]):
        cells = [cell for m in ("AUC", "AP") for cell in (f"{row[m]['mean']:.4f}", f"{row[m]['low']:.3f}-{row[m]['high']:.3f}")]
        off = row.get("errors")
        table.add_row(row["title"], *cells, *((f"{off['rmse']:.4f}", f"{off['mae']:.4f}") if off else ("", "")))
    console.print(table)
    for name, reason in told["left_out"].items():
        console.print(f"Left out: {name}: {reason}.")
