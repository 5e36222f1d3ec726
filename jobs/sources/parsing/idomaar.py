"""Parse lines of Idomaar (CrowdRec), 30Music's format: type, id, time (Unix seconds, -1: unknown), properties and links
as JSON.

The description specifies tabs. In the published files a space precedes the links of sessions, and both the properties
and the links of loves. Lists of links may hold an empty list instead of an entity (`"objects":[[]]`).
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.sources.event_format import parse_unix_time
from jobs.sources.line_format import Rule
from jobs.sources.reading import raw_bytes
from jobs.sources.reading.tables import EARLIEST_DATE

JSON = {"allowSingleQuotes": "false", "allowNonNumericNumbers": "false"}
USER_TRACK_LINKS = "subjects: array<struct<id: string>>, objects: array<struct<id: string>>"
"""Schema of the links from a user to tracks."""
ID = "^[0-9A-Za-z._:-]+$"


def head_fields() -> Column:
    """Return type, id and time: the fields before the first brace, separated by tabs or spaces."""
    return F.split(F.rtrim(F.substring_index("text", "{", 1), F.lit(" \t")), "[\t ]+")


def properties_json() -> Column:
    """Return the JSON after the head, without the links."""
    return F.regexp_replace(_body(), r"(?s)\}[\t ]+\{.*\z", "}")


def links_json() -> Column:
    """Return the second of two JSON objects after the head; empty if there is only one."""
    last_object = F.regexp_extract(_body(), r"(?s)\A\{.*\}[\t ]+(\{.*\})[\t ]*\z", 1)
    return F.regexp_replace(last_object, r"\[\s*\[\s*\]\s*\]", "[]")


def parse_object(text: Column, fields: str) -> Column:
    """Parse a text that is exactly one JSON object into a struct of `fields` (DDL); null otherwise."""
    # a parser stops at the end of the first object; within an array, trailing content is an error
    array = F.from_json(F.concat(F.lit("["), text, F.lit(',{"end":1}]')), f"array<struct<{fields}, end: int>>", JSON)
    # a lambda's argument is evaluated once; otherwise the text would be parsed for each use of the array
    return F.get(F.transform(F.array(array), _only_element), 0)


def valid_id(text: Column) -> Column:
    """Return the id; null if it has other characters (an object or list as text)."""
    return F.when(text.rlike(ID), text)


def parse_time(seconds: Column) -> Column:
    """Return the timestamp of Unix seconds; null if they are unknown (-1) or no number."""
    return F.when(~seconds.startswith("-"), parse_unix_time(seconds, 1))


def url_decoded(text: Column) -> Column:
    """Decode a name as written in Last.fm's URLs (`Dj%27s+Rock`); unchanged if its escapes are invalid."""
    return F.coalesce(F.try_url_decode(text), F.replace(text, F.lit("+"), F.lit(" ")))


def own_id() -> Column:
    """Return the id of the entity that the line describes; null if it is invalid."""
    return valid_id(F.get(F.col("head"), 1))


def linked_user() -> Column:
    """Return the id of the linked user, or null."""
    return valid_id(F.get(F.col("links")["subjects"], 0)["id"])


def head_rules(kind: str, json_column: str) -> tuple[Rule, ...]:
    """Return the rules for the head and for the JSON in `json_column` (`properties` or `links`)."""
    first, _, seconds = (F.get(F.col("head"), n) for n in range(3))
    is_complete = seconds.rlike("^-?[0-9]{1,15}$") & F.col("text").contains("{")
    not_json = "the properties are not" if json_column == "properties" else "the links are missing or not"
    return (
        Rule("fields", "not tab-separated type, id, time and JSON", (F.size("head") != 3) | ~is_complete),
        Rule("other_type", f"the type is not {kind}", first != kind),
        Rule("not_json", f"{not_json} a JSON object", F.col(json_column).isNull()),
    )


def id_rule(rule: str) -> Rule:
    """Return the rule for the id of the entity that the line describes."""
    return Rule(rule, "the id has characters other than letters, digits and . _ : -", own_id().isNull())


def timed_lines(path: str) -> Iterator[tuple[int, bytes]]:
    """Yield (Unix second, line) of the lines that have a time, without Spark, up to a truncation if there is one."""
    for line in raw_bytes.iter_lines(path, truncated=True):
        fields = line.split(b"{", 1)[0].split()
        if len(fields) == 3 and fields[2].isdigit():
            yield int(fields[2][:16]), line


def date_of_seconds(second: int) -> date | None:
    """Return the UTC date of a Unix second; None before EARLIEST_DATE."""
    try:
        day = datetime.fromtimestamp(second, UTC).date()
    except (ValueError, OverflowError, OSError):
        return None
    return day if day >= EARLIEST_DATE else None


def _only_element(array: Column) -> Column:
    return F.when((F.size(array) == 2) & (F.get(array, 1)["end"] == 1), F.get(array, 0))


def _body() -> Column:
    return F.expr("substring(text, length(substring_index(text, '{', 1)) + 1)")
