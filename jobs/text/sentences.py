"""Build the text of a track or user as one line for an encoder."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

BLANK_PATTERN = r"^[\s\p{Cntrl}]*$"


def build_track_texts(tracks: DataFrame, releases: DataFrame, tags: DataFrame) -> DataFrame:
    """Return `track_id`, `text` of every track with any text: "Title. Artist. Release. tag, tag."

    `tracks`: `track_id`, `title`, `artist`. `releases`: `track_id`, `release`; of several the first in order. `tags`:
    see `build_tags`.
    """
    named = releases.where(F.col("release").isNotNull()).groupBy("track_id").agg(F.min("release").alias("release"))
    rows = tracks.join(named, "track_id", "left").join(tags, "track_id", "left")
    return rows.select("track_id", _join_sentences("title", "artist", "release", "tags").alias("text")).where(
        "text != ''"
    )


def build_tags(tracks: DataFrame, track_tags: DataFrame, artist_terms: DataFrame, limit: int) -> DataFrame:
    """Return `track_id`, `tags`: the track's own tags by weight, then its artist's terms by frequency; at most `limit`.

    `tracks`: `track_id`, `artist_id`. `track_tags`: `track_id`, `tag`, `weight`. `artist_terms`: `artist_id`, `term`.
    """
    columns = ("track_id", "tag", "weight", "after")
    own_tags = track_tags.withColumns(
        {"tag": F.lower("tag"), "weight": F.coalesce("weight", F.lit(0.0)), "after": F.lit(0)}
    )
    terms = artist_terms.select("artist_id", F.lower("term").alias("tag")).distinct()
    common = terms.groupBy("tag").agg(F.count("*").cast("double").alias("weight"))
    of_artists = tracks.join(terms.join(common, "tag"), "artist_id").withColumn("after", F.lit(1))
    # a tag of both the track and its artist appears once, at the better rank
    rank = F.min(F.struct("after", -F.col("weight"))).alias("place")
    every = own_tags.select(*columns).unionByName(of_artists.select(*columns)).groupBy("track_id", "tag").agg(rank)
    first = F.slice(F.array_sort(F.collect_list(F.struct("place", "tag"))), 1, limit)
    return every.groupBy("track_id").agg(
        F.array_join(F.transform(first, lambda ranked: ranked["tag"]), ", ").alias("tags")
    )


def build_user_texts(users: DataFrame) -> DataFrame:
    """Return `user_id`, `text` of every user with a profile: "female. in their 20s. Norway."

    `users`: `user_id`, `gender`, `age`, `country`. Ages are rounded to tens: few values, which identify no user.
    """
    genders = F.create_map(*[F.lit(word) for pair in (("m", "male"), ("f", "female")) for word in pair])
    gender = F.coalesce(F.element_at(genders, F.lower("gender")), F.col("gender"))
    tens = F.concat(F.lit("in their "), (F.floor(F.col("age") / 10) * 10).cast("string"), F.lit("s"))
    rows = users.select("user_id", gender.alias("gender"), tens.alias("age"), "country")
    return rows.select("user_id", _join_sentences("gender", "age", "country").alias("text")).where("text != ''")


def _join_sentences(*names: str) -> Column:
    sentences = [F.when(~F.col(name).rlike(BLANK_PATTERN), F.concat(F.trim(name), F.lit("."))) for name in names]
    return F.concat_ws(" ", *sentences)
