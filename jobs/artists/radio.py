"""An artist's radio: the artist's own tracks and those of similar artists, alternating."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def build_top_tracks(tracks: DataFrame, history: DataFrame, min_rating: float, per_artist: int) -> DataFrame:
    """Return `artist_id`, `track_id`, `track_rank`: each artist's `per_artist` tracks with most users, one per song.

    `track_rank`: 1-based rank by users, then by id. `tracks`: `track_id`, `song_id`, `artist_id` (null: unknown, on no
    radio).
    """
    counts = history.where(F.col("rating") >= min_rating).groupBy("track_id").agg(F.count("*").alias("n_users"))
    rows = tracks.where("artist_id IS NOT NULL").join(counts, "track_id", "left").na.fill(0, ["n_users"])
    best = (F.desc("n_users"), F.asc("track_id"))
    of_song = Window.partitionBy("artist_id", F.coalesce("song_id", "track_id")).orderBy(*best)
    single = rows.withColumn("version", F.row_number().over(of_song)).where("version = 1")
    position = F.row_number().over(Window.partitionBy("artist_id").orderBy(*best))
    return (
        single.withColumn("track_rank", position)
        .where(F.col("track_rank") <= per_artist)
        .select("artist_id", "track_id", "track_rank")
    )


def build_radio(names: DataFrame, similar: DataFrame, top_tracks: DataFrame, length: int) -> DataFrame:
    """Return table `artist_radio`: the best track of each artist, the artist's own first, then by similarity.

    Each artist's second track follows, and so on. `names`: `artist_id`, `artist` of the artists that get a radio.
    `similar`: table `similar_artists`. `top_tracks`: see `build_top_tracks`.
    """
    own = names.select(
        "artist_id", "artist", F.col("artist_id").alias("member"), F.lit(0).alias("artist_rank"), F.lit(1.0).alias("score"),
        F.lit("by the artist").alias("why"),
    )  # fmt: skip
    prefix = F.concat(
        F.coalesce("similar_artist", "similar_id"), F.lit(" is similar to "), F.coalesce("artist", "artist_id"), F.lit(": ")
    )
    others = similar.select(
        "artist_id", "artist", F.col("similar_id").alias("member"), F.col("rank").alias("artist_rank"), "score",
        F.concat(prefix, "why").alias("why"),
    )  # fmt: skip
    rows = own.unionByName(others).join(top_tracks.withColumnRenamed("artist_id", "member"), "member")
    turn = Window.partitionBy("artist_id").orderBy("track_rank", "artist_rank", "track_id")
    return (
        rows.withColumn("rank", F.row_number().over(turn))
        .where(F.col("rank") <= length)
        .drop("member", "artist_rank", "track_rank")
    )
