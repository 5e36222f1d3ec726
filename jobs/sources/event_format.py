"""Validation rules and columns of listening events, shared by all formats of events (app logs and tables)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.errors import SourceError
from jobs.sources.base import EventFormat, TextFileFormat
from jobs.sources.contract import Parsed, Source
from jobs.sources.line_format import (
    LineFormat,
    Rule,
    classify_lines,
    empty_to_null,
    is_missing,
    to_parsed,
    with_namespace,
)
from jobs.sources.options import Options
from jobs.sources.reading.lines import read_text, truncated_files

ACTIONS = ("play", "skip", "like", "unlike", "rate", "block")
DELETE = "delete"
LATE_DAYS = 3
"""An event that is received more days than this after it happened is stored, but no night uses it."""
MAX_ID_CHARACTERS = 1_000
"""Ids become keys of joins, documents and shuffles. Real ids have up to 40 characters."""
MAX_CLOCK_SKEW_MINUTES = 10
"""An event may be this much later than its receipt: clocks of devices run ahead."""
NUMBER_PATTERN = r"^[+-]?[0-9]{1,18}([.][0-9]{1,18})?([eE][+-]?[0-9]{1,2})?$"
MAX_UNIX_SECONDS = 253_402_300_799
"""9999-12-31T23:59:59Z, the last time that Spark, Python and Parquet can all represent."""
PREFIX = "input_"
"""Columns of EventColumns carry this prefix while a line is classified."""


def _null_column(kind: str) -> Callable[[], Column]:
    return lambda: F.lit(None).cast(kind)


@dataclass(frozen=True)
class EventColumns:
    """The fields of one event as text (null: absent). Times are timestamps, null where they cannot be parsed."""

    user: Column
    track: Column
    event: Column
    played_at: Column
    rating: Column = field(default_factory=_null_column("string"))
    ms_played: Column = field(default_factory=_null_column("string"))
    session: Column = field(default_factory=_null_column("string"))
    received_text: Column = field(default_factory=_null_column("string"))
    received_at: Column = field(default_factory=_null_column("timestamp"))
    file_date: Column = field(default_factory=_null_column("date"))
    """Date of receipt from the file's folder or name; null: neither has one."""

    def derived(self) -> dict[str, Column]:
        """Return the fields under prefixed names, and `stars` and `listened_ms` as numbers, each evaluated once."""
        numbers = {"stars": parse_number(self.rating), "listened_ms": _parse_milliseconds(self.ms_played)}
        return numbers | {f"{PREFIX}{column.name}": getattr(self, column.name) for column in fields(self)}

    @classmethod
    def from_derived(cls) -> "EventColumns":
        """Return references to the columns of `derived`."""
        return cls(*[F.col(f"{PREFIX}{column.name}") for column in fields(cls)])


def parse_iso_time(text: Column) -> Column:
    """Parse ISO text such as 2026-11-01T10:00:00Z into a timestamp; UTC without a zone, null for anything else.

    The pattern is checked first: a bare cast would read "10:00" as that time of today.
    """
    has_date_and_time = text.rlike(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}")
    # the cast accepts 10:00 and 10:00:00Z, but not 10:00Z
    with_seconds = F.regexp_replace(text, "^(.{16})(Z|[+-])", "$1:00$2")
    parsed = F.coalesce(text.try_cast("timestamp"), with_seconds.try_cast("timestamp"))
    moment = F.when(has_date_and_time, parsed)
    # in a zone west of UTC the last hours of 9999 are in the year 10000, which Python and Parquet readers reject
    return F.when(moment <= F.timestamp_seconds(F.lit(MAX_UNIX_SECONDS)), moment)


def parse_unix_time(text: Column, per_second: int) -> Column:
    """Parse seconds (`per_second` = 1) or milliseconds (1000) since 1970 into a timestamp; null for anything else."""
    return timestamp_from_seconds(parse_number(text) / F.lit(per_second))


def timestamp_from_seconds(seconds: Column) -> Column:
    """Convert seconds since 1970 to a timestamp; null outside the range of Spark and Parquet."""
    return F.when(F.abs(seconds) <= MAX_UNIX_SECONDS, F.timestamp_seconds(seconds))


def parse_number(text: Column) -> Column:
    """Parse a plain decimal number into a double; null for anything else (a bare cast accepts "5f" and "NaN")."""
    return F.when(text.rlike(NUMBER_PATTERN), text.try_cast("double"))


def require_utc(spark: SparkSession) -> None:
    """Raise SourceError unless the session's time zone is UTC, on which dates and times without a zone depend."""
    zone = spark.conf.get("spark.sql.session.timeZone")
    if zone not in ("UTC", "Etc/UTC", "Z"):
        raise SourceError(f"Spark's session time zone is {zone}; set spark.sql.session.timeZone to UTC (spark_conf/).")


