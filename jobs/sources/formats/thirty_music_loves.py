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
from jobs.sources.parsing import idomaar


class Loves(TextEvents):
    """Likes, without times of their own."""

    def check(self, source: Source) -> None:
        """`undated` is a date, if given."""
        undated = source.options.get("undated")
        if undated is not None and (not isinstance(undated, date) or isinstance(undated, datetime)):
            raise SourceError(f"Source {source.name}: undated is a plain TOML date without quotes: undated = 2015-01-21.")


def layout(source: Source) -> Layout:
    """A line is a like of the one track that it links."""
    undated = F.lit(source.options.get("undated")).cast("timestamp")
    seconds, objects = F.get(F.col("head"), 2), F.col("links")["objects"]
    unknown = seconds.startswith("-")
    no_date = "its time is unknown (-1), and no option `undated` says of which date it is"
    told = Told(
        user=idomaar.linked_user(),
        track=F.when(F.size(objects) == 1, idomaar.identifier(F.get(objects, 0)["id"])),
        event=F.lit("like"),
        played=F.when(unknown, undated).otherwise(idomaar.moment(seconds)),
    )
    faults = (*idomaar.head_faults("preference", "links"), Fault("no_time", no_date, unknown & undated.isNull()))
    parts = {"head": idomaar.head(), "links": idomaar.one_object(idomaar.links(), idomaar.LINKED)}
    return event_layout(source, told, Layout(parts, faults, {}))


def newest_day(source: Source, path: str) -> date | None:
    """The newest date that a line or the option `undated` tells."""
    newest = idomaar.day_of(max((second for second, _ in idomaar.told_seconds(path)), default=-1))
    days = [day for day in (newest, source.options.get("undated")) if day]
    return max(days, default=None)


FORMAT = Loves(layout, newest_day, frozenset({"undated"}))
