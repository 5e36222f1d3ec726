"""The common part of all evaluations: the report's head, its storage, and its output as JSON, Markdown or tables."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymongo import ReplaceOne
from rich.console import Console
from rich.table import Table

from jobs.code_version import code_version
from jobs.context import JobContext
from jobs.mongo.connection import connect
from jobs.settings import Settings

EvaluationReport = dict[str, Any]
"""An evaluation as JSON: facts about the data, and a row for each model under `results`."""
Row = dict[str, Any]


def report_head(ctx: JobContext, kind: str, protocol: str) -> EvaluationReport:
    """Return what every report begins with: the kind, the data, the protocol, and the code's version and time (UTC)."""
    sources = ctx.night.sources
    return {
        "kind": kind,
        "sources": sources.name,
        "synthetic": sources.synthetic,
        "date": ctx.night.date.isoformat(),
        "protocol": protocol,
        "code": code_version(),
        "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }


def evaluation_path(settings: Settings, report: EvaluationReport, name: str) -> Path:
    """Return VAR/evaluations/SOURCES/DATE-NAME.json."""
    return settings.var / "evaluations" / str(report["sources"]) / f"{report['date']}-{name}.json"


def store_documents(settings: Settings, report: EvaluationReport) -> None:
    """Write a document per row of the report to MongoDB's `quality`; each replaces that of the same kind, date and model."""
    head = {key: value for key, value in report.items() if key != "results"}
    rows = json.loads(json.dumps(report["results"]))
    documents = [{"_id": "|".join((report["kind"], report["date"], row["model"])), **head, **row} for row in rows]
    with connect(settings, report["sources"]) as store:
        store.quality.bulk_write([ReplaceOne({"_id": doc["_id"]}, doc, upsert=True) for doc in documents])


@dataclass(frozen=True)
class ReportTable:
    """A table of a report."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    n_text_columns: int = 1
    """The first columns are text; the others are numbers."""
    min_widths: dict[str, int] = field(default_factory=dict)
    """Terminal width [characters] below which a column is hidden; Markdown always has all columns."""

    def markdown(self) -> list[str]:
        """Return the lines of a Markdown table, with its title above."""
        n_numbers = len(self.columns) - self.n_text_columns
        lines = ["| " + " | ".join(row) + " |" for row in (self.columns, *self.rows)]
        title = [f"**{self.title}**", ""] if self.title else []
        return [*title, lines[0], "|" + "---|" * self.n_text_columns + "---:|" * n_numbers, *lines[1:]]

    def rich(self, width: int) -> Table:
        """Return the table for a terminal of `width` characters."""
        shown = [number for number, name in enumerate(self.columns) if width >= self.min_widths.get(name, 0)]
        table = Table(title=self.title or None)
        for number in shown:
            is_text = number < self.n_text_columns
            table.add_column(
                self.columns[number],
                justify="left" if is_text else "right",
                no_wrap=not is_text,
                min_width=18 if number == 0 and self.min_widths else None,
            )
        for row in self.rows:
            table.add_row(*[row[number] for number in shown])
        return table


@dataclass(frozen=True)
class ReportPage:
    """A report for people: sentences, tables, notes."""

    title: str
    facts: Sequence[str]
    tables: Sequence[ReportTable]
    notes: Sequence[str] = ()

    def markdown(self) -> str:
        """Return the page as Markdown."""
        lines = [f"{self.title}.", *self.facts, ""]
        for table in self.tables:
            lines += [*table.markdown(), ""]
        return "\n".join([*lines, *(f"- {note}" for note in self.notes)]).rstrip("\n") + "\n"

    def print(self, console: Console) -> None:
        """Print the page on a terminal."""
        console.print(self.title, style="bold")
        for fact in self.facts:
            console.print(fact)
        for table in self.tables:
            console.print(table.rich(console.width))
        for note in self.notes:
            console.print(note)


def page_title(report: EvaluationReport) -> str:
    """Return the data, date and protocol of a report; synthetic data is named as such."""
    warning = " (SYNTHETIC data: for tests of the software only, not evidence about music)" if report["synthetic"] else ""
    return f"{report['sources']}, {report['date']}{warning}: {report['protocol']}"


def format_interval(interval: Row, digits: int = 3) -> str:
    """Return `low-high`."""
    return f"{interval['low']:.{digits}f}-{interval['high']:.{digits}f}"


def format_difference(difference: Row | None, digits: int = 4, with_interval: bool = False) -> str:
    """Return a paired difference with its sign, `*` if it is significant; empty for None."""
    if not difference:
        return ""
    low, high = (f"{difference[end]:+.{digits}f}" for end in ("low", "high"))
    interval = f" ({low} to {high})" if with_interval else ""
    return f"{difference['mean']:+.{digits}f}{'*' if difference['significant'] else ''}{interval}"
