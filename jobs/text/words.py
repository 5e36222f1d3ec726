"""What is written about a track or a user, as one line that an encoder reads."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

BLANK = r"^[\s\p{Cntrl}]*$"


def build_track_texts(tracks: DataFrame, releases: DataFrame, tags: DataFrame) -> DataFrame:
    """`track_id`, `text` of every track of which anything is written: "Title. Artist. Release. tag, tag."

    `tracks`: `track_id`, `title`, `artist`. `releases`: `track_id`, `release`; of several the first in their order. `tags`: see
    `build_tags`.
    """
    named = releases.where(F.col("release").isNotNull()).groupBy("track_id").agg(F.min("release").alias("release"))
    rows = tracks.join(named, "track_id", "left").join(tags, "track_id", "left")
    return rows.select("track_id", _joined("title", "artist", "release", "tags").alias("text")).where("text != ''")


def build_tags(tracks: DataFrame, track_tags: DataFrame, artist_terms: DataFrame, most: int) -> DataFrame:
    """`track_id`, `tags`: the track's own tags, the heaviest first, then its artist's terms, the commonest first; `most` of them.

    `tracks`: `track_id`, `artist_id`. `track_tags`: `track_id`, `tag`, `weight`. `artist_terms`: `artist_id`, `term`.
    """
    columns = ("track_id", "tag", "weight", "after")
    own = track_tags.withColumns({"tag": F.lower("tag"), "weight": F.coalesce("weight", F.lit(0.0)), "after": F.lit(0)})
    terms = artist_terms.select("artist_id", F.lower("term").alias("tag")).distinct()
    common = terms.groupBy("tag").agg(F.count("*").cast("double").alias("weight"))
    of_artists = tracks.join(terms.join(common, "tag"), "artist_id").withColumn("after", F.lit(1))
    # said by both: once, in the better place
    place = F.min(F.struct("after", -F.col("weight"))).alias("place")
    every = own.select(*columns).unionByName(of_artists.select(*columns)).groupBy("track_id", "tag").agg(place)
    first = F.slice(F.array_sort(F.collect_list(F.struct("place", "tag"))), 1, most)
    return every.groupBy("track_id").agg(F.array_join(F.transform(first, lambda one: one["tag"]), ", ").alias("tags"))


def build_user_texts(users: DataFrame) -> DataFrame:
    """`user_id`, `text` of every user whose profile says anything: "female. in their 20s. Norway."

    `users`: `user_id`, `gender`, `age`, `country`. Ages in tens: few enough to be read well, and to name nobody.
    """
    genders = F.create_map(*[F.lit(word) for pair in (("m", "male"), ("f", "female")) for word in pair])
    gender = F.coalesce(F.element_at(genders, F.lower("gender")), F.col("gender"))
    tens = F.concat(F.lit("in their "), (F.floor(F.col("age") / 10) * 10).cast("string"), F.lit("s"))
    rows = users.select("user_id", gender.alias("gender"), tens.alias("age"), "country")
    return rows.select("user_id", _joined("gender", "age", "country").alias("text")).where("text != ''")


def _joined(*names: str) -> Column:
    said = [F.when(~F.col(name).rlike(BLANK), F.concat(F.trim(name), F.lit("."))) for name in names]
    return F.concat_ws(" ", *said)
