"""30Music's tracks (entities/tracks.idomaar): `Artist/_/Title` with the escapes of Last.fm's URLs, length in ms."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.event_format import parse_number
from jobs.sources.line_format import LineFormat, TextSnapshotFormat, empty_to_null, table_columns, with_namespace
from jobs.sources.parsing import idomaar

PROPERTIES = "name: string, duration: string"
LINKS = "artists: array<struct<id: string>>"
MARK = "/_/"


def line_format(source: Source) -> LineFormat:
    """Return how a line is read. The artist is in the name and in the first link to a person; albums and tags are
    ignored.
    """
    name = F.col("properties")["name"]
    apart = F.instr(name, MARK)
    artist = F.when(apart > 0, F.substring_index(name, MARK, 1))
    title = F.when(
        apart > 0, F.expr(f"substring(properties.name, instr(properties.name, '{MARK}') + {len(MARK)})")
    ).otherwise(name)
    length = parse_number(F.col("properties")["duration"])
    return LineFormat(
        parsed={
            "head": idomaar.head_fields(),
            "properties": idomaar.parse_object(idomaar.properties_json(), PROPERTIES),
            "links": idomaar.parse_object(idomaar.links_json(), LINKS),
        },
        rules=(
            *idomaar.head_rules("track", "properties"),
            idomaar.id_rule("missing_track"),
        ),
        columns=table_columns(
            "source_tracks",
            track_id=with_namespace(source, idomaar.own_id()),
            title=empty_to_null(F.trim(idomaar.url_decoded(title))),
            artist_id=with_namespace(source, idomaar.valid_id(F.get(F.col("links")["artists"], 0)["id"])),
            artist=empty_to_null(F.trim(idomaar.url_decoded(artist))),
            duration_s=F.when(length > 0, length / 1000),
        ),
    )


FORMAT = TextSnapshotFormat("source_tracks", line_format)
