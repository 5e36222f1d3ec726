"""Deletion requests, and the one filter that every reader of users' data applies."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.lake.lake import Lake
from jobs.lake.partitions import Partitions
from jobs.lake.schemas import table


@dataclass(frozen=True)
class DeletionRequest:
    """All that one user requested."""

    full_erasure: bool
    """Erase everything of the user; else only the tracks and songs below."""
    tracks: frozenset[str] = frozenset()
    songs: frozenset[str] = frozenset()
    """Songs that the tracks belong to: play counts name songs only."""


@dataclass(frozen=True)
class DeletionRequests:
    """All requests known now, by the SHA-256 (hex) of the user id; small enough for the driver and for each task."""

    by_hash: Mapping[str, DeletionRequest]

    def of(self, user_id: str) -> DeletionRequest | None:
        """Return the request of a user, or None."""
        return self.by_hash.get(sha256(user_id))

    @property
    def pairs(self) -> bool:
        """Whether any request names single tracks."""
        return any(request.tracks for request in self.by_hash.values())

    @property
    def tracks(self) -> list[str]:
        """Every track that a request names, sorted."""
        return sorted({track for request in self.by_hash.values() for track in request.tracks})

    @property
    def digest(self) -> str:
        """Digest of all requests, songs included: 32 hex digits; equal for equal requests."""
        content = [(key, r.full_erasure, sorted(r.tracks), sorted(r.songs)) for key, r in sorted(self.by_hash.items())]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def requests_from_rows(rows: pa.Table) -> DeletionRequests:
    """Build the requests from rows of table `deletions` (`user_hash`, `track_id`, optionally `song_id`)."""
    erased_users: set[str] = set()
    pairs_of_user: dict[str, tuple[set[str], set[str]]] = {}
    for row in rows.to_pylist():
        tracks, songs = pairs_of_user.setdefault(row["user_hash"], (set(), set()))
        if row["track_id"] is None:
            erased_users.add(row["user_hash"])
            continue
        tracks.add(row["track_id"])
        songs |= {row["song_id"]} if row.get("song_id") else set()
    return DeletionRequests(
        {
            key: DeletionRequest(key in erased_users, frozenset(tracks), frozenset(songs))
            for key, (tracks, songs) in pairs_of_user.items()
        }
    )


def sha256(user_id: str) -> str:
    """Compute `user_hash` in Python; what no user id can contain (half a surrogate pair) becomes a question mark."""
    return hashlib.sha256(user_id.encode("utf-8", "replace")).hexdigest()


def user_hash(column: str = "user_id") -> Column:
    """Return the SHA-256 (hex) of a user id: deletion requests are stored without the ids of their users."""
    return F.sha2(F.col(column), 256)


def without_erased(frame: DataFrame, deletions: DataFrame) -> DataFrame:
    """Return `frame` without erased users and without tracks that their users have erased.

    `frame`: column `user_id`, and optionally `track_id` or `song_id`. `deletions`: columns `user_hash`, `track_id`
    (null: the whole user), of every date, because requests apply to all dates. If `deletions` also has `song_id` (see
    `with_songs`), rows that name only a song are removed too.
    """
    users = F.broadcast(deletions.where("track_id IS NULL").select("user_hash").distinct())
    remaining = frame.withColumn("user_hash", user_hash()).join(users, "user_hash", "left_anti")
    key = "track_id" if "track_id" in frame.columns else "song_id"
    if key in frame.columns and key in deletions.columns:
        pairs = F.broadcast(deletions.where(f"{key} IS NOT NULL").select("user_hash", key).distinct())
        remaining = remaining.join(pairs, ["user_hash", key], "left_anti")
    return remaining.select(*frame.columns)


def erased_pairs(users: DataFrame, deletions: DataFrame) -> DataFrame:
    """Return `user_id`, `track_id`: tracks that `users` (column `user_id`) have erased; no list may contain them."""
    pairs = deletions.where("track_id IS NOT NULL").select("user_hash", "track_id").distinct()
    named = users.select("user_id").distinct().withColumn("user_hash", user_hash())
    return named.join(F.broadcast(pairs), "user_hash").select("user_id", "track_id")


def every_row(lake: Lake, spark: SparkSession, name: str) -> DataFrame:
    """Return the rows of all dates of a table; a folder that many dates share is read once."""
    schema = table(name).read_schema
    folders = {f"{m.table}/{m.folder}" for m in lake.select(name, Partitions.ALL, "") if m.folder}
    if not folders:
        return spark.createDataFrame([], schema)
    return spark.read.schema(schema).parquet(*[lake.store.pattern(folder) for folder in sorted(folders)])


def with_songs(lake: Lake, spark: SparkSession, deletions: DataFrame) -> DataFrame:
    """Return `user_hash`, `track_id`, `song_id`: each request with all songs that its track ever had.

    `song_id` is null if the track has no song, or if the request names no track.
    """
    songs = every_row(lake, spark, "song_tracks").select("track_id", "song_id").distinct()
    pairs = deletions.select("user_hash", "track_id").distinct()
    return pairs.join(songs.join(F.broadcast(pairs.select("track_id").distinct()), "track_id"), "track_id", "left")
