"""The reason of each place in a list, in words that a listener understands."""

import re
from collections.abc import Collection
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

BY = " by "
"""Stands between a track's title and its artist's name."""
BECAUSE = "because you played "
SOUNDS = "new here: nobody has played it yet; it sounds like "
NEUTRAL = "listeners with your history play it"
"""Says why without naming a track: where no rated one is near, or where that one is to be forgotten."""
UNHEARD = "new here: nobody has played it yet; it sounds like what listeners with your history play"
"""The same of a track that is offered by its sound."""
KIN = {
    "collaborative": "heard by those who hear ", "audio": "sounds like ", "genre": "of a kind with ", "text": "written about like "
}  # fmt: skip
"""What makes a track near to one that the user likes, and names it, by what carries it: for the mixes of a user."""
NEAR = "near to what you like"
"""The same without the track."""
NAMING = {SOUNDS: UNHEARD, **dict.fromkeys(KIN.values(), NEAR)}
"""How reasons begin that name a track and nothing behind it, with what is said instead where that one is to be forgotten."""
SHARE = r"; [^;]+ is [0-9]+ % of what you play$"


def _percent(share: Column) -> Column:
    return F.concat(F.round(share * 100).cast("int").cast("string"), F.lit(" %"))


def named(tracks: DataFrame) -> DataFrame:
    """`track_id`, `name`: title and artist, as far as they are known; else the id."""
    title = F.coalesce("title", "track_id")
    by = F.when(F.col("artist").isNotNull(), F.concat(F.lit(BY), "artist")).otherwise("")
    return tracks.select("track_id", F.concat(title, by).alias("name"))


def with_because(rows: DataFrame, names: DataFrame) -> DataFrame:
    """`rows` with `reason_name`, the name of `reason_track_id` where it has one."""
    because = names.select(F.col("track_id").alias("reason_track_id"), F.col("name").alias("reason_name"))
    return rows.join(F.broadcast(because), "reason_track_id", "left")


def personal() -> Column:
    """For `reason_name`, `list`, `genre_share`: what the user played that is nearest, and how much of the taste the genre is."""
    because = F.when(
        F.col("reason_name").isNotNull(), F.concat(F.lit(BECAUSE), "reason_name")
    ).otherwise(F.lit(NEUTRAL))
    share = F.concat(F.lit("; "), F.col("list"), F.lit(" is "), _percent(F.col("genre_share")), F.lit(" of what you play"))
    # under half a percent the share says nothing, and the overall list has no one genre to speak of
    told = (F.col("list") != "overall") & (F.col("genre_share") >= 0.005)
    return F.concat(because, F.when(told, share).otherwise(""))


def new() -> Column:
    """For `reason_name` of a track that nobody has liked: what the user likes that sounds most like it."""
    told = F.concat(F.lit(SOUNDS), "reason_name")
    return F.when(F.col("reason_name").isNotNull(), told).otherwise(F.lit(UNHEARD))


def near() -> Column:
    """For `top_modality` and `reason_name` of a track in a mix: the liked track that it is near to, and what makes it so."""
    said = [F.when(F.col("top_modality") == F.lit(way), F.concat(F.lit(text), "reason_name")) for way, text in KIN.items()]
    return F.when(F.col("reason_name").isNotNull(), F.coalesce(*said)).otherwise(F.lit(NEAR))


def mentions(why: Column, names: Column) -> Column:
    """True where a reason of `personal`, `new` or `near` tells one of `names` (an array)."""
    told = F.regexp_replace(why, SHARE, "")

    def tells(name: Column) -> Column:
        said = told == F.concat(F.lit(BECAUSE), name)
        return reduce(lambda either, text: either | (why == F.concat(F.lit(text), name)), NAMING, said)

    return F.exists(names, tells)


def neutral(why: Column) -> Column:
    """A reason of `personal`, `new` or `near` without the track; how much of the taste the genre is may stay."""
    personal = F.concat(F.lit(NEUTRAL), F.regexp_extract(why, SHARE, 0))
    said = [F.when(why.startswith(text), F.lit(instead)) for text, instead in NAMING.items()]
    return F.coalesce(*said, personal)


def without_names(why: str, names: Collection[str]) -> str:
    """A stored reason, neutral where it tells one of `names`: as `mentions` and `neutral`, for one text."""
    for text, instead in NAMING.items():
        if why.startswith(text) and why.removeprefix(text) in names:
            return instead
    share = re.search(SHARE, why)
    told = why[: share.start()] if share else why
    return NEUTRAL + (share[0] if share else "") if told in {BECAUSE + name for name in names} else why


def popular() -> Column:
    """For `listeners`: how many play it."""
    return F.concat(F.lit("popular: played by "), F.col("listeners").cast("string"), F.lit(" listeners"))


def unplayed() -> Column:
    """For `genre`, `genre_source`, `confidence`: what is known of a track without listeners."""
    heard = F.concat(F.lit(SOUNDS), "genre", F.lit(" ("))
    said = F.concat(F.lit("new here: nobody has played it yet; filed under "), "genre")
    return (
        F.when(F.col("genre_source") == "audio_model", F.concat(heard, _percent(F.col("confidence")), F.lit(")")))
        .when(F.col("genre").isNotNull(), said)
        .otherwise(F.lit("new here: nobody has played it yet"))
    )
