"""A genre for every track, and its source: `pmrs run classify --date D`.

Sources in order: the genre model (`audio_model`), the label, the artist's terms, none. MongoDB shows the result as
`classified_music` (PMRS Fig. 1, C_M of Eq. 5). The job has no settings: the order of the sources is fixed.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext


def one_hot(genre: str, genres: tuple[str, ...]) -> Column:
    """Return probability 1 for the genre of a column, 0 for all others: labels count as certain."""
    return F.array(*[(F.col(genre) == F.lit(g)).cast("double") for g in genres])


def build_track_genres(tracks: DataFrame, scores: DataFrame, genres: tuple[str, ...]) -> DataFrame:
    """Return table `track_genres`, one row for each row of `tracks`."""
    predicted = scores.select("track_id", F.col("probabilities").cast("array<double>").alias("audio_model"), "model")
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
    rows = tracks.join(predicted, "track_id", "left").select(
        "track_id", "model", source.alias("source"), probabilities.alias("probabilities")
    )
    confidence = F.coalesce(F.array_max("probabilities"), F.lit(0.0))
    # array_position finds the first: ties go to the first genre of the set
    position = F.array_position("probabilities", confidence).cast("int")
    genre = F.when(F.col("source") != "none", F.element_at(names, position))
    return rows.withColumn("confidence", confidence).withColumn("genre", genre)


def run(ctx: JobContext) -> None:
    """Read `tracks` and `genre_scores`, write `track_genres`."""
    tracks, scores = ctx.read_required("tracks"), ctx.read_required("genre_scores")
    ctx.write("track_genres", build_track_genres(tracks, scores, ctx.genres.genres))
