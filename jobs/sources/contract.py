"""The contract of every source format: a location and options in; typed rows, rejected rows and counts per file out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.sources.options import Options
from jobs.sources.reading import raw_bytes

COUNT_TABLES = frozenset({"play_counts", "hidden_play_counts", "artist_play_counts"})
"""Tables of counts without times. Their sources state a date with `as_of`, and the rows are stored under that date."""


@dataclass(frozen=True)
class Source:
    """One `[[source]]` of the sources file, with its path expanded and made absolute."""

    name: str
    format: str
    path: str
    as_of: date | None = None
    namespace: str = ""
    """Prefix of user and track ids (`30music` -> `30music:123`); empty: ids stay as they are."""
    options: Mapping[str, Any] = field(default_factory=dict)
    truncated: str = "refuse"
    """Handling of truncated .gz files: `refuse` stops the night, `take` reads the lines before the truncation."""

    @property
    def prefix(self) -> str:
        """Prefix of its ids: the namespace and a colon, or nothing."""
        return f"{self.namespace}:" if self.namespace else ""

    def truncated_at_line(self, file: str) -> int | None:
        """Return the line at which a .gz is truncated, where truncated files are accepted; otherwise None."""
        return raw_bytes.truncated_at_line(file) if self.truncated == "take" else None


@dataclass(frozen=True)
class Parsed:
    """The parsed lines of some files as lazy frames. Every line is good, quarantined or blank.

    The other frames are derived from `lines`. Persist it first; then the input is read and parsed only once.
    """

    lines: DataFrame
    """One row per input line: `file`, `kind` (good, quarantined or blank), and what the frames below need.

    In formats whose records span several lines (CSV with quotes), a row stands for `n_lines` (long) of them."""
    rows: DataFrame
    """Columns of the lake table and `file`; for a dated format also `dt` (UTC date of receipt). Includes duplicates."""
    rejected: DataFrame
    """Columns `file`, `raw` (binary; null: a whole file), `line` (long; null: see `locate_lines`), `rule`, `reason`;
    for dated formats `dt`, null where neither the file nor the line has a date."""
    blank: DataFrame
    """Columns `file`, `blank` (long): number of empty lines, comments and headers per file."""
    deletions: DataFrame | None = None
    """Columns `user_hash`, `track_id`, `file`, `dt`: deletion requests. They are good lines, but not in `rows`."""
    extra_tables: Mapping[str, DataFrame] = field(default_factory=dict)
    """Rows of further lake tables from the same lines, by table name, with `file` (snapshots only).

    Lines are accounted for by the rows of the main table. Duplicates are dropped when the rows are written."""

    def count_kinds(self, *more: Column) -> DataFrame:
        """Count lines per file in one pass: `file`, `good`, `quarantined`, `blank` and `continued` (long).

        `continued` counts good lines that continue the record of the previous line. `more`: further aggregates of the
        lines. Empty files have no row.
        """
        n_lines = F.col("n_lines") if "n_lines" in self.lines.columns else F.lit(1)
        kinds = [
            F.sum(F.when(F.col("kind") == kind, n_lines).otherwise(0)).alias(kind)
            for kind in ("good", "quarantined", "blank")
        ]
        continued = F.sum(F.when(F.col("kind") == "good", n_lines - 1).otherwise(0)).alias("continued")
        return self.lines.groupBy("file").agg(*kinds, continued, *more)


class Format(Protocol):
    """A source format. Each module under `jobs/sources/formats/` defines one as `FORMAT`."""

    @property
    def table(self) -> str:
        """Name of the lake table of its rows."""

    @property
    def extra_tables(self) -> frozenset[str]:
        """Names of further lake tables from the same lines: the keys of `Parsed.extra_tables`. Snapshots only."""

    @property
    def dated(self) -> bool:
        """True: rows carry a date of receipt and are appended by it. False: a snapshot, read completely every night."""

    @property
    def options(self) -> type[Options]:
        """Model of the keys of a `[[source]]` that only this format has."""

    def newest_date(self, source: Source) -> date | None:
        """Return the newest UTC date in the data (dated formats), without Spark; for a snapshot its `as_of`."""

    def receipt_date(self, path: str) -> date | None:
        """Return the date of receipt in a file's folder or name; None: rows have their own dates, or none."""

    def files(self, source: Source) -> list[str]:
        """List the files to read, sorted. Raise SourceError with path and reason if none exist or one is unreadable."""

    def count(self, spark: SparkSession, source: Source, files: list[str]) -> dict[str, int]:
        """Count each file's lines (or table rows, or 1 for a whole file) from the raw bytes, independently of `parse`.

        Raises SourceError for a truncated file. Call it before the frames of `parse` are evaluated.
        """

    def parse(self, spark: SparkSession, source: Source, files: list[str]) -> Parsed:
        """Parse these files lazily. Bad content never raises; it is rejected."""