def event_rules(event: EventColumns) -> tuple[Rule, ...]:
    """Return the rules for events in the order in which they are checked. `event` is `EventColumns.from_derived()`.

    A deletion request needs only a user and a date of receipt, so a bad time does not reject it.
    """
    is_deletion = F.coalesce(event.event == DELETE, F.lit(False))
    unreadable = event.played_at.isNull() | (event.received_text.isNotNull() & event.received_at.isNull())
    undated = F.coalesce(event.file_date, event.received_at, event.played_at).isNull()
    ahead = F.timestamp_add("MINUTE", F.lit(-MAX_CLOCK_SKEW_MINUTES), event.played_at) > latest_receipt(event)
    too_old = event.played_at < F.lit("2000-01-01").cast("timestamp")
    bad_stars = ~F.coalesce(F.col("stars").between(1, 5), F.lit(False))
    bad_ms_played = event.ms_played.isNotNull() & F.col("listened_ms").isNull()
    return (
        Rule("missing_user", "user_id is missing or empty", is_missing(event.user)),
        Rule("unknown_event", f"event is none of {', '.join((*ACTIONS, DELETE))}", _is_unknown_event(event)),
        # A deletion request without a track covers all tracks. One with an empty track id must not be read as that.
        Rule(
            "missing_track",
            "track_id is missing or empty",
            is_missing(event.track) & ~(is_deletion & event.track.isNull()),
        ),
        Rule(
            "long_id",
            f"an id is longer than {MAX_ID_CHARACTERS} characters",
            _is_too_long(event.user, event.track, event.session),
        ),
        Rule(
            "bad_time",
            "a time is missing or not an ISO date and time",
            F.when(is_deletion, undated).otherwise(unreadable),
        ),
        Rule("before_2000", "the event happened before the year 2000", ~is_deletion & too_old),
        Rule(
            "after_receipt",
            f"the event happened more than {MAX_CLOCK_SKEW_MINUTES} minutes after it was received",
            ~is_deletion & ahead,
        ),
        Rule("bad_rating", "event is rate, but rating is not 1 to 5", (event.event == "rate") & bad_stars),
        Rule("bad_ms_played", "ms_played is negative or not a number", ~is_deletion & bad_ms_played),
    )


def latest_receipt(event: EventColumns) -> Column:
    """Return the latest possible time of receipt: the line's own, at most the end of the file's date."""
    return F.least(event.received_at, F.date_add(event.file_date, 1).cast("timestamp"))


def event_line_format(source: Source, event: EventColumns, line_format: LineFormat) -> LineFormat:
    """Complete a line format (its `parsed` columns and its own first rules) with the rules and columns of events."""
    derived, event = event.derived(), EventColumns.from_derived()
    dt = F.coalesce(event.file_date, event.received_at.cast("date"), event.played_at.cast("date"))
    columns = {
        "user_id": with_namespace(source, event.user),
        "track_id": with_namespace(source, empty_to_null(event.track)),
        "event": event.event,
        "rating": F.when(event.event == "rate", F.col("stars")),
        "ms_played": F.col("listened_ms"),
        "played_at": event.played_at,
        "session_id": empty_to_null(event.session),
        "within_late_window": F.date_diff(dt, event.played_at.cast("date")) <= LATE_DAYS,
        "dt": dt,
    }
    return replace(line_format, derived=derived, rules=(*line_format.rules, *event_rules(event)), columns=columns)


def parse_events(lines: DataFrame, line_format: LineFormat) -> Parsed:
    """Classify lines of events. Deletion requests are returned apart, with the user's id as SHA-256.

    Rejected lines have a column `dt`, which is null.
    """
    parsed = to_parsed(classify_lines(lines, line_format), line_format)
    is_deletion = F.col("event") == DELETE
    user_hash = F.sha2("user_id", 256).alias("user_hash")
    return replace(
        parsed,
        rows=parsed.rows.where(~is_deletion),
        rejected=parsed.rejected.withColumn("dt", F.lit(None).cast("date")),
        deletions=parsed.rows.where(is_deletion).select("file", "dt", user_hash, "track_id"),
    )


@dataclass(frozen=True)
class TextEventFormat(TextFileFormat, EventFormat):
    """A format of text lines in which every event has its own time. Instances differ only in their line format."""

    line_format: Callable[[Source], LineFormat]
    newest_date_of: Callable[[Source, str], date | None]
    """Returns the newest UTC date in a file, without Spark. An event counts as received when it happened."""
    options: type[Options] = Options

    def newest_date_in_file(self, source: Source, path: str) -> date | None:
        """Return `newest_date_of` the file."""
        return self.newest_date_of(source, path)

    def parse(self, spark: SparkSession, source: Source, files: Sequence[str]) -> Parsed:
        """Read and classify the lines of these files."""
        require_utc(spark)
        return parse_events(read_text(spark, files, truncated_files(source, files)), self.line_format(source))


def _is_unknown_event(event: EventColumns) -> Column:
    return ~F.coalesce(event.event.isin(*ACTIONS, DELETE), F.lit(False))


def _is_too_long(*ids: Column) -> Column:
    return reduce(or_, [F.coalesce(F.length(identifier) > MAX_ID_CHARACTERS, F.lit(False)) for identifier in ids])


def _parse_milliseconds(text: Column) -> Column:
    """Parse whole milliseconds; null where missing, negative, not a number or longer than 31 years."""
    value = F.coalesce(text.try_cast("long").cast("double"), parse_number(text))
    return F.when(value.between(0, 1e12), value.cast("long"))
