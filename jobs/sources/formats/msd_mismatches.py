"""The MSD's list of wrong matches: `ERROR: <SO... TR...> Artist  -  Title  !=  Artist  -  Title` (sid_mismatches.txt)."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import Fault, Layout, TextSnapshot, named

SHAPE = r"^ERROR: <(\S+) (\S+)>( |$)"


def layout(source: Source) -> Layout:
    """Song and track are kept; the names after them only tell a person what went wrong."""
    song, track = (F.regexp_extract("text", SHAPE, n) for n in (1, 2))
    return Layout(
        parts={"song": song, "track": track},
        faults=(Fault("fields", "not of the form ERROR: <song track> names", F.col("song") == ""),),
        columns={"song_id": F.col("song"), "track_id": named(source, F.col("track"))},
    )


FORMAT = TextSnapshot("mismatches", layout)
