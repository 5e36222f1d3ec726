"""From lines to good rows, rejected ones and blanks: what a format says about its lines, and how that is carried out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.lake.schemas import table
from jobs.sources.base import Snapshot, TextFiles
from jobs.sources.contract import Parsed, Source
from jobs.sources.reading.lines import Cut, cut_files, is_blank, read_text

OLDEST = 120
"""Years."""
CSV_COLUMNS = 20_000
"""Columns of a CSV line up to which it is taken apart."""
TRACK_SHAPE = "^TR[A-Z0-9]{16}$"
"""An MSD track id."""


@dataclass(frozen=True)
class Fault:
    """A rule that a line can break. The first of a layout's faults that holds is the line's."""

    rule: str
    reason: str
    """The rule in words, for a person who looks into the quarantine."""
    holds: Column
    """True where the line breaks the rule; false or null: it does not."""


CUT_OFF = ("cut_off", "the file is cut short within this line")
"""Rule and reason that come first where lines have a `half`: half a line can look like a whole one, with a value nobody wrote."""


@dataclass(frozen=True)
class Layout:
    """How a format reads one line. All columns may use `text` and the `parts`."""

    parts: Mapping[str, Column]
    """Pieces of the line, computed once each; they may use `text`, `value`, `raw` and the file's dates."""
    faults: tuple[Fault, ...]
    columns: Mapping[str, Column]
    """Columns of the lake table (or what `expand` makes them from)."""
    pieces: Mapping[str, Column] = field(default_factory=dict)
    """Pieces of these parts, again computed once each: what rules and columns ask for more than once belongs here."""
    blank: Column = field(default_factory=lambda: F.lit(False))
    """True for comments and headers; empty lines are blank in any case."""
    expand: Callable[[DataFrame], DataFrame] = lambda rows: rows
    """Good lines to rows, where a line can hold several."""
    also: Mapping[str, Callable[[DataFrame], DataFrame]] = field(default_factory=dict)
    """Good lines to the rows of further tables, by table name."""


def sort_lines(lines: DataFrame, layout: Layout) -> DataFrame:
    """Every line once: `file`, `kind`, `rule`, `line`, `raw` (null where good), and the layout's columns (null where not).

    `lines` has `file`, `raw`, `text` and what the parts use; a column `line`, where there is one, is its number, and
    `span` the number of lines that the row stands for; `half`, where there is one, see CUT_OFF.
    """
    split = _with(_with(lines, layout.parts), layout.pieces)
    number = F.col("line") if "line" in lines.columns else F.lit(None).cast("long")
    blank = is_blank(F.col("text")) | F.coalesce(layout.blank, F.lit(False))
    cut_off = [Fault(*CUT_OFF, F.coalesce("half", F.lit(False)))] if "half" in lines.columns else []
    rule = F.coalesce(*[F.when(fault.holds, F.lit(fault.rule)) for fault in (*cut_off, *layout.faults)])
    kind = F.when(blank, "blank").when(rule.isNotNull(), "quarantined").otherwise("good")
    judged = split.withColumns({"kind": kind, "rule": F.when(~blank, rule)})
    good, bad = F.col("kind") == "good", F.col("kind") == "quarantined"
    kept = [F.when(good, column).alias(name) for name, column in layout.columns.items()]
    span = [name for name in ("span",) if name in lines.columns]
    return judged.select("file", "kind", "rule", number.alias("line"), F.when(bad, F.col("raw")).alias("raw"), *span, *kept)


def _with(lines: DataFrame, parts: Mapping[str, Column]) -> DataFrame:
    """`lines` with further columns, computed once each.

    inline(array(struct)) is the one element unchanged, and a wall to the optimiser: without it, a filter on the rule would
    be pushed below and parse the line a second time (seen in the plan of 4.3).
    """
    if not parts:
        return lines
    return lines.select("*", F.inline(F.array(F.struct(*[part.alias(name) for name, part in parts.items()]))))


def as_parsed(sorted_lines: DataFrame, layout: Layout) -> Parsed:
    """The frames of the contract, cut from what `sort_lines` gave; `dt` is carried where the layout has it."""
    good = sorted_lines.where("kind = 'good'").select("file", *layout.columns)
    known = [CUT_OFF, *[(fault.rule, fault.reason) for fault in layout.faults]]
    reasons = F.create_map(*[F.lit(text) for rule_and_reason in known for text in rule_and_reason])
    return Parsed(
        lines=sorted_lines,
        rows=layout.expand(good),
        rejected=rejected_lines(sorted_lines, reasons[F.col("rule")]),
        blank=blank_lines(sorted_lines),
        also={name: rows_of(good) for name, rows_of in layout.also.items()},
    )


