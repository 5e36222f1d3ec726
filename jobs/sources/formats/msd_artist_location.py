"""Locations of artists: `artist<SEP>latitude<SEP>longitude<SEP>track<SEP>name` (subset_artist_location.txt)."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.event_format import parse_number
from jobs.sources.line_format import LineFormat, Rule, TextSnapshotFormat, is_missing


def line_format(source: Source) -> LineFormat:
    """Return how a line is read. The track is only an example and is ignored."""
    artist, latitude, longitude, _, name = (F.get(F.col("fields"), n) for n in range(5))
    north, east = parse_number(F.trim(latitude)), parse_number(F.trim(longitude))
    on_earth = north.between(-90, 90) & east.between(-180, 180)
    return LineFormat(
        parsed={"fields": F.split("text", "<SEP>", -1)},
        rules=(
            Rule(
                "fields",
                "not five fields separated by <SEP>: artist, latitude, longitude, track and name",
                F.size("fields") != 5,
            ),
            Rule("missing_artist", "the artist is empty", is_missing(artist)),
            Rule("bad_place", "latitude and longitude are not degrees", ~F.coalesce(on_earth, F.lit(False))),
            Rule("missing_name", "the artist's name is empty", is_missing(name)),
        ),
        columns={"artist_id": artist, "name": name, "latitude": north, "longitude": east},
    )


FORMAT = TextSnapshotFormat("source_artists", line_format)
