"""The account of every input file: lines_in = good + quarantined + blank, with lines_in from an independent reader."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.errors import SourceError
from jobs.sources.contract import QUARANTINE_DAY_LINES, QUARANTINE_LIMIT, Parsed, Source
from jobs.sources.ingest.settle import COUNTS, Settled
from jobs.sources.listening import DELETE
from jobs.sources.reading.lines import cut_files, locate
from jobs.spark import run_parallel

KINDS = ("good", "quarantined", "blank")


def quarantine_rows(parsed: Parsed, source: Source) -> DataFrame:
    """Table `quarantine` (and `dt` where the format is dated): rejected input with its line numbers, bytes as base64."""
    rejected = locate(parsed.rejected)
    raw = F.base64(F.col("raw")).alias("raw")
    dated = [name for name in ("dt",) if name in rejected.columns]
    return rejected.select(F.lit(source.name).alias("source"), "file", "line", "rule", "reason", raw, *dated)


def account(source: Source, counted: Mapping[str, int], parsed: Parsed, once: DataFrame) -> list[dict[str, Any]]:
    """Rows of table `ingest_counts` of a snapshot: one per file of `counted` (file -> lines_in), computed at once.

    `once`: the accepted rows without repeats, each with the first `file` that has it; a repeat counts at the later file.
    Raises SourceError if a file's account does not balance, or if too much of the source was rejected.
    """
    counts = (partial(told_by_file, parsed), partial(_rows_of, parsed.rows), partial(_rows_of, once))
    told, accepted, distinct = run_parallel(once.sparkSession, *counts)
    tally = []
    for file, lines_in in counted.items():
        said = told.get(file, Told())
        found = {name: getattr(said, name) for name in KINDS} | {"duplicates": accepted.get(file, 0) - distinct.get(file, 0)}
        tally.append({"file": file, "lines_in": lines_in} | found)
    return _checked(source, tally, parsed, {})


def _rows_of(frame: DataFrame) -> dict[str, int]:
    """Number of rows by file."""
    return {row["file"]: row["count"] for row in frame.groupBy("file").count().collect()}


@dataclass(frozen=True)
class Told:
    """What the lines of a file say, each of which was parsed by its format."""

    good: int = 0
    quarantined: int = 0
    blank: int = 0
    continued: int = 0
    """Good lines that go on with the record of the line before."""
    wishes: int = 0
    """Good lines that are wishes to be forgotten, and no events."""


def told_by_file(parsed: Parsed) -> dict[str, Told]:
    """Per file that has lines in `parsed`, in one pass over them."""
    wish = F.col("event") == DELETE if parsed.deletions is not None else F.lit(False)
    wishes = F.sum(F.when(wish & (F.col("kind") == "good"), 1).otherwise(0)).alias("wishes")
    return {row["file"]: Told(*[row[part.name] for part in fields(Told)]) for row in parsed.account(wishes).collect()}


def account_events(
    source: Source,
    counted: Mapping[str, int],
    parsed: Parsed,
    told: Mapping[str, Told],
    quick: Mapping[str, int],
    settled: Settled,
    dates: Mapping[str, str] | None,
) -> list[dict[str, Any]]:
    """The same rows of a timed source. `quick`: input file -> good lines that never came to `parsed`.

    `dates`: file -> received date; None: rows tell their own, which a rejected line cannot, so that only the whole is judged.
    """
    events = settled.per_file()
    tally = []
    for file, lines_in in counted.items():
        said = told.get(file, Told())
        found: dict[str, Any] = {"file": file, "lines_in": lines_in} | {name: getattr(said, name) for name in KINDS}
        found |= dict.fromkeys(COUNTS, 0) | events.get(file, {})
        found["good"] += quick.get(file, 0)
        _require_every_row(source, found, said)
        tally.append({name: value for name, value in found.items() if name != "accepted"})
    return _checked(source, tally, parsed, dates or {})


def _require_every_row(source: Source, found: Mapping[str, int], said: Told) -> None:
    """Where a record is an event, every good one must have been settled, or be a wish to be forgotten."""
    records = found["good"] - said.continued
    if source.format in ("app_log", "table") and records != found["accepted"] + said.wishes:
        raise SourceError(
            f"Source {source.name}: {found['file']} has {records} good records, but {found['accepted']} events and {said.wishes} "
            "wishes to be forgotten came of them; run again, and report it if it stays so."
        )


def _checked(source: Source, tally: list[dict[str, Any]], parsed: Parsed, dates: Mapping[str, str]) -> list[dict[str, Any]]:
    """The rows as table `ingest_counts` has them, once they balance and few enough lines were rejected."""
    _check_balance(tally, source)
    _check_days(source, tally, parsed, dates)
    _check_share(tally, f"Source {source.name}", parsed)
    cut = cut_files(source, [row["file"] for row in tally])
    return [{"source": source.name, "late": 0, "over_limit": 0, **row, "truncated": row["file"] in cut} for row in tally]


def _check_balance(counts: list[dict[str, Any]], source: Source) -> None:
    for row in sorted(counts, key=lambda row: str(row["file"])):
        if row["lines_in"] != row["good"] + row["quarantined"] + row["blank"]:
            raise SourceError(
                f"Source {source.name}: {row['file']} has {row['lines_in']} lines but {row['good']} good, "
                f"{row['quarantined']} quarantined and {row['blank']} blank; it may have changed while it was read: "
                "run again."
            )


def _check_days(source: Source, counts: list[dict[str, Any]], parsed: Parsed, dates: Mapping[str, str]) -> None:
    """Judge each received date by itself, the worst one first."""
    by_day: dict[str, list[dict[str, Any]]] = {}
    for row in counts:
        if row["file"] in dates:
            by_day.setdefault(dates[row["file"]], []).append(row)
    for day, rows in sorted(by_day.items(), key=lambda item: (-_sum(item[1], "quarantined"), item[0])):
        if _sum(rows, "quarantined") >= QUARANTINE_DAY_LINES:
            _check_share(rows, f"Source {source.name}, received on {day}", parsed)


def _check_share(counts: list[dict[str, Any]], what: str, parsed: Parsed) -> None:
    """Raise SourceError where too much of these files was rejected, naming `what`, the worst file and the commonest reason."""
    bad, lines = _sum(counts, "quarantined"), _sum(counts, "lines_in") - _sum(counts, "blank")
    if bad > QUARANTINE_LIMIT * lines:
        worst = max(counts, key=lambda row: (row["quarantined"], str(row["file"])))
        raise SourceError(
            f"{what}: {bad} of {lines} lines break a rule, more than {QUARANTINE_LIMIT:.0%}; most of them "
            f"in {worst['file']}, most often: {_commonest(parsed, worst['file'])}. Mend or remove it, and run again."
        )


def _sum(counts: list[dict[str, Any]], name: str) -> int:
    return sum(row[name] for row in counts)


def _commonest(parsed: Parsed, file: str) -> str:
    """The reason for which most lines of a file were rejected."""
    mine = parsed.rejected.where(F.col("file") == file)
    reasons = mine.groupBy("reason").count().orderBy(F.desc("count"), "reason").first()
    return str(reasons["reason"]) if reasons else "no reason"
