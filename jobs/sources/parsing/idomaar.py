"""Lines of Idomaar (CrowdRec), 30Music's layout: type, id, time (unix s, -1: unknown), properties and links as JSON.

By tabs in the description; in the published files a space stands before the links of sessions, and before both the
properties and the links of loves. Lists of links may hold an empty list where an entity should be (`"objects":[[]]`).
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.sources.layout import Fault
from jobs.sources.listening import instant_of_number
from jobs.sources.reading import raw
from jobs.sources.reading.tables import EARLIEST

JSON = {"allowSingleQuotes": "false", "allowNonNumericNumbers": "false"}
LINKED = "subjects: array<struct<id: string>>, objects: array<struct<id: string>>"
"""What is read of the links of a user to tracks."""
ID = "^[0-9A-Za-z._:-]+$"


def head() -> Column:
    """Type, id and time: what stands before the first brace, by tabs or spaces."""
    return F.split(F.rtrim(F.substring_index("text", "{", 1), F.lit(" \t")), "[\t ]+")


def properties() -> Column:
    """The JSON after the head, without links."""
    return F.regexp_replace(_body(), r"(?s)\}[\t ]+\{.*\z", "}")


def links() -> Column:
    """The last of two JSON objects after the head; empty where there is only one."""
    found = F.regexp_extract(_body(), r"(?s)\A\{.*\}[\t ]+(\{.*\})[\t ]*\z", 1)
    return F.regexp_replace(found, r"\[\s*\[\s*\]\s*\]", "[]")


def one_object(text: Column, fields: str) -> Column:
    """A struct of `fields` (DDL) from a text that is one JSON object and nothing else; null where it is not."""
    # A parser stops at the end of the first object; within an array, whatever follows it shows.
    array = F.from_json(F.concat(F.lit("["), text, F.lit(',{"end":1}]')), f"array<struct<{fields}, end: int>>", JSON)
    # A lambda's argument is computed once; written out, the text would be parsed for each place where the array stands.
    return F.get(F.transform(F.array(array), _alone), 0)


def identifier(text: Column) -> Column:
    """The id, or null where it has no form of one (an object or list as text)."""
    return F.when(text.rlike(ID), text)


def moment(seconds: Column) -> Column:
    """Timestamp of unix seconds; null where they are unknown (-1) or no number."""
    return F.when(~seconds.startswith("-"), instant_of_number(seconds, 1))


def decoded(text: Column) -> Column:
    """A name as it stands in an address of Last.fm (`Dj%27s+Rock`) as text; where its escapes are wrong, as it is."""
    return F.coalesce(F.try_url_decode(text), F.replace(text, F.lit("+"), F.lit(" ")))


def own_id() -> Column:
    """The id of what the line describes, or null where it has no form of one."""
    return identifier(F.get(F.col("head"), 1))


def linked_user() -> Column:
    """The user whom the line links, or null."""
    return identifier(F.get(F.col("links")["subjects"], 0)["id"])


def head_faults(kind: str, wanted: str) -> tuple[Fault, ...]:
    """What can be wrong before the JSON, and with that part of it (`said`, the properties, or `links`) that is wanted."""
    first, _, seconds = (F.get(F.col("head"), n) for n in range(3))
    told = seconds.rlike("^-?[0-9]{1,15}$") & F.col("text").contains("{")
    not_json = "the properties are not" if wanted == "said" else "the links are missing or not"
    return (
        Fault("fields", "not type, id, time and JSON, by tab", (F.size("head") != 3) | ~told),
        Fault("other_type", f"the type is not {kind}", first != kind),
        Fault("not_json", f"{not_json} a JSON object", F.col(wanted).isNull()),
    )


def fault_of_id(rule: str) -> Fault:
    """The rule on the id of what the line describes."""
    return Fault(rule, "the id is not of letters, digits and . _ : -", own_id().isNull())


def told_seconds(path: str) -> Iterator[tuple[int, bytes]]:
    """The lines whose head tells a time (unix s), with it; for the newest date, without Spark, up to a cut if there is one."""
    for line in raw.lines(path, cut=True):
        fields = line.split(b"{", 1)[0].split()
        if len(fields) == 3 and fields[2].isdigit():
            yield int(fields[2][:16]), line


def day_of(second: int) -> date | None:
    """UTC date of a unix second, if events may be of that date."""
    try:
        day = datetime.fromtimestamp(second, UTC).date()
    except (ValueError, OverflowError, OSError):
        return None
    return day if day >= EARLIEST else None


def _alone(array: Column) -> Column:
    return F.when((F.size(array) == 2) & (F.get(array, 1)["end"] == 1), F.get(array, 0))


def _body() -> Column:
    return F.expr("substring(text, length(substring_index(text, '{', 1)) + 1)")
