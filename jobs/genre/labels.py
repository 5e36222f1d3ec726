"""Genre labels of annotators as training targets: one genre per track, or several where sources give a track
several.
"""

from collections.abc import Sequence

import numpy as np
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from models.types import F32


def labelled(tracks: DataFrame) -> DataFrame:
    """Return `track_id` and `genres` of the labelled rows of table `tracks`."""
    return tracks.where("label_genre IS NOT NULL").select(
        "track_id", F.coalesce("label_genres", F.array("label_genre")).alias("genres")
    )


def drop_rare_genres(rows: DataFrame, min_tracks: int) -> DataFrame:
    """Remove genres with fewer than `min_tracks` tracks from rows (`track_id`, `genres`, ...).

    Rows that lose all their genres are removed too.
    """
    by_genre = rows.select("track_id", F.explode("genres").alias("genre")).groupBy("genre")
    frequent = by_genre.agg(F.countDistinct("track_id").alias("n")).where(F.col("n") >= min_tracks)
    frequent = frequent.agg(F.collect_set("genre").alias("frequent"))
    filtered = rows.crossJoin(F.broadcast(frequent)).withColumn("genres", F.array_intersect("genres", "frequent"))
    return filtered.drop("frequent").where(F.size("genres") > 0)


def sample_balanced(rows: DataFrame, max_rows: int) -> DataFrame:
    """Return at most `max_rows` of the rows (`track_id`, `genres`, ...), sampled by a hash of the track.

    Each first genre contributes the same number of rows, as far as it has them.
    """
    by_hash = Window.partitionBy(F.col("genres")[0]).orderBy(F.sha2("track_id", 256), "track_id")
    ranked = rows.withColumn("turn", F.row_number().over(by_hash))
    return ranked.orderBy("turn", F.sha2("track_id", 256), "track_id").limit(max_rows).drop("turn")


def encode_labels(genre_set: Sequence[str], labels: Sequence[Sequence[str]]) -> tuple[list[str], F32]:
    """Return the G genres of the set that occur, in its order, and a matrix [N, G] with 1 for each genre of a row."""
    occurring = {genre for row in labels for genre in row}
    genres = [genre for genre in genre_set if genre in occurring]
    truth = np.zeros((len(labels), len(genres)), np.float32)
    for row, names in enumerate(labels):
        truth[row, [genres.index(name) for name in names]] = 1
    return genres, truth