def rejected_lines(sorted_lines: DataFrame, reason: Column) -> DataFrame:
    """The contract's `rejected`, with `reason` computed from each rejected line."""
    return sorted_lines.where("kind = 'quarantined'").select("file", "raw", "line", "rule", reason.alias("reason"))


def blank_lines(sorted_lines: DataFrame) -> DataFrame:
    """The contract's `blank`: number of blank lines per file."""
    span = F.col("span") if "span" in sorted_lines.columns else F.lit(1).cast("long")
    return sorted_lines.where("kind = 'blank'").groupBy("file").agg(F.sum(span).alias("blank"))


def missing(identifier: Column) -> Column:
    """True where an id is null, empty or only white space."""
    return identifier.isNull() | is_blank(identifier)


def named(source: Source, identifier: Column) -> Column:
    """The id behind the source's namespace, if it has one."""
    return F.concat(F.lit(source.prefix), identifier) if source.prefix else identifier


def or_null(text: Column) -> Column:
    """The text, or null where it is empty."""
    return F.when(~is_blank(text), text)


def id_of_names(*names: Column) -> Column:
    """An id for what has none in the source: `name-` and 32 hex digits of the SHA-256 of its names, joined by tabs.

    Equal names give equal ids in every file and night; another spelling is another id. Null where a name is null.
    """
    joined = F.concat(names[0], *[part for name in names[1:] for part in (F.lit("\t"), name)])
    return F.concat(F.lit("name-"), F.substring(F.sha2(joined, 256), 1, 32))


def filled(name: str, /, **known: Column) -> dict[str, Column]:
    """The columns of a lake table: those that a source tells, and null for the others; what is no column of it comes last."""
    columns = {column.name: F.lit(None).cast(column.dataType) for column in table(name).schema}
    return {**columns, **known}


def known_age(years: Column) -> Column:
    """An age (int); null outside 1 to 120: what people type beyond it (0, -1, 1051) is no age."""
    return F.when(years.between(1, OLDEST), years.cast("int"))


def fault_of_count(count: Column) -> Fault:
    """The rule on counts of plays."""
    return Fault("bad_count", "the count is not a positive whole number", ~F.coalesce(count > 0, F.lit(False)))


def rows_of_labels(lines: DataFrame) -> DataFrame:
    """Table `genre_labels` (and `file`) of tracks with an array `labels`: `place` says which was named first."""
    rows = lines.select("file", "track_id", F.posexplode("labels").alias("position", "label"))
    return rows.select("file", "track_id", "label", (F.col("position") + 1).alias("place"))


def csv_cells(mark: str, width: int) -> Column:
    """The fields of `text` as CSV of `width` columns, `"` quotes; none where it cannot be taken apart.

    Spark's CSV parser does not give up on a line of more than 20,480 columns but fails: such a line is not handed to it.
    """
    schema = ", ".join(f"f{n} string" for n in range(width))
    options = {"sep": mark, "quote": '"', "escape": '"', "columnNameOfCorruptRecord": "broken"}
    narrow = F.length("text") - F.length(F.replace("text", F.lit(mark), F.lit(""))) < CSV_COLUMNS * len(mark)
    row = F.from_csv(F.when(narrow, F.col("text")), f"{schema}, broken string", options)
    return F.when(narrow & row["broken"].isNull(), F.array(*[row[f"f{n}"] for n in range(width)])).otherwise(F.array())


def trimmed_fields() -> Column:
    """The fields of `text` by tab, spaces around them off."""
    # not F.trim itself: transform would hand its second parameter, the characters to trim, the field's number
    return F.transform(F.split("text", "\t", -1), lambda field: F.trim(field))  # noqa: PLW0108


@dataclass(frozen=True)
class TextSnapshot(TextFiles, Snapshot):
    """A format of text lines that is read whole each night: all that differs is how a line is read."""

    table: str
    layout: Callable[[Source], Layout]
    options: frozenset[str] = frozenset()
    also: frozenset[str] = frozenset()
    read: Callable[[SparkSession, Sequence[str], Cut], DataFrame] = read_text
    """Session, files, and those that are cut short; lines with `file`, `raw`, `text` and what the layout's parts use."""

    def parse(self, spark: SparkSession, source: Source, files: list[str]) -> Parsed:
        """Lines split as the layout says."""
        layout = self.layout(source)
        return as_parsed(sort_lines(self.read(spark, files, cut_files(source, files)), layout), layout)
