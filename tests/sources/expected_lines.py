"""Write small files line by line, with the expected result of each line."""

from collections.abc import Iterable, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from jobs.lake.schemas import table
from jobs.sources.contract import Parsed, Source
from jobs.sources.formats import FORMATS
from jobs.sources.ingest.accounts import quarantine_rows
from jobs.sources.options import validated

GOOD = ""
BLANK = "(blank)"


def parse(spark: SparkSession, kind: str, path: Path, **options: Any) -> tuple[Parsed, dict[str, Any]]:
    """Return a parsed file and its account."""
    namespace = options.pop("namespace", "")
    source = Source(kind, kind, str(path), namespace=namespace, options=options)
    validated(FORMATS[kind].options, source.options, source.name)
    files = FORMATS[kind].files(source)
    counted = FORMATS[kind].count(spark, source, files)
    parsed = FORMATS[kind].parse(spark, source, files)
    (row,) = by_file(parsed.count_kinds(), counted).values()
    assert row["lines_in"] == row["good"] + row["quarantined"] + row["blank"]
    return parsed, row


def by_file(account: DataFrame, counted: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Return the account of every counted file by its path; all zeros for a file without lines."""
    counts = {row["file"]: row.asDict() for row in account.collect()}
    assert set(counts) <= set(counted)
    nothing = dict.fromkeys(("good", "quarantined", "blank", "continued"), 0)
    return {file: nothing | counts.get(file, {}) | {"file": file, "lines_in": lines} for file, lines in counted.items()}


def accounts(spark: SparkSession, sources: Iterable[tuple[Source, list[str]]]) -> dict[str, dict[str, Any]]:
    """Return the accounts of several sources, in one Spark action: each action costs more than reading."""
    frames, counted = [], dict[str, int]()
    for source, files in sources:
        counted |= FORMATS[source.format].count(spark, source, files)
        frames.append(FORMATS[source.format].parse(spark, source, files).count_kinds())
    return by_file(reduce(DataFrame.unionByName, frames), counted)


def rows_of(
    spark: SparkSession, kind: str, path: Path, lines: list[tuple[str, str]], **options: Any
) -> list[dict[str, Any]]:
    """Return the rows of a file of `lines` (text, and GOOD, BLANK or the broken rule), in total order."""
    path.write_text("\n".join(text for text, _ in lines) + "\n")
    parsed, row = parse(spark, kind, path, **options)
    rejected = quarantine_rows(parsed, Source(kind, kind, str(path))).collect()
    starts, number = {}, 1
    for text, rule in lines:
        starts[number] = rule
        number += text.count("\n") + 1
    broken = {bad["line"]: bad["rule"] for bad in rejected}
    expected = {line: rule for line, rule in starts.items() if rule not in (GOOD, BLANK)}
    assert broken == expected, f"line and rule: {set(broken.items()) ^ set(expected.items())}"
    line_counts = [(rule, text.count("\n") + 1) for text, rule in lines]
    assert row["good"] == sum(n for rule, n in line_counts if rule == GOOD)
    assert row["blank"] == sum(n for rule, n in line_counts if rule == BLANK)
    return as_rows(parsed.rows, FORMATS[kind].table)


def as_rows(frame: Any, name: str) -> list[dict[str, Any]]:
    """Return rows with exactly the lake table's columns and types, sorted by its key."""
    schema = table(name).schema
    assert {f.name: f.dataType for f in frame.schema if f.name not in ("file", "dt")} == {
        f.name: f.dataType for f in schema
    }
    names = [f.name for f in frame.schema if f.name != "file"]
    return [row.asDict() for row in frame.select(*names).orderBy(*table(name).key).collect()]
