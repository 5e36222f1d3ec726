"""What annotators call tracks, for models that learn from it: one genre each, or several where sources give some track several."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def labelled(tracks: DataFrame) -> DataFrame:
    """`track_id`, `genres` of the labelled rows of table `tracks`."""
    known = tracks.where("label_genre IS NOT NULL")
    # a catalogue from before labels were told whole has the first alone
    return known.select("track_id", F.coalesce("label_genres", F.array("label_genre")).alias("genres"))


def with_enough(rows: DataFrame, tracks: int) -> DataFrame:
    """Rows (`track_id`, `genres`, ...) without those genres that fewer tracks have; rows of which none is left go."""
    said = rows.select("track_id", F.explode("genres").alias("genre"))
    counted = said.groupBy("genre").agg(F.countDistinct("track_id").alias("n")).where(F.col("n") >= tracks)
    enough = counted.agg(F.collect_set("genre").alias("enough"))
    left = rows.crossJoin(F.broadcast(enough)).withColumn("genres", F.array_intersect("genres", "enough")).drop("enough")
    return left.where(F.size("genres") > 0)


def evenly(rows: DataFrame, most: int) -> DataFrame:
    """At most so many of the rows (`track_id`, `genres`, ...), drawn by a hash of the track; of each first genre as many, if it has
    them.
    """
    drawn = Window.partitionBy(F.col("genres")[0]).orderBy(F.sha2("track_id", 256), "track_id")
    turn = rows.withColumn("turn", F.row_number().over(drawn))
    return turn.orderBy("turn", F.sha2("track_id", 256), "track_id").limit(most).drop("turn")


def in_order(genre_set: Sequence[str], labels: Sequence[Sequence[str]]) -> tuple[list[str], NDArray[np.float32]]:
    """(the G genres of the set that anything is called, in its order; [N, G] 1 where the genre is one of the row's)."""
    there = {genre for row in labels for genre in row}
    genres = [genre for genre in genre_set if genre in there]
    truth = np.zeros((len(labels), len(genres)), np.float32)
    for row, names in enumerate(labels):
        truth[row, [genres.index(name) for name in names]] = 1
    return genres, truth
