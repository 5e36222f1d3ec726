"""A genre for every track, and where it comes from: genre model (`audio_model`), else label, else artist's terms, else none.

`pmrs run classify --date D`. What MongoDB shows as `classified_music` (PMRS Fig. 1, C_M of Eq. 5).
"""

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext


@dataclass(frozen=True)
class Config:
    """Nothing to choose: the order of the sources is the product's promise."""


def one_hot(genre: str, genres: tuple[str, ...]) -> Column:
    """A label counts as certain: 1 at its genre, 0 elsewhere."""
    return F.array(*[(F.col(genre) == F.lit(g)).cast("double") for g in genres])


def build_track_genres(tracks: DataFrame, scores: DataFrame, genres: tuple[str, ...]) -> DataFrame:
    """Table `track_genres`: one row for each row of `tracks`."""
    heard = scores.select("track_id", F.col("probabilities").cast("array<double>").alias("audio_model"), "model")
    names = F.array(*[F.lit(g) for g in genres])
    source = (
        F.when(F.col("audio_model").isNotNull(), "audio_model")
        .when(F.col("label_genre").isNotNull(), "label")
        .when(F.col("terms_genre").isNotNull(), "terms")
        .otherwise("none")
    )
    probabilities = (
        F.when(F.col("audio_model").isNotNull(), F.col("audio_model"))
        .when(F.col("label_genre").isNotNull(), one_hot("label_genre", genres))
        .when(F.col("terms_genre").isNotNull(), one_hot("terms_genre", genres))
        .otherwise(F.array().cast("array<double>"))
    )
    joined = tracks.join(heard, "track_id", "left").select(
        "track_id", "model", source.alias("source"), probabilities.alias("probabilities")
    )
    top = F.coalesce(F.array_max("probabilities"), F.lit(0.0))
    # Of equal probabilities the first of the genre set wins: array_position finds the first.
    place = F.array_position("probabilities", top).cast("int")
    genre = F.when(F.col("source") != "none", F.element_at(names, place))
    return joined.withColumn("confidence", top).withColumn("genre", genre)


def run(ctx: JobContext) -> None:
    """Reads `tracks` and `genre_scores`, writes `track_genres`."""
    ctx.write("track_genres", build_track_genres(ctx.read_required("tracks"), ctx.read_required("genre_scores"), ctx.genres.genres))
