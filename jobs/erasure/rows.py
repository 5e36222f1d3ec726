"""Flag users' rows in any table: which are deleted, which get a neutral reason; and return the rows that remain."""

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from jobs.lake.deletion_requests import user_hash
from jobs.recommenders import reasons
from jobs.recommenders.reasons import BY

NAMING = ("user_id", "track_id", "song_id", "reason_track_id", "why", "anchor_artist")
"""Columns by which a row can name a user, or what the user played; every table uses these names.

A list that is named after the artist of a track to be erased (`anchor_artist`) is deleted completely, because its name
shows that the artist was played."""
REQUEST = "__request"


def flag_rows(frame: DataFrame, requesters: DataFrame) -> DataFrame:
    """Return `frame` with the columns `__request`, `__deleted` and `__mentions`.

    `__request`: the user's deletion request; null without one. `__deleted`: True for a row to be deleted.
    `__mentions`: True if its reason names a track to be erased. `requesters`: see `requests.requesters`. A row is
    matched by its track, or by its song if it has no track.
    """
    request = F.struct("full_erasure", "tracks", "songs", "names").alias(REQUEST)
    requests = F.broadcast(requesters.select(F.col("user_hash").alias("__hash"), request))
    own = frame.withColumn("__hash", user_hash()).join(requests, "__hash", "left").drop("__hash")
    user, track, song, reason_track, why, anchor_artist = (_text(frame, name) for name in NAMING)
    listed = _within(track, "tracks") | (track.isNull() & _within(song, "songs"))
    mentioned = _within(reason_track, "tracks") | F.coalesce(reasons.mentions(why, F.col(f"{REQUEST}.names")), F.lit(False))
    ends = F.concat(F.lit(BY), anchor_artist)
    named = F.coalesce(F.exists(F.col(f"{REQUEST}.names"), lambda name: name.endswith(ends)), F.lit(False))
    gone = user.isNotNull() & (F.coalesce(F.col(f"{REQUEST}.full_erasure"), F.lit(False)) | listed | named)
    return own.withColumns({"__deleted": gone, "__mentions": mentioned})


def _text(frame: DataFrame, name: str) -> Column:
    return F.col(name) if name in frame.columns else F.lit(None).cast("string")


def _within(value: Column, kind: str) -> Column:
    return F.coalesce(F.array_contains(F.col(f"{REQUEST}.{kind}"), value), F.lit(False))


def count_affected(spark: SparkSession, paths: list[str], requesters: DataFrame) -> dict[str, int]:
    """Return the number of rows to be deleted or changed, by folder `dt=.../run=...`; one Spark job for all tables.

    Only the columns of NAMING are read; a column that a table lacks reads as null.
    """
    rows = spark.read.schema(", ".join(f"{name} string" for name in NAMING)).parquet(*paths)
    marked = flag_rows(rows.withColumn("folder", F.regexp_replace("_metadata.file_path", "/[^/]+$", "")), requesters)
    counted = marked.where("__deleted OR __mentions").groupBy("folder").agg(F.count("*").alias("rows"))
    return {row["folder"]: row["rows"] for row in counted.collect()}  # as many as folders at most


def cleaned(frame: DataFrame, requesters: DataFrame) -> DataFrame:
    """Return the remaining rows of `frame` (with `dt` and `run`), with neutral reasons and without gaps in ranks."""
    remaining = flag_rows(frame, requesters).where(~F.col("__deleted"))
    if "reason_track_id" in frame.columns:
        remaining = remaining.withColumn("reason_track_id", F.when(~F.col("__mentions"), F.col("reason_track_id")))
    if "why" in frame.columns:
        remaining = remaining.withColumn("why", F.when(F.col("__mentions"), reasons.neutral(F.col("why"))).otherwise(F.col("why")))
    if not {"list", "rank"} <= set(frame.columns):
        return remaining.select(*frame.columns)
    # sort only the lists of users with a deletion request; all other rows stay as they are
    order = Window.partitionBy("dt", "run", "user_id", "list").orderBy("rank")
    affected = remaining.where(f"{REQUEST} IS NOT NULL").withColumn("rank", F.row_number().over(order))
    return remaining.where(f"{REQUEST} IS NULL").select(*frame.columns).unionByName(affected.select(*frame.columns))
