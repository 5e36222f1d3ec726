"""30Music's loves (relations/love.idomaar): a user's like of a track. In the published file all times are -1.

Events need times, so the option `undated` sets the date of such likes; earlier nights do not use them. 2015-01-21, the
end of the collection, keeps them out of every night of its plays.
"""

from datetime import date

from pydantic import Field
from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.event_format import EventColumns, TextEventFormat, event_line_format
from jobs.sources.line_format import LineFormat, Rule
from jobs.sources.options import Options
from jobs.sources.parsing import idomaar


class LovesOptions(Options):
    """Options of 30Music's loves."""

    undated: date | None = Field(None, description="a plain TOML date without quotes, such as 2015-01-21")


def line_format(source: Source) -> LineFormat:
    """Return how a line is read: a like of the one linked track."""
    undated = F.lit(source.options.get("undated")).cast("timestamp")
    seconds, objects = F.get(F.col("head"), 2), F.col("links")["objects"]
    unknown = seconds.startswith("-")
    no_date = "its time is unknown (-1), and the source has no option `undated`"
    event = EventColumns(
        user=idomaar.linked_user(),
        track=F.when(F.size(objects) == 1, idomaar.valid_id(F.get(objects, 0)["id"])),
        event=F.lit("like"),
        played_at=F.when(unknown, undated).otherwise(idomaar.parse_time(seconds)),
    )
    rules = (*idomaar.head_rules("preference", "links"), Rule("no_time", no_date, unknown & undated.isNull()))
    parsed = {
        "head": idomaar.head_fields(),
        "links": idomaar.parse_object(idomaar.links_json(), idomaar.USER_TRACK_LINKS),
    }
    return event_line_format(source, event, LineFormat(parsed, rules, {}))


def newest_date_in_file(source: Source, path: str) -> date | None:
    """Return the newest date in the lines or in the option `undated`."""
    newest = idomaar.date_of_seconds(max((second for second, _ in idomaar.timed_lines(path)), default=-1))
    days = [day for day in (newest, source.options.get("undated")) if day]
    return max(days, default=None)


FORMAT = TextEventFormat(line_format, newest_date_in_file, LovesOptions)
