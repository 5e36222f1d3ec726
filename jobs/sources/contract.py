"""What every format promises: location and options in; typed rows, rejected rows and counts per file out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.sources.reading import raw

QUARANTINE_LIMIT = 0.05
"""Share of lines (or files) that may be quarantined before the night stops: 5 %. It holds for all that an ingest
reads of a source, and for each received date by itself, or a wholly bad day would hide in a long first load."""
QUARANTINE_DAY_LINES = 20
"""Lines that must be bad before a single received date can stop a night: one bad line among three is no bad day."""
COUNT_TABLES = frozenset({"play_counts", "hidden_play_counts", "artist_play_counts"})
"""Counts without times: their sources say by `as_of` of which date they are, and they are stored under that date."""


@dataclass(frozen=True)
class Source:
    """One `[[source]]` of the sources file, its path expanded and made absolute."""

    name: str
    format: str
    path: str
    as_of: date | None = None
    namespace: str = ""
    """Prefix put before user and track ids (`30music` -> `30music:123`); empty: ids as they are."""
    options: Mapping[str, Any] = field(default_factory=dict)
    truncated: str = "refuse"
    """What is done with a .gz that is cut short: `refuse` stops the night; `take` takes the lines before the cut."""

    @property
    def prefix(self) -> str:
        """What stands before its ids: the namespace and a colon, or nothing."""
        return f"{self.namespace}:" if self.namespace else ""

    def cut_line(self, file: str) -> int | None:
        """The line within which a .gz is cut short that is taken nevertheless; looked for only where that is wished."""
        return raw.cut_line(file) if self.truncated == "take" else None


@dataclass(frozen=True)
class Parsed:
    """What a format made of some files. All are lazy and agree: every line is good, quarantined or blank.

    The other frames are cut from `lines`: persist it first, and the input is read and parsed only once.
    """

    lines: DataFrame
    """One row per input line: `file`, `kind` (good, quarantined or blank), and what the frames below need.

    Where a record may run over several lines (CSV with quotes), a row stands for `span` (long) of them.
    """
    rows: DataFrame
    """Columns of the lake table, plus `file`; for a dated format also `dt` (UTC date of receipt). Duplicates still in."""
    rejected: DataFrame
    """Columns `file`, `raw` (binary; null: a whole file), `line` (long; null: see `locate`), `rule`, `reason`; dated formats:
    `dt`, null where neither the file nor the line tells it."""
    blank: DataFrame
    """Columns `file`, `blank` (long): empty lines, comments and headers per file."""
    deletions: DataFrame | None = None
    """Columns `user_hash`, `track_id`, `file`, `dt`: wishes to be forgotten met among the rows; good lines, yet not in `rows`."""
    also: Mapping[str, DataFrame] = field(default_factory=dict)
    """Rows of further lake tables that the same lines give, by table name: its columns, plus `file` (snapshots only). The lines
    are accounted for by the main table's rows; repeats are dropped when they are written."""

    def account(self, *more: Column) -> DataFrame:
        """`file`, `good`, `quarantined`, `blank` (long): lines per file, in one pass over `lines`; empty files have no row.

        `continued`: those of the good ones that go on with the record of the line before. `more`: further sums over the lines.
        """
        span = F.col("span") if "span" in self.lines.columns else F.lit(1)
        kinds = [
            F.sum(F.when(F.col("kind") == kind, span).otherwise(0)).alias(kind) for kind in ("good", "quarantined", "blank")
        ]
        continued = F.sum(F.when(F.col("kind") == "good", span - 1).otherwise(0)).alias("continued")
        return self.lines.groupBy("file").agg(*kinds, continued, *more)


class Format(Protocol):
    """One module per format under `jobs/sources/formats/` holds one of these, as `FORMAT`."""

    @property
    def table(self) -> str:
        """Name of the lake table that its rows belong to."""

    @property
    def also(self) -> frozenset[str]:
        """Names of further lake tables that the same lines give: the keys of `Parsed.also`. Snapshots only."""

    @property
    def dated(self) -> bool:
        """True: rows carry the date of receipt and are appended by it; False: a snapshot, read whole each night."""

    @property
    def options(self) -> frozenset[str]:
        """Keys of a `[[source]]` that only this format knows."""

    def check(self, source: Source) -> None:
        """Judge the options, before any file is read. Raises SourceError saying which is wrong and what it may be."""

    def newest(self, source: Source) -> date | None:
        """Newest UTC date in the data (dated formats), found without Spark; a snapshot's `as_of`."""

    def received(self, path: str) -> date | None:
        """The date of receipt of everything in a file, told by its folder or name; None: rows tell their own, or none."""

    def files(self, source: Source) -> list[str]:
        """The files to read, sorted. Raises SourceError naming path and reason where there are none or one is unreadable."""

    def count(self, spark: SparkSession, source: Source, files: list[str]) -> dict[str, int]:
        """By file, what its account must add up to, counted from the raw bytes: lines, table rows, or 1 for a whole file.

        A truncated file is a SourceError that names it, so call it before `parse` is used.
        """

    def parse(self, spark: SparkSession, source: Source, files: list[str]) -> Parsed:
        """Rows and rejects of these files; lazy, and never raises for bad content."""
