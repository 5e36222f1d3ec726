"""The MSD's wrong matches (sid_mismatches.txt): `ERROR: <SO... TR...> Artist  -  Title  !=  Artist  -  Title`."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.line_format import LineFormat, Rule, TextSnapshotFormat, with_namespace

LINE_PATTERN = r"^ERROR: <(\S+) (\S+)>( |$)"


def line_format(source: Source) -> LineFormat:
    """Return how a line is read: song and track. The names after them are for people only."""
    song, track = (F.regexp_extract("text", LINE_PATTERN, n) for n in (1, 2))
    return LineFormat(
        parsed={"song": song, "track": track},
        rules=(Rule("fields", "not of the form ERROR: <song track> names", F.col("song") == ""),),
        columns={"song_id": F.col("song"), "track_id": with_namespace(source, F.col("track"))},
    )


FORMAT = TextSnapshotFormat("mismatches", line_format)
