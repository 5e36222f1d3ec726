"""The app's log: a JSON object per line, in files whose folder (dt=2026-11-01) or name tells the date of receipt."""

import json
from datetime import UTC, date, datetime

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.sources.base import Events, TextFiles
from jobs.sources.contract import Parsed, Source
from jobs.sources.layout import Fault, Layout
from jobs.sources.listening import Told, event_layout, instant, parse_events, require_utc
from jobs.sources.reading import raw
from jobs.sources.reading.files import folder_date, name_date
from jobs.sources.reading.lines import cut_files, read_lines

TEXTS = ("user_id", "track_id", "event", "rating", "ms_played", "played_at", "received_at", "session_id")
BROKEN = "_broken"
# Every field as text, so that a wrong one is its own fault and not "malformed"; single quotes are not JSON.
SCHEMA = ", ".join(f"{name} string" for name in (*TEXTS, BROKEN))
JSON = {"columnNameOfCorruptRecord": BROKEN, "allowSingleQuotes": "false"}


class AppLog(TextFiles, Events):
    """Events by date of receipt: the folder's, else the file name's, else `received_at`, else `played_at`."""

    def files(self, source: Source) -> list[str]:
        """Every file under the path, plain or .gz. Raises SourceError for a folder dt=... that is no date."""
        found = super().files(source)
        for path in found:
            self.received(path)
        return found

    def received(self, path: str) -> date | None:
        """The date of receipt of all lines of a file, or None where each line tells its own."""
        return folder_date(path) or name_date(path)

    def newest_day(self, source: Source, path: str) -> date | None:
        """Newest date that the lines tell."""
        days = (_line_date(line) for line in raw.lines(path, cut=True))
        return max((day for day in days if day), default=None)

    def parse(self, spark: SparkSession, source: Source, files: list[str]) -> Parsed:
        """Events, rejected lines, and wishes to be forgotten."""
        require_utc(spark)
        return self.parse_lines(source, read_lines(spark, files, cut_files(source, files)))

    def parse_lines(self, source: Source, lines: DataFrame) -> Parsed:
        """The same of lines in the columns of `read_lines`."""
        return parse_events(lines.withColumn("text", F.rtrim("value", F.lit(" \t\r"))), layout(source))


def layout(source: Source) -> Layout:
    """How a line is read; see `more_than_one` for what a JSON parser lets pass."""
    parts: dict[str, Column] = {"json": F.from_json("text", SCHEMA, JSON), "valid": F.is_valid_utf8("value")}
    field = {name: F.col("json")[name] for name in TEXTS}
    broken = F.col("json").isNull() | F.col("json")[BROKEN].isNotNull()
    start = F.ltrim("text", F.lit(" \t"))
    object_like = start.startswith("{")
    faults = (
        Fault("invalid_utf8", "the line is not valid UTF-8", ~F.col("valid")),
        Fault("not_object", "the line is JSON, but not an object", ~object_like & F.try_parse_json("text").isNotNull()),
        Fault("not_json", "the line is not JSON, or more than one object", ~object_like | broken | more_than_one()),
    )
    told = Told(
        user=_plain(field["user_id"]),
        track=_plain(field["track_id"]),
        event=field["event"],
        rating=field["rating"],
        ms_played=field["ms_played"],
        session=field["session_id"],
        played=instant(field["played_at"]),
        received_text=field["received_at"],
        received=instant(field["received_at"]),
        file_date=F.coalesce("folder_date", "name_date"),
    )
    return event_layout(source, told, Layout(parts=parts, faults=faults, columns={}))


def more_than_one() -> Column:
    """True where something follows the object: the parser stops at its end, and a second event would be lost unseen.

    If the first closing brace is the line's last character, nothing can follow. Else the line, put into an array with a
    second element, must parse as an array of exactly two.
    """
    at_end = F.instr("text", "}") == F.char_length("text")
    array = F.from_json(F.concat(F.lit("["), "text", F.lit(',{"end":1}]')), "array<struct<end: string>>", JSON)
    return F.when(~at_end, F.coalesce(F.size(array) != 2, F.lit(True)))


def _plain(identifier: Column) -> Column:
    """The id, or "" where it is an object or array, which as text reads as its JSON."""
    braces = identifier.startswith("{") & identifier.endswith("}")
    return F.when(braces | (identifier.startswith("[") & identifier.endswith("]")), "").otherwise(identifier)


def _line_date(line: bytes) -> date | None:
    """UTC date of receipt (or else of playing) that a line tells; None for a bad line."""
    try:
        event = json.loads(line)
        moment = datetime.fromisoformat(event.get("received_at") or event["played_at"])
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC).date()
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


FORMAT = AppLog()
