"""30Music's tracks (entities/tracks.idomaar): named `Artist/_/Title` with the escapes of Last.fm's addresses, length in ms."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import Fault, Layout, TextSnapshot, named, or_null
from jobs.sources.listening import number
from jobs.sources.parsing.idomaar import decoded, head, head_faults, identifier, links, one_object, properties

PROPERTIES = "name: string, duration: string"
LINKS = "artists: array<struct<id: string>>"
MARK = "/_/"


def layout(source: Source) -> Layout:
    """The artist is told by name and by the first link to a person; albums and tags are not read."""
    track, name = identifier(F.get(F.col("head"), 1)), F.col("said")["name"]
    apart = F.instr(name, MARK)
    artist = F.when(apart > 0, F.substring_index(name, MARK, 1))
    title = F.when(apart > 0, F.expr(f"substring(said.name, instr(said.name, '{MARK}') + {len(MARK)})")).otherwise(name)
    length = number(F.col("said")["duration"])
    nothing = F.lit(None)
    return Layout(
        parts={
            "head": head(),
            "said": one_object(properties(), PROPERTIES),
            "links": one_object(links(), LINKS),
        },
        faults=(
            *head_faults("track"),
            Fault("not_json", "the properties are not a JSON object", F.col("said").isNull()),
            Fault("missing_track", "the id is not of letters, digits and . _ : -", track.isNull()),
        ),
        columns={
            "track_id": named(source, track),
            "song_id": nothing.cast("string"),
            "title": or_null(F.trim(decoded(title))),
            "artist_id": named(source, identifier(F.get(F.col("links")["artists"], 0)["id"])),
            "artist": or_null(F.trim(decoded(artist))),
            "release": nothing.cast("string"),
            "year": nothing.cast("int"),
            "duration_s": F.when(length > 0, length / 1000),
        },
    )


FORMAT = TextSnapshot("source_tracks", layout)
