"""Reasons of recommended tracks as sentences: their templates, and the search for reasons that name a given track."""

import re
from collections.abc import Collection
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

BY = " by "
"""Separator of a track's title and its artist's name."""
BECAUSE = "because you played "
SOUNDS_LIKE = "new: no plays yet; sounds like "
NEUTRAL = "played by people with a similar history"
"""Reason without a track: no rated track contributed to the score, or the one that did is to be erased."""
NEUTRAL_COLD_START = "new: no plays yet; sounds like music that people with a similar history play"
"""The same for an item of the tier cold_start."""
SIMILAR = {
    "collaborative": "played by people who play ",
    "audio": "sounds like ",
    "genre": "similar in genre to ",
    "text": "similar in title or tags to ",
}
"""Reasons of items in a daily mix, by the modality that contributes most; the liked track's name follows."""
NEUTRAL_SIMILAR = "similar to what you like"
"""The same without the track."""
NEUTRAL_BY_PREFIX = {SOUNDS_LIKE: NEUTRAL_COLD_START, **dict.fromkeys(SIMILAR.values(), NEUTRAL_SIMILAR)}
"""Prefix of a reason that ends with a track's name -> the reason that replaces it if the track is to be erased."""
GENRE_SHARE = r"; [^;]+ is [0-9]+ % of what you play$"


def _percent(share: Column) -> Column:
    return F.concat(F.round(share * 100).cast("int").cast("string"), F.lit(" %"))


def track_names(tracks: DataFrame) -> DataFrame:
    """Return `track_id`, `name`: title and artist if they are known, else the id."""
    title = F.coalesce("title", "track_id")
    by = F.when(F.col("artist").isNotNull(), F.concat(F.lit(BY), "artist")).otherwise("")
    return tracks.select("track_id", F.concat(title, by).alias("name"))


def with_reason_name(rows: DataFrame, names: DataFrame) -> DataFrame:
    """Return `rows` with `reason_name`, the name of `reason_track_id`; null if it has none."""
    reason_names = names.select(F.col("track_id").alias("reason_track_id"), F.col("name").alias("reason_name"))
    return rows.join(F.broadcast(reason_names), "reason_track_id", "left")


def personal() -> Column:
    """Return the reason of a personal item, from `reason_name`, `list` and `genre_share`."""
    because = F.when(F.col("reason_name").isNotNull(), F.concat(F.lit(BECAUSE), "reason_name")).otherwise(F.lit(NEUTRAL))
    share = F.concat(F.lit("; "), F.col("list"), F.lit(" is "), _percent(F.col("genre_share")), F.lit(" of what you play"))
    # a share that rounds to 0 % is useless, and the overall list has no genre
    has_share = (F.col("list") != "overall") & (F.col("genre_share") >= 0.005)
    return F.concat(because, F.when(has_share, share).otherwise(""))


def cold_start() -> Column:
    """Return the reason of an item without plays, from `reason_name`: the liked track that sounds most like it."""
    reason = F.concat(F.lit(SOUNDS_LIKE), "reason_name")
    return F.when(F.col("reason_name").isNotNull(), reason).otherwise(F.lit(NEUTRAL_COLD_START))


def similar() -> Column:
    """Return the reason of a daily mix's item, from `top_modality` and `reason_name` (the most similar liked track)."""
    reasons = [
        F.when(F.col("top_modality") == modality, F.concat(F.lit(prefix), "reason_name")) for modality, prefix in SIMILAR.items()
    ]
    return F.when(F.col("reason_name").isNotNull(), F.coalesce(*reasons)).otherwise(F.lit(NEUTRAL_SIMILAR))


def popular() -> Column:
    """Return the reason of a popular item, from `n_users`."""
    return F.concat(F.lit("popular: played by "), F.col("n_users").cast("string"), F.lit(" people"))


def unplayed() -> Column:
    """Return the reason of a fallback item without plays, from `genre`, `genre_source` and `confidence`."""
    predicted = F.concat(F.lit(SOUNDS_LIKE), "genre", F.lit(" ("), _percent(F.col("confidence")), F.lit(")"))
    labelled = F.concat(F.lit("new: no plays yet; labelled "), "genre")
    return (
        F.when(F.col("genre_source") == "audio_model", predicted)
        .when(F.col("genre").isNotNull(), labelled)
        .otherwise(F.lit("new: no plays yet"))
    )


def mentions(why: Column, names: Column) -> Column:
    """Return True for a reason of `personal`, `cold_start` or `similar` that ends with one of `names` (an array)."""
    without_share = F.regexp_replace(why, GENRE_SHARE, "")

    def ends_with(name: Column) -> Column:
        because = without_share == F.concat(F.lit(BECAUSE), name)
        return reduce(lambda any_of, prefix: any_of | (why == F.concat(F.lit(prefix), name)), NEUTRAL_BY_PREFIX, because)

    return F.exists(names, ends_with)


def neutral(why: Column) -> Column:
    """Return the reason without its track; the genre's share of what the user plays stays."""
    personal = F.concat(F.lit(NEUTRAL), F.regexp_extract(why, GENRE_SHARE, 0))
    others = [F.when(why.startswith(prefix), F.lit(replacement)) for prefix, replacement in NEUTRAL_BY_PREFIX.items()]
    return F.coalesce(*others, personal)


def without_names(why: str, names: Collection[str]) -> str:
    """Return one stored reason, neutral if it mentions one of `names`: `mentions` and `neutral` for a single text."""
    for prefix, replacement in NEUTRAL_BY_PREFIX.items():
        if why.startswith(prefix) and why.removeprefix(prefix) in names:
            return replacement
    share = re.search(GENRE_SHARE, why)
    reason = why[: share.start()] if share else why
    return NEUTRAL + (share[0] if share else "") if reason in {BECAUSE + name for name in names} else why
