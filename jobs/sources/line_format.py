"""Describe how a format reads one text line, and classify lines as good, quarantined or blank."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.lake.schemas import table
from jobs.sources.base import SnapshotFormat, TextFileFormat
from jobs.sources.contract import Parsed, Source
from jobs.sources.options import Options
from jobs.sources.reading.lines import TruncatedFiles, is_blank, read_text, truncated_files

MAX_AGE_YEARS = 120
MAX_CSV_COLUMNS = 20_000
"""Lines with more columns are not handed to Spark's CSV parser, which fails above 20,480."""
TRACK_ID_PATTERN = "^TR[A-Z0-9]{16}$"
"""Pattern of an MSD track id."""


@dataclass(frozen=True)
class Rule:
    """A validation rule for one line. A line is quarantined under the first rule that it breaks."""

    code: str
    """Stored in column `rule` of table `quarantine`."""
    reason: str
    """Explanation for a person who reads the quarantine."""
    is_broken: Column
    """True where the line breaks the rule; false or null where it does not."""


TRUNCATED_LINE = ("cut_off", "the file is truncated within this line")
"""Code and reason of the rule that is checked first: a truncated line can look complete and hold a wrong value."""


@dataclass(frozen=True)
class LineFormat:
    """How a format reads one line. Every column may use `text` and the columns of `parsed` and `derived`."""

    parsed: Mapping[str, Column]
    """Columns parsed from the line, evaluated once each. They may use `text`, `value`, `raw` and the file's dates."""
    rules: tuple[Rule, ...]
    columns: Mapping[str, Column]
    """Columns of the lake table, or the input of `explode`."""
    derived: Mapping[str, Column] = field(default_factory=dict)
    """Columns derived from `parsed`, evaluated once each: whatever rules and columns use more than once."""
    is_blank: Column = field(default_factory=lambda: F.lit(False))
    """True for comments and headers. Empty lines are always blank."""
    explode: Callable[[DataFrame], DataFrame] = lambda rows: rows
    """Turns good lines into rows, for formats in which one line holds several rows."""
    extra_tables: Mapping[str, Callable[[DataFrame], DataFrame]] = field(default_factory=dict)
    """By table name: a function from good lines to the rows of a further table."""


def classify_lines(lines: DataFrame, line_format: LineFormat) -> DataFrame:
    """Classify every line and evaluate the format's columns for the good ones.

    `lines` has `file`, `raw`, `text` and what `line_format.parsed` uses. Optional columns: `line` (the line's number),
    `n_lines` (number of lines that the row stands for) and `is_truncated` (see TRUNCATED_LINE).

    Returns one row per input row: `file`, `kind` (good, quarantined or blank), `rule`, `line`, `raw` (null for good
    lines), `n_lines` where given, and the format's columns (null for other lines).
    """
    evaluated = _with_computed(_with_computed(lines, line_format.parsed), line_format.derived)
    number = F.col("line") if "line" in lines.columns else F.lit(None).cast("long")
    blank = is_blank(F.col("text")) | F.coalesce(line_format.is_blank, F.lit(False))
    truncated = (
        [Rule(*TRUNCATED_LINE, F.coalesce("is_truncated", F.lit(False)))] if "is_truncated" in lines.columns else []
    )
    broken = F.coalesce(*[F.when(rule.is_broken, F.lit(rule.code)) for rule in (*truncated, *line_format.rules)])
    kind = F.when(blank, "blank").when(broken.isNotNull(), "quarantined").otherwise("good")
    classified = evaluated.withColumns({"kind": kind, "rule": F.when(~blank, broken)})
    is_good, is_bad = F.col("kind") == "good", F.col("kind") == "quarantined"
    columns = [F.when(is_good, column).alias(name) for name, column in line_format.columns.items()]
    n_lines = [name for name in ("n_lines",) if name in lines.columns]
    raw = F.when(is_bad, F.col("raw")).alias("raw")
    return classified.select("file", "kind", "rule", number.alias("line"), raw, *n_lines, *columns)


def _with_computed(lines: DataFrame, columns: Mapping[str, Column]) -> DataFrame:
    """Add columns so that Spark evaluates each of them only once.

    inline(array(struct)) returns its only element unchanged and blocks the optimizer. Without it, Spark 4.0 pushes the
    filter on the rule down and parses every line a second time.
    """
    if not columns:
        return lines
    return lines.select("*", F.inline(F.array(F.struct(*[column.alias(name) for name, column in columns.items()]))))


def to_parsed(classified: DataFrame, line_format: LineFormat) -> Parsed:
    """Return the frames of the format contract from the output of `classify_lines`."""
    good = classified.where("kind = 'good'").select("file", *line_format.columns)
    reason_by_code = [TRUNCATED_LINE, *[(rule.code, rule.reason) for rule in line_format.rules]]
    reasons = F.create_map(*[F.lit(text) for pair in reason_by_code for text in pair])
    return Parsed(
        lines=classified,
        rows=line_format.explode(good),
        rejected=rejected_lines(classified, reasons[F.col("rule")]),
        blank=blank_lines(classified),
        extra_tables={name: to_rows(good) for name, to_rows in line_format.extra_tables.items()},
    )


