"""Check that every line of every input file is accounted for: lines_in = good + quarantined + blank.

`lines_in` comes from an independent counter that shares no code with the reader.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import partial, reduce
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from jobs.errors import SourceError
from jobs.lake.quarantine import QUARANTINE_DAY_LINES, QUARANTINE_LIMIT
from jobs.sources.contract import Parsed, Source
from jobs.sources.event_format import DELETE
from jobs.sources.ingest.deduplicate import COUNTS, WrittenEvents
from jobs.sources.reading.lines import locate_lines, truncated_files

KINDS = ("good", "quarantined", "blank")
Counts = dict[str, Any]
"""One row of table `ingest_counts`: counters of a file by name."""


def quarantine_rows(parsed: Parsed, source: Source) -> DataFrame:
    """Return rows of table `quarantine` (and `dt` for dated formats), with line numbers and raw bytes in base64."""
    rejected = locate_lines(parsed.rejected)
    raw = F.base64(F.col("raw")).alias("raw")
    dated = [name for name in ("dt",) if name in rejected.columns]
    return rejected.select(F.lit(source.name).alias("source"), "file", "line", "rule", "reason", raw, *dated)


def account_snapshot(source: Source, counted: Mapping[str, int], parsed: Parsed, distinct: DataFrame) -> list[Counts]:
    """Return rows of table `ingest_counts` for a snapshot, one per file of `counted` (file -> lines_in).

    `distinct`: accepted rows without duplicates, each with the first `file` that has it. A duplicate counts for the
    later file. Raises SourceError if a file's counts do not add up, or if too many lines were rejected.
    """
    by_file, accepted, unique = _count_snapshot(parsed, distinct)
    rows = []
    for file, lines_in in counted.items():
        lines = by_file.get(file, FileCounts())
        duplicates = accepted.get(file, 0) - unique.get(file, 0)
        kinds = {name: getattr(lines, name) for name in KINDS}
        rows.append({"file": file, "lines_in": lines_in, **kinds, "duplicates": duplicates})
    return _checked_rows(source, rows, parsed, {})


def _count_snapshot(parsed: Parsed, distinct: DataFrame) -> tuple[dict[str, "FileCounts"], dict[str, int], dict[str, int]]:
    """Return (line counts, accepted rows, distinct rows) by file, from one Spark job."""
    queries = {
        "lines": _kinds_by_file(parsed),
        "accepted": parsed.rows.groupBy("file").agg(F.count("*").alias("n_rows")),
        "distinct": distinct.groupBy("file").agg(F.count("*").alias("n_rows")),
    }
    tagged = [frame.withColumn("query", F.lit(name)) for name, frame in queries.items()]
    rows = reduce(partial(DataFrame.unionByName, allowMissingColumns=True), tagged).collect()
    lines = {row["file"]: _file_counts(row) for row in rows if row["query"] == "lines"}
    accepted, unique = (
        {row["file"]: row["n_rows"] for row in rows if row["query"] == name} for name in ("accepted", "distinct")
    )
    return lines, accepted, unique


@dataclass(frozen=True)
class FileCounts:
    """Number of lines of a file by kind, as its format parsed them."""

    good: int = 0
    quarantined: int = 0
    blank: int = 0
    continued: int = 0
    """Good lines that continue the record of the previous line."""
    deletion_requests: int = 0
    """Good lines that are deletion requests, not events."""


def count_by_file(parsed: Parsed) -> dict[str, FileCounts]:
    """Count the lines of each file with lines in `parsed`, in one pass."""
    return {row["file"]: _file_counts(row) for row in _kinds_by_file(parsed).collect()}


def _kinds_by_file(parsed: Parsed) -> DataFrame:
    is_deletion = F.col("event") == DELETE if parsed.deletions is not None else F.lit(False)
    requests = F.sum(F.when(is_deletion & (F.col("kind") == "good"), 1).otherwise(0)).alias("deletion_requests")
    return parsed.count_kinds(requests)


def _file_counts(row: Row) -> FileCounts:
    return FileCounts(*[row[counter.name] for counter in fields(FileCounts)])


def account_events(
    source: Source,
    counted: Mapping[str, int],
    parsed: Parsed,
    by_file: Mapping[str, FileCounts],
    fast_path_lines: Mapping[str, int],
    written: WrittenEvents,
    dates: Mapping[str, str] | None,
) -> list[Counts]:
    """Return rows of table `ingest_counts` for a dated source, checked like those of a snapshot.

    `fast_path_lines`: file -> good lines that are not in `parsed`. `dates`: file -> received date; None if rows have
    their own dates. A rejected line then has no date, so only the total is checked.
    """
    events = written.per_file()
    rows = []
    for file, lines_in in counted.items():
        lines = by_file.get(file, FileCounts())
        counts: Counts = {"file": file, "lines_in": lines_in} | {name: getattr(lines, name) for name in KINDS}
        counts |= dict.fromkeys(COUNTS, 0) | events.get(file, {})
        counts["good"] += fast_path_lines.get(file, 0)
        _require_every_record(source, counts, lines)
        rows.append({name: value for name, value in counts.items() if name != "accepted"})
    return _checked_rows(source, rows, parsed, dates or {})


def _require_every_record(source: Source, counts: Counts, lines: FileCounts) -> None:
    """Raise SourceError unless every good record became an event or a deletion request.

    Only for formats with one event per record.
    """
    records = counts["good"] - lines.continued
    if source.format in ("app_log", "table") and records != counts["accepted"] + lines.deletion_requests:
        raise SourceError(
            f"Source {source.name}: {counts['file']} has {records} good records, but "
            f"{counts['accepted']} events and {lines.deletion_requests} deletion requests were written; "
            "run again, and report it if it happens again."
        )


def _checked_rows(source: Source, rows: list[Counts], parsed: Parsed, dates: Mapping[str, str]) -> list[Counts]:
    """Return the rows with all columns of `ingest_counts`, after all checks."""
    _check_balance(rows, source)
    _check_days(source, rows, parsed, dates)
    _check_fraction(rows, f"Source {source.name}", parsed)
    truncated = truncated_files(source, [row["file"] for row in rows])
    defaults = {"source": source.name, "late": 0, "over_limit": 0}
    return [{**defaults, **row, "truncated": row["file"] in truncated} for row in rows]


def _check_balance(rows: list[Counts], source: Source) -> None:
    for row in sorted(rows, key=lambda row: str(row["file"])):
        if row["lines_in"] != row["good"] + row["quarantined"] + row["blank"]:
            raise SourceError(
                f"Source {source.name}: {row['file']} has {row['lines_in']} lines but {row['good']} good, "
                f"{row['quarantined']} quarantined and {row['blank']} blank; it may have changed while it was read: "
                "run again."
            )


def _check_days(source: Source, rows: list[Counts], parsed: Parsed, dates: Mapping[str, str]) -> None:
    """Check each received date separately, the worst one first."""
    by_day: dict[str, list[Counts]] = {}
    for row in rows:
        if row["file"] in dates:
            by_day.setdefault(dates[row["file"]], []).append(row)
    for day, of_day in sorted(by_day.items(), key=lambda item: (-_sum(item[1], "quarantined"), item[0])):
        if _sum(of_day, "quarantined") >= QUARANTINE_DAY_LINES:
            _check_fraction(of_day, f"Source {source.name}, received on {day}", parsed)


def _check_fraction(rows: list[Counts], what: str, parsed: Parsed) -> None:
    """Raise SourceError if too many lines of these files were rejected.

    The message starts with `what` and names the worst file and the most common reason.
    """
    bad, lines = _sum(rows, "quarantined"), _sum(rows, "lines_in") - _sum(rows, "blank")
    if bad > QUARANTINE_LIMIT * lines:
        worst = max(rows, key=lambda row: (row["quarantined"], str(row["file"])))
        raise SourceError(
            f"{what}: {bad} of {lines} lines break a rule, more than {QUARANTINE_LIMIT:.0%}; most of them "
            f"in {worst['file']}, most often: "
            f"{_commonest_reason(parsed, worst['file'])}. Repair or remove it, and run again."
        )


def _sum(rows: list[Counts], name: str) -> int:
    return sum(row[name] for row in rows)


def _commonest_reason(parsed: Parsed, file: str) -> str:
    """Return the reason for which most lines of a file were rejected."""
    rejected = parsed.rejected.where(F.col("file") == file)
    reasons = rejected.groupBy("reason").count().orderBy(F.desc("count"), "reason").first()
    return str(reasons["reason"]) if reasons else "no reason"
