"""What makes a listening event acceptable, whatever format it came in: one set of rules for app logs and tables."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.errors import SourceError
from jobs.sources.base import Events, TextFiles
from jobs.sources.contract import Parsed, Source
from jobs.sources.layout import Fault, Layout, as_parsed, missing, named, or_null, sort_lines
from jobs.sources.reading.lines import cut_files, read_text

ACTIONS = ("play", "skip", "like", "unlike", "rate", "block")
DELETE = "delete"
LATE_DAYS = 3
"""An event received more days than this after it happened is kept, but no night uses it."""
ID_CHARACTERS = 1_000
"""The longest id that is taken for one: ids become keys of joins, documents and shuffles. The field's have up to 40."""
CLOCK_MINUTES = 10
"""How far a listener's clock may run ahead of ours."""
NUMBER = r"^[+-]?[0-9]{1,18}([.][0-9]{1,18})?([eE][+-]?[0-9]{1,2})?$"
LAST_SECOND = 253_402_300_799
"""9999-12-31T23:59:59Z, the last time that Spark and Parquet agree on."""


def _nothing(kind: str) -> Callable[[], Column]:
    return lambda: F.lit(None).cast(kind)


@dataclass(frozen=True)
class Told:
    """What a line says, as text (null: says nothing); times as timestamps, null where they cannot be read."""

    user: Column
    track: Column
    event: Column
    played: Column
    rating: Column = field(default_factory=_nothing("string"))
    ms_played: Column = field(default_factory=_nothing("string"))
    session: Column = field(default_factory=_nothing("string"))
    received_text: Column = field(default_factory=_nothing("string"))
    received: Column = field(default_factory=_nothing("timestamp"))
    file_date: Column = field(default_factory=_nothing("date"))
    """Date of receipt that the file's folder or name tells; null: neither does."""

    def pieces(self) -> dict[str, Column]:
        """What is told, and what it says as numbers, each under a name of its own, to be computed once."""
        numbers = {"stars": number(self.rating), "heard_ms": _milliseconds(self.ms_played)}
        return numbers | {f"told_{part.name}": getattr(self, part.name) for part in fields(self)}

    @classmethod
    def named(cls) -> "Told":
        """What is told, by those names."""
        return cls(*[F.col(f"told_{part.name}") for part in fields(cls)])


def instant(text: Column) -> Column:
    """Timestamp of ISO text such as 2026-11-01T10:00:00Z; UTC where it names no zone; null where it is anything else.

    The shape is asked for first: a bare cast would take "10:00" for that time of *today*.
    """
    shape = text.rlike(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}")
    # the cast knows 10:00 and 10:00:00Z, but not 10:00Z
    with_seconds = F.regexp_replace(text, "^(.{16})(Z|[+-])", "$1:00$2")
    found = F.when(shape, F.coalesce(text.try_cast("timestamp"), with_seconds.try_cast("timestamp")))
    # the last hours of 9999 in a zone west of here are the year 10000, which neither Python nor Parquet's readers know
    return F.when(found <= F.timestamp_seconds(F.lit(LAST_SECOND)), found)


def instant_of_number(text: Column, per_second: int) -> Column:
    """Timestamp of a number of seconds (`per_second` = 1) or milliseconds (1000) since 1970; null where it is none."""
    return instant_of_seconds(number(text) / F.lit(per_second))


def instant_of_seconds(seconds: Column) -> Column:
    """Timestamp of seconds since 1970; null beyond what Spark and Parquet can hold."""
    return F.when(F.abs(seconds) <= LAST_SECOND, F.timestamp_seconds(seconds))


def number(text: Column) -> Column:
    """Text as a double; null where it is no plain decimal number (a bare cast would take "5f" and "NaN" too)."""
    return F.when(text.rlike(NUMBER), text.try_cast("double"))


def require_utc(spark: SparkSession) -> None:
    """Raise SourceError unless the session's time zone is UTC: times without a zone and dates depend on it."""
    zone = spark.conf.get("spark.sql.session.timeZone")
    if zone not in ("UTC", "Etc/UTC", "Z"):
        raise SourceError(f"Spark's session time zone is {zone}; set spark.sql.session.timeZone to UTC (spark_conf/).")


