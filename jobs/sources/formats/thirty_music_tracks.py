"""30Music's tracks (entities/tracks.idomaar): named `Artist/_/Title` with the escapes of Last.fm's addresses, length in ms."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import Layout, TextSnapshot, filled, named, or_null
from jobs.sources.listening import number
from jobs.sources.parsing import idomaar

PROPERTIES = "name: string, duration: string"
LINKS = "artists: array<struct<id: string>>"
MARK = "/_/"


def layout(source: Source) -> Layout:
    """The artist is told by name and by the first link to a person; albums and tags are not read."""
    name = F.col("said")["name"]
    apart = F.instr(name, MARK)
    artist = F.when(apart > 0, F.substring_index(name, MARK, 1))
    title = F.when(apart > 0, F.expr(f"substring(said.name, instr(said.name, '{MARK}') + {len(MARK)})")).otherwise(name)
    length = number(F.col("said")["duration"])
    return Layout(
        parts={
            "head": idomaar.head(),
            "said": idomaar.one_object(idomaar.properties(), PROPERTIES),
            "links": idomaar.one_object(idomaar.links(), LINKS),
        },
        faults=(
            *idomaar.head_faults("track", "said"),
            idomaar.fault_of_id("missing_track"),
        ),
        columns=filled(
            "source_tracks",
            track_id=named(source, idomaar.own_id()),
            title=or_null(F.trim(idomaar.decoded(title))),
            artist_id=named(source, idomaar.identifier(F.get(F.col("links")["artists"], 0)["id"])),
            artist=or_null(F.trim(idomaar.decoded(artist))),
            duration_s=F.when(length > 0, length / 1000),
        ),
    )


FORMAT = TextSnapshot("source_tracks", layout)
