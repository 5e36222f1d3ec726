"""The app's log: one JSON object per line. The date of receipt is in the folder (dt=2026-11-01) or name of the file."""

import json
from datetime import UTC, date, datetime

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.sources.base import EventFormat, TextFileFormat
from jobs.sources.contract import Parsed, Source
from jobs.sources.event_format import EventColumns, event_line_format, parse_events, parse_iso_time, require_utc
from jobs.sources.line_format import LineFormat, Rule
from jobs.sources.reading import raw_bytes
from jobs.sources.reading.files import folder_date, name_date
from jobs.sources.reading.lines import read_lines, truncated_files

FIELDS = ("user_id", "track_id", "event", "rating", "ms_played", "played_at", "received_at", "session_id")
CORRUPT_COLUMN = "_broken"
# every field as text, so that a bad value breaks its own rule and not "not_json"; single quotes are not JSON
SCHEMA = ", ".join(f"{name} string" for name in (*FIELDS, CORRUPT_COLUMN))
JSON = {"columnNameOfCorruptRecord": CORRUPT_COLUMN, "allowSingleQuotes": "false"}


class AppLog(TextFileFormat, EventFormat):
    """Events by date of receipt: that of the folder, else of the file name, else `received_at`, else `played_at`."""

    def files(self, source: Source) -> list[str]:
        """List every file under the path, plain or .gz. Raises SourceError for a folder dt=... that is no date."""
        paths = super().files(source)
        for path in paths:
            self.receipt_date(path)
        return paths

    def receipt_date(self, path: str) -> date | None:
        """Return the date of receipt of all lines of a file; None if each line has its own."""
        return folder_date(path) or name_date(path)

    def newest_date_in_file(self, source: Source, path: str) -> date | None:
        """Return the newest date in the lines."""
        days = (_line_date(line) for line in raw_bytes.iter_lines(path, truncated=True))
        return max((day for day in days if day), default=None)

    def parse(self, spark: SparkSession, source: Source, files: list[str]) -> Parsed:
        """Parse events, rejected lines and deletion requests."""
        require_utc(spark)
        return self.parse_lines(source, read_lines(spark, files, truncated_files(source, files)))

    def parse_lines(self, source: Source, lines: DataFrame) -> Parsed:
        """Parse lines with the columns of `read_lines`."""
        return parse_events(lines.withColumn("text", F.rtrim("value", F.lit(" \t\r"))), line_format(source))


def line_format(source: Source) -> LineFormat:
    """Return how a line is read. `has_trailing_content` finds what a JSON parser ignores."""
    parts: dict[str, Column] = {"json": F.from_json("text", SCHEMA, JSON), "valid": F.is_valid_utf8("value")}
    field = {name: F.col("json")[name] for name in FIELDS}
    broken = F.col("json").isNull() | F.col("json")[CORRUPT_COLUMN].isNotNull()
    start = F.ltrim("text", F.lit(" \t"))
    object_like = start.startswith("{")
    rules = (
        Rule("invalid_utf8", "the line is not valid UTF-8", ~F.col("valid")),
        Rule("not_object", "the line is JSON, but not an object", ~object_like & F.try_parse_json("text").isNotNull()),
        Rule(
            "not_json", "the line is not JSON, or more than one object", ~object_like | broken | has_trailing_content()
        ),
    )
    event = EventColumns(
        user=_scalar_id(field["user_id"]),
        track=_scalar_id(field["track_id"]),
        event=field["event"],
        rating=field["rating"],
        ms_played=field["ms_played"],
        session=field["session_id"],
        played_at=parse_iso_time(field["played_at"]),
        received_text=field["received_at"],
        received_at=parse_iso_time(field["received_at"]),
        file_date=F.coalesce("folder_date", "name_date"),
    )
    return event_line_format(source, event, LineFormat(parsed=parts, rules=rules, columns={}))


def has_trailing_content() -> Column:
    """Return true if something follows the object: the parser stops at its end, and would lose a second event.

    If the first closing brace is the line's last character, nothing can follow. Otherwise the line, as the first of two
    elements, must parse as an array of exactly two.
    """
    at_end = F.instr("text", "}") == F.char_length("text")
    array = F.from_json(F.concat(F.lit("["), "text", F.lit(',{"end":1}]')), "array<struct<end: string>>", JSON)
    return F.when(~at_end, F.coalesce(F.size(array) != 2, F.lit(True)))


def _scalar_id(identifier: Column) -> Column:
    """Return the id, or "" if it is an object or array, whose text is its JSON."""
    braces = identifier.startswith("{") & identifier.endswith("}")
    return F.when(braces | (identifier.startswith("[") & identifier.endswith("]")), "").otherwise(identifier)


def _line_date(line: bytes) -> date | None:
    """Return the UTC date of receipt (or else of playing) in a line; None for a bad line."""
    try:
        event = json.loads(line)
        moment = datetime.fromisoformat(event.get("received_at") or event["played_at"])
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC).date()
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


FORMAT = AppLog()