def event_faults(told: Told) -> tuple[Fault, ...]:
    """The rules in the order in which they are tried; `told` by the names of its pieces.

    A wish to be forgotten needs only a user and a date of receipt: it is not refused for a bad time.
    """
    wish = F.coalesce(told.event == DELETE, F.lit(False))
    unreadable = told.played.isNull() | (told.received_text.isNotNull() & told.received.isNull())
    undated = F.coalesce(told.file_date, told.received, told.played).isNull()
    ahead = F.timestamp_add("MINUTE", F.lit(-CLOCK_MINUTES), told.played) > receipt(told)
    unrated = ~F.coalesce(F.col("stars").between(1, 5), F.lit(False))
    unheard = told.ms_played.isNotNull() & F.col("heard_ms").isNull()
    return (
        Fault("missing_user", "user_id is missing or empty", missing(told.user)),
        Fault("unknown_event", f"event is none of {', '.join((*ACTIONS, DELETE))}", _unknown(told)),
        # A wish for one track whose id was garbled must not become the wish for all of them, which has none.
        Fault("missing_track", "track_id is missing or empty", missing(told.track) & ~(wish & told.track.isNull())),
        Fault("long_id", f"an id is longer than {ID_CHARACTERS} characters", _too_long(told.user, told.track, told.session)),
        Fault("bad_time", "a time is missing or not an ISO date and time", F.when(wish, undated).otherwise(unreadable)),
        Fault("before_2000", "it happened before the year 2000", ~wish & (told.played < F.lit("2000-01-01").cast("timestamp"))),
        Fault("after_receipt", f"it happened more than {CLOCK_MINUTES} minutes after it was received", ~wish & ahead),
        Fault("bad_rating", "event is rate, but rating is not 1 to 5", (told.event == "rate") & unrated),
        Fault("bad_ms_played", "ms_played is negative or not a number", ~wish & unheard),
    )


def receipt(told: Told) -> Column:
    """The latest moment at which the event can have come in: as the line says, and not after the end of the file's day."""
    return F.least(told.received, F.date_add(told.file_date, 1).cast("timestamp"))


def event_layout(source: Source, told: Told, layout: Layout) -> Layout:
    """`layout` (parts, and the faults of its own that come first) with the rules and columns of events."""
    pieces, told = told.pieces(), Told.named()
    dt = F.coalesce(told.file_date, told.received.cast("date"), told.played.cast("date"))
    columns = {
        "user_id": named(source, told.user),
        "track_id": named(source, or_null(told.track)),
        "event": told.event,
        "rating": F.when(told.event == "rate", F.col("stars")),
        "ms_played": F.col("heard_ms"),
        "played_at": told.played,
        "session_id": or_null(told.session),
        "within_late_window": F.date_diff(dt, told.played.cast("date")) <= LATE_DAYS,
        "dt": dt,
    }
    return replace(layout, pieces=pieces, faults=(*layout.faults, *event_faults(told)), columns=columns)


def parse_events(lines: DataFrame, layout: Layout) -> Parsed:
    """Rows and rejects as every format gives them, with `dt`; wishes to be forgotten apart, the user as SHA-256."""
    judged = sort_lines(lines, layout)
    whole = as_parsed(judged, layout)
    wish = F.col("event") == DELETE
    hashed = F.sha2("user_id", 256).alias("user_hash")
    return replace(
        whole,
        rows=whole.rows.where(~wish),
        rejected=whole.rejected.withColumn("dt", F.lit(None).cast("date")),
        deletions=whole.rows.where(wish).select("file", "dt", hashed, "track_id"),
    )


@dataclass(frozen=True)
class TextEvents(TextFiles, Events):
    """A format of text lines that tell their own times: all that differs is how a line is read."""

    layout: Callable[[Source], Layout]
    last_day: Callable[[Source, str], date | None]
    """Newest UTC date in a file of the source, without Spark: an event counts as received when it happened."""
    options: frozenset[str] = frozenset()

    def newest_day(self, source: Source, path: str) -> date | None:
        """What the format says."""
        return self.last_day(source, path)

    def parse(self, spark: SparkSession, source: Source, files: Sequence[str]) -> Parsed:
        """Events of the lines, as the layout says."""
        require_utc(spark)
        return parse_events(read_text(spark, files, cut_files(source, files)), self.layout(source))


def _unknown(told: Told) -> Column:
    return ~F.coalesce(told.event.isin(*ACTIONS, DELETE), F.lit(False))


def _too_long(*ids: Column) -> Column:
    return reduce(or_, [F.coalesce(F.length(identifier) > ID_CHARACTERS, F.lit(False)) for identifier in ids])


def _milliseconds(text: Column) -> Column:
    """Whole milliseconds heard; null where missing, negative, not a number or longer than 31 years."""
    value = F.coalesce(text.try_cast("long").cast("double"), number(text))
    return F.when(value.between(0, 1e12), value.cast("long"))
