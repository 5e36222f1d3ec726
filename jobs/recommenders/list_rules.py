"""Which tracks a list may hold, and how long it must be: min(N, tracks of the list that the user has not heard)."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

OVERALL = "overall"


def list_members(track_genres: DataFrame) -> DataFrame:
    """`list`, `track_id`: every track is in the overall list, and in its genre's list where it has one."""
    overall = track_genres.select(F.lit(OVERALL).alias("list"), "track_id")
    by_genre = track_genres.where("genre IS NOT NULL").select(F.col("genre").alias("list"), "track_id")
    return overall.unionByName(by_genre)


def never_offered(history: DataFrame, forgotten: DataFrame) -> DataFrame:
    """`user_id`, `track_id`: what a user has heard, and what a user asked to forget: the wish holds, so no list brings it back.

    What is both is there twice.
    """
    return history.select("user_id", "track_id").unionByName(forgotten)


def heard_per_list(history: DataFrame, members: DataFrame) -> DataFrame:
    """`user_id`, `list`, `heard`: how many of a list's tracks the user has heard."""
    return history.select("user_id", "track_id").join(members, "track_id").groupBy("user_id", "list").agg(
        F.count("*").alias("heard")
    )


def sizes(listeners: DataFrame, members: DataFrame, heard: DataFrame, limit: Column) -> DataFrame:
    """`user_id`, `list`, `wanted` = min(N, unheard tracks of the list): how long each list must be. `limit`: N by `list`."""
    lists = members.groupBy("list").agg(F.count("*").alias("tracks"))
    every = listeners.select("user_id").crossJoin(F.broadcast(lists)).join(heard, ["user_id", "list"], "left")
    unheard = F.col("tracks") - F.coalesce("heard", F.lit(0))
    return every.select("user_id", "list", F.least(limit, unheard).cast("int").alias("wanted"))


def with_room(listeners: DataFrame, members: DataFrame, lists: DataFrame, limit: Column) -> DataFrame:
    """`user_id` of whoever has a list that is short of N, and of all the list's tracks: the others need no count.

    `lists`: `user_id`, `list`, `have` places.
    """
    tracks = members.groupBy("list").agg(F.count("*").alias("tracks"))
    full = tracks.select("list", F.least(limit, "tracks").alias("full")).where("full > 0")
    every = listeners.select("user_id").crossJoin(F.broadcast(full)).join(lists, ["user_id", "list"], "left")
    return every.where(F.coalesce("have", F.lit(0)) < F.col("full")).select("user_id").distinct()


def places(personal: DataFrame) -> DataFrame:
    """`user_id`, `list`, `have`: how many places each list has."""
    return personal.groupBy("user_id", "list").agg(F.count("*").alias("have"))