def rejected_lines(classified: DataFrame, reason: Column) -> DataFrame:
    """Return the contract's frame `rejected`. `reason` is evaluated for each rejected line."""
    return classified.where("kind = 'quarantined'").select("file", "raw", "line", "rule", reason.alias("reason"))


def blank_lines(classified: DataFrame) -> DataFrame:
    """Return the contract's frame `blank`: the number of blank lines per file."""
    n_lines = F.col("n_lines") if "n_lines" in classified.columns else F.lit(1).cast("long")
    return classified.where("kind = 'blank'").groupBy("file").agg(F.sum(n_lines).alias("blank"))


def is_missing(identifier: Column) -> Column:
    """Return true where an id is null, empty or only white space."""
    return identifier.isNull() | is_blank(identifier)


def with_namespace(source: Source, identifier: Column) -> Column:
    """Prefix the id with the source's namespace, if the source has one."""
    return F.concat(F.lit(source.prefix), identifier) if source.prefix else identifier


def empty_to_null(text: Column) -> Column:
    """Return the text, or null where it is blank."""
    return F.when(~is_blank(text), text)


def id_from_names(*names: Column) -> Column:
    """Derive an id from names, for tracks and artists without an id of their own.

    The id is `name-` and the first 32 hexadecimal digits of the SHA-256 of the names, joined by tabs. Equal names give
    equal ids in every file and night. Null where a name is null.
    """
    joined = F.concat(names[0], *[part for name in names[1:] for part in (F.lit("\t"), name)])
    return F.concat(F.lit("name-"), F.substring(F.sha2(joined, 256), 1, 32))


def table_columns(name: str, /, **columns: Column) -> dict[str, Column]:
    """Return all columns of a lake table: the given ones, and null for the others.

    Given columns that the table does not have come last.
    """
    nulls = {column.name: F.lit(None).cast(column.dataType) for column in table(name).schema}
    return {**nulls, **columns}


def plausible_age(years: Column) -> Column:
    """Return the age as an int; null outside 1 to 120 (profiles hold values such as 0, -1 and 1051)."""
    return F.when(years.between(1, MAX_AGE_YEARS), years.cast("int"))


def positive_count_rule(count: Column) -> Rule:
    """Return the rule that a play count must be positive."""
    return Rule("bad_count", "the count is not a positive whole number", ~F.coalesce(count > 0, F.lit(False)))


def explode_labels(lines: DataFrame) -> DataFrame:
    """Return rows of table `genre_labels` (and `file`) from tracks with an array `labels`.

    Column `label_rank` numbers the labels of a track from 1, in the order of the array.
    """
    rows = lines.select("file", "track_id", F.posexplode("labels").alias("position", "label"))
    return rows.select("file", "track_id", "label", (F.col("position") + 1).alias("label_rank"))


def csv_cells(separator: str, width: int) -> Column:
    """Split `text` into `width` CSV fields with `"` as the quote; an empty array where that fails."""
    schema = ", ".join(f"f{n} string" for n in range(width))
    options = {"sep": separator, "quote": '"', "escape": '"', "columnNameOfCorruptRecord": "broken"}
    n_separators = F.length("text") - F.length(F.replace("text", F.lit(separator), F.lit("")))
    narrow = n_separators < MAX_CSV_COLUMNS * len(separator)
    row = F.from_csv(F.when(narrow, F.col("text")), f"{schema}, broken string", options)
    fields = F.array(*[row[f"f{n}"] for n in range(width)])
    return F.when(narrow & row["broken"].isNull(), fields).otherwise(F.array())


def tab_fields() -> Column:
    """Split `text` by tabs and strip spaces around the fields."""
    # not F.trim itself: transform would pass the field's index as the second parameter, the characters to trim
    return F.transform(F.split("text", "\t", -1), lambda field: F.trim(field))  # noqa: PLW0108


@dataclass(frozen=True)
class TextSnapshotFormat(TextFileFormat, SnapshotFormat):
    """A snapshot format of text lines. Instances differ only in their line format."""

    table: str
    line_format: Callable[[Source], LineFormat]
    options: type[Options] = Options
    extra_tables: frozenset[str] = frozenset()
    read: Callable[[SparkSession, Sequence[str], TruncatedFiles], DataFrame] = read_text
    """Takes the session, the files and the truncated ones. Returns lines with `file`, `raw`, `text` and what
    `line_format.parsed` uses."""

    def parse(self, spark: SparkSession, source: Source, files: list[str]) -> Parsed:
        """Read and classify the lines of these files."""
        line_format = self.line_format(source)
        lines = self.read(spark, files, truncated_files(source, files))
        return to_parsed(classify_lines(lines, line_format), line_format)
