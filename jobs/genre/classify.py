"""A genre for every track, and its source: `pmrs run classify --date D`.

Sources in order: the genre model (`audio_model`), the label, the artist's terms, the tags of the pretrained network
(`audio_tags`), none. MongoDB shows the result as `classified_music` (PMRS Fig. 1, C_M of Eq. 5). The job has no settings:
the order of the sources is fixed.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.genres import GenreSet
from jobs.training.pretrained import network_tags
from models.musicnn_tags import BASE_RATES

TAG_EXPONENT = 2.0
"""Of 1 to 4 the one with the smallest log loss on the 60 GTZAN clips (docs/log.md)."""


def one_hot(genre: str, genres: tuple[str, ...]) -> Column:
    """Return probability 1 for the genre of a column, 0 for all others: labels count as certain."""
    return F.array(*[(F.col(genre) == F.lit(g)).cast("double") for g in genres])


def build_track_genres(tracks: DataFrame, scores: DataFrame, genres: tuple[str, ...], tagged: DataFrame) -> DataFrame:
    """Return table `track_genres`, one row for each row of `tracks`. `tagged`: rows of `build_tag_genres`."""
    predicted = scores.select("track_id", F.col("probabilities").cast("array<double>").alias("audio_model"), "model")
    names = F.array(*[F.lit(g) for g in genres])
    by_source = {
        "audio_model": F.col("audio_model"),
        "label": F.when(F.col("label_genre").isNotNull(), one_hot("label_genre", genres)),
        "terms": F.when(F.col("terms_genre").isNotNull(), one_hot("terms_genre", genres)),
        "audio_tags": F.col("audio_tags"),
        "none": F.array().cast("array<double>"),
    }
    source = F.coalesce(*[F.when(values.isNotNull(), name) for name, values in by_source.items()])
    joined = tracks.join(predicted, "track_id", "left").join(tagged, "track_id", "left")
    rows = joined.select("track_id", "model", source.alias("source"), F.coalesce(*by_source.values()).alias("probabilities"))
    confidence = F.coalesce(F.array_max("probabilities"), F.lit(0.0))
    # array_position finds the first: ties go to the first genre of the set
    position = F.array_position("probabilities", confidence).cast("int")
    genre = F.when(F.col("source") != "none", F.element_at(names, position))
    return rows.withColumn("confidence", confidence).withColumn("genre", genre)


def build_tag_genres(embeddings: DataFrame, tags: tuple[str, ...], genre_set: GenreSet) -> DataFrame:
    """Return `track_id`, `audio_tags`: probabilities of the genres of tracks whose strongest style is one of them.

    A style's evidence is its tag's probability over the tag's base rate, of a genre with several tags the largest. The
    probabilities are proportional to evidence ** TAG_EXPONENT over all genres and other styles, so that their sum is below 1.
    `embeddings`: rows of `track_embeddings`. Returns no rows without tags of the set's map.
    """
    if not {*genre_set.tags, *genre_set.other_styles} <= set(tags):
        return embeddings.select("track_id", F.lit(None).cast("array<double>").alias("audio_tags")).limit(0)

    def evidence(tag: str) -> Column:
        return F.element_at("tags", tags.index(tag) + 1).cast("double") / F.lit(BASE_RATES[tag])

    def power(styles: list[Column]) -> Column:
        return F.pow(F.greatest(*styles) if len(styles) > 1 else styles[0], F.lit(TAG_EXPONENT))

    of_genre = {g: [evidence(tag) for tag, genre in genre_set.tags.items() if genre == g] for g in genre_set.genres}
    genres = F.array(*[power(styles) if styles else F.lit(0.0) for styles in of_genre.values()])
    others = F.array(F.lit(0.0), *[power([evidence(tag)]) for tag in genre_set.other_styles])
    rows = embeddings.select("track_id", genres.alias("genres"), others.alias("others"))
    total = F.aggregate(F.concat("genres", "others"), F.lit(0.0), lambda sum_, value: sum_ + value)
    probabilities = F.transform("genres", lambda value: F.round(value / total, 4))
    recognised = (F.array_max("genres") > F.array_max("others")) & (F.array_max("genres") > 0)
    return rows.where(recognised).select("track_id", probabilities.alias("audio_tags"))


def run(ctx: JobContext) -> None:
    """Read `tracks`, `genre_scores` and `track_embeddings`, write `track_genres`."""
    tracks, scores = ctx.read_required("tracks"), ctx.read_required("genre_scores")
    tagged = build_tag_genres(ctx.read("track_embeddings"), network_tags(ctx), ctx.genres)
    ctx.write("track_genres", build_track_genres(tracks, scores, ctx.genres.genres, tagged))
