"""All wishes as known now, whatever the night's date: from every source that ever named one."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.context import Night
from jobs.lake.collect import collect_arrow
from jobs.lake.deletion_requests import Wishes, every_row, wishes_in, with_songs
from jobs.lake.partitions import Partitions
from jobs.recommenders.reasons import track_names

ROW_BYTES = 300
"""A wish on the driver: hash, track and song as Python texts."""
MAKERS = "user_hash string, whole boolean, tracks array<string>, songs array<string>, names array<string>"


def wishes_of(night: Night) -> Wishes:
    """Collect the deletion requests. Raises MemoryLimitError if they exceed the driver's limit."""
    deletions = night.lake.read(night.spark, "deletions", Partitions.ALL, night.date.isoformat())
    asked = deletions.select("user_hash", "track_id").distinct()
    known = collect_arrow(asked, ROW_BYTES, "wishes to be forgotten")
    if known["track_id"].null_count < known.num_rows:
        known = collect_arrow(with_songs(night.lake, night.spark, asked), ROW_BYTES, "wishes to be forgotten")
    return wishes_in(known)


def names_of(night: Night, wishes: Wishes) -> dict[str, set[str]]:
    """Return the names that reasons ever used for each track to be erased: its titles of all dates, and its id."""
    names = {track: {track} for track in wishes.tracks}
    if names:
        wanted = F.broadcast(night.spark.createDataFrame([(track,) for track in names], "track_id string"))
        told = track_names(every_row(night.lake, night.spark, "tracks").join(wanted, "track_id")).distinct()
        for row in collect_arrow(told, ROW_BYTES, "names of tracks to be forgotten").to_pylist():
            names[row["track_id"]].add(row["name"])
    return names


def makers(night: Night, wishes: Wishes) -> DataFrame:
    """One row per person with a wish: `user_hash`, `whole`, `tracks`, `songs`, and `names` that reasons gave the tracks."""
    names = names_of(night, wishes)
    rows = [
        (key, w.whole, sorted(w.tracks), sorted(w.songs), sorted({name for track in w.tracks for name in names[track]}))
        for key, w in sorted(wishes.by_hash.items())
    ]
    return night.spark.createDataFrame(rows, MAKERS)
