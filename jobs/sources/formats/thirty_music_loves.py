"""30Music's loves (relations/love.idomaar): a user's like of a track. The published file has no times: all are -1.

Without times they cannot be events, so the option `undated` says as of which date such likes count: a night before it
does not know them. 2015-01-21, when the collection had ended, keeps them out of every night of its listening.
"""

from datetime import date, datetime

from pyspark.sql import functions as F

from jobs.errors import SourceError
from jobs.sources.contract import Source
from jobs.sources.layout import Fault, Layout
from jobs.sources.listening import TextEvents, Told, event_layout
from jobs.sources.parsing.idomaar import day_of, head, head_faults, identifier, links, moment, one_object, told_seconds

LINKS = "subjects: array<struct<id: string>>, objects: array<struct<id: string>>"


def judge(source: Source) -> None:
    """`undated` is a date, if given."""
    undated = source.options.get("undated")
    if undated is not None and (not isinstance(undated, date) or isinstance(undated, datetime)):
        raise SourceError(f"Source {source.name}: undated is a plain TOML date without quotes: undated = 2015-01-21.")


def layout(source: Source) -> Layout:
    """A line is a like of the one track that it links."""
    nothing, undated = F.lit(None).cast("string"), F.lit(source.options.get("undated")).cast("timestamp")
    seconds, objects = F.get(F.col("head"), 2), F.col("links")["objects"]
    unknown = seconds.startswith("-")
    no_date = "its time is unknown (-1), and no option `undated` says of which date it is"
    told = Told(
        user=identifier(F.get(F.col("links")["subjects"], 0)["id"]),
        track=F.when(F.size(objects) == 1, identifier(F.get(objects, 0)["id"])),
        event=F.lit("like"),
        rating=nothing,
        ms_played=nothing,
        session=nothing,
        played=F.when(unknown, undated).otherwise(moment(seconds)),
        received_text=nothing,
        received=nothing.cast("timestamp"),
        file_date=nothing.cast("date"),
    )
    faults = (
        *head_faults("preference"),
        Fault("not_json", "the links are missing or not a JSON object", F.col("links").isNull()),
        Fault("no_time", no_date, unknown & undated.isNull()),
    )
    return event_layout(source, told, Layout({"head": head(), "links": one_object(links(), LINKS)}, faults, {}))


def newest_day(source: Source, path: str) -> date | None:
    """The newest date that a line or the option `undated` tells."""
    newest = day_of(max((second for second, _ in told_seconds(path)), default=-1))
    days = [day for day in (newest, source.options.get("undated")) if day]
    return max(days, default=None)


FORMAT = TextEvents(layout, newest_day, frozenset({"undated"}), judge)
