"""Where artists come from: `artist<SEP>latitude<SEP>longitude<SEP>track<SEP>name` (subset_artist_location.txt)."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import Fault, Layout, TextSnapshot, missing
from jobs.sources.listening import number


def layout(source: Source) -> Layout:
    """Artist, place and name are kept; the track is only an example of the artist's."""
    artist, latitude, longitude, _, name = (F.get(F.col("fields"), n) for n in range(5))
    north, east = number(F.trim(latitude)), number(F.trim(longitude))
    on_earth = north.between(-90, 90) & east.between(-180, 180)
    return Layout(
        parts={"fields": F.split("text", "<SEP>", -1)},
        faults=(
            Fault("fields", "not five fields: artist, latitude, longitude, track and name, by <SEP>", F.size("fields") != 5),
            Fault("missing_artist", "the artist is empty", missing(artist)),
            Fault("bad_place", "latitude and longitude are not degrees", ~F.coalesce(on_earth, F.lit(False))),
            Fault("missing_name", "the artist's name is empty", missing(name)),
        ),
        columns={"artist_id": artist, "name": name, "latitude": north, "longitude": east},
    )


FORMAT = TextSnapshot("source_artists", layout)
