"""Collect all deletion requests known now, of all dates, from every source that ever contained one."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.context import Night
from jobs.lake.collect import collect_arrow
from jobs.lake.deletion_requests import DeletionRequests, every_row, requests_from_rows, with_songs
from jobs.lake.partitions import Partitions
from jobs.recommenders.reasons import track_names

ROW_BYTES = 300
"""Size of a deletion request on the driver: hash, track and song as Python strings."""
REQUESTERS = "user_hash string, full_erasure boolean, tracks array<string>, songs array<string>, names array<string>"


def collect_requests(night: Night) -> DeletionRequests:
    """Collect the deletion requests. Raises MemoryLimitError if they exceed the driver's limit."""
    deletions = night.lake.read(night.spark, "deletions", Partitions.ALL, night.date.isoformat())
    pairs = deletions.select("user_hash", "track_id").distinct()
    rows = collect_arrow(pairs, ROW_BYTES, "deletion requests")
    if rows["track_id"].null_count < rows.num_rows:
        rows = collect_arrow(with_songs(night.lake, night.spark, pairs), ROW_BYTES, "deletion requests")
    return requests_from_rows(rows)


def names_of(night: Night, requests: DeletionRequests) -> dict[str, set[str]]:
    """Return the names that reasons ever used for each track to be erased: its titles of all dates, and its id."""
    names = {track: {track} for track in requests.tracks}
    if names:
        tracks = F.broadcast(night.spark.createDataFrame([(track,) for track in names], "track_id string"))
        named = track_names(every_row(night.lake, night.spark, "tracks").join(tracks, "track_id")).distinct()
        for row in collect_arrow(named, ROW_BYTES, "names of tracks to be erased").to_pylist():
            names[row["track_id"]].add(row["name"])
    return names


def requesters(night: Night, requests: DeletionRequests) -> DataFrame:
    """Return a row per user with a request: `user_hash`, `full_erasure`, `tracks`, `songs`, `names`.

    `names`: the names that reasons used for the tracks (see `names_of`).
    """
    names = names_of(night, requests)
    rows = [
        (
            user_hash,
            request.full_erasure,
            sorted(request.tracks),
            sorted(request.songs),
            sorted({name for track in request.tracks for name in names[track]}),
        )
        for user_hash, request in sorted(requests.by_hash.items())
    ]
    return night.spark.createDataFrame(rows, REQUESTERS)
