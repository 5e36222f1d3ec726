"""Tracks that a list may contain, and its required length: min(N, tracks of the list that the user has not played)."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

OVERALL = "overall"
"""The list with tracks of every genre."""


def list_limit(overall: int, per_genre: int) -> Column:
    """Return N by column `list`."""
    return F.when(F.col("list") == OVERALL, overall).otherwise(per_genre)


def list_members(track_genres: DataFrame) -> DataFrame:
    """Return `list`, `track_id`: the overall list has every track, a genre's list the tracks of the genre."""
    overall = track_genres.select(F.lit(OVERALL).alias("list"), "track_id")
    by_genre = track_genres.where("genre IS NOT NULL").select(F.col("genre").alias("list"), "track_id")
    return overall.unionByName(by_genre)


def excluded_pairs(history: DataFrame, erased: DataFrame) -> DataFrame:
    """Return `user_id`, `track_id` that no list may contain: the user's history, and tracks that the user has erased.

    A pair that is both occurs twice.
    """
    return history.select("user_id", "track_id").unionByName(erased)


def excluded_per_list(excluded: DataFrame, members: DataFrame) -> DataFrame:
    """Return `user_id`, `list`, `n_excluded`: how many members of a list are excluded for the user."""
    pairs = excluded.select("user_id", "track_id").join(members, "track_id")
    return pairs.groupBy("user_id", "list").agg(F.count("*").alias("n_excluded"))


def required_lengths(users: DataFrame, members: DataFrame, excluded: DataFrame, limit: Column) -> DataFrame:
    """Return `user_id`, `list`, `length` = min(N, members that are not excluded), for every user and list.

    `excluded`: rows of `excluded_per_list`; `limit`: N by column `list`.
    """
    lists = members.groupBy("list").agg(F.count("*").alias("tracks"))
    pairs = users.select("user_id").crossJoin(F.broadcast(lists)).join(excluded, ["user_id", "list"], "left")
    available = F.col("tracks") - F.coalesce("n_excluded", F.lit(0))
    return pairs.select("user_id", "list", F.least(limit, available).cast("int").alias("length"))


def users_with_short_lists(users: DataFrame, members: DataFrame, lists: DataFrame, limit: Column) -> DataFrame:
    """Return `user_id` of users with a list shorter than min(N, all tracks of the list).

    Only their lists need exact lengths. `lists`: rows of `list_lengths`; `limit`: N by column `list`.
    """
    tracks = members.groupBy("list").agg(F.count("*").alias("tracks"))
    full = tracks.select("list", F.least(limit, "tracks").alias("full")).where("full > 0")
    pairs = users.select("user_id").crossJoin(F.broadcast(full)).join(lists, ["user_id", "list"], "left")
    return pairs.where(F.coalesce("n_items", F.lit(0)) < F.col("full")).select("user_id").distinct()


def list_lengths(items: DataFrame) -> DataFrame:
    """Return `user_id`, `list`, `n_items`: the present length of each list."""
    return items.groupBy("user_id", "list").agg(F.count("*").alias("n_items"))
