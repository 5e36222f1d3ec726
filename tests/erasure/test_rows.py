"""Rows of a user's mixes in the lake, when the user wants a track forgotten."""

from pyspark.sql import SparkSession

from jobs.erasure import requests, rows
from jobs.lake.deletion_requests import sha256
from jobs.lake.schemas import table
from jobs.recommenders.reasons import NEUTRAL_SIMILAR, SIMILAR

NAME = "Joga by Björk"


def test_a_mix_loses_the_track_and_its_name_and_goes_whole_where_it_bears_the_artists(spark: SparkSession) -> None:
    """ann wants T1 forgotten; Rock has it twice, as a place and as a reason. berta has asked for nothing."""
    of_rock = [
        ("Rock", None, "T1", None, "w"), ("Rock", None, "T2", "T1", SIMILAR["audio"] + NAME), ("Rock", None, "T3", "T2", "other"),
    ]  # fmt: skip
    of_artists = [("Björk", "Björk", "T4", None, "w"), ("Other", "Other", "T5", None, "w")]
    placed = [(user, *row) for user in ("ann", "berta") for row in (*of_rock, *of_artists)]
    ranks = {"T1": 1, "T2": 2, "T3": 3, "T4": 1, "T5": 1}
    made = [
        (user, name, 1, after, ranks[track], track, 0.5, because is None, because, None, why, "2026-11-14", "r")
        for user, name, after, track, because, why in placed
    ]
    schema = table("daily_mixes").read_schema.add("dt", "string").add("run", "string")
    requesters = spark.createDataFrame([(sha256("ann"), False, ["T1"], [], ["T1", NAME])], requests.REQUESTERS)
    left = rows.cleaned(spark.createDataFrame(made, schema), requesters).orderBy("list", "rank").collect()
    mine = [row for row in left if row["user_id"] == "ann"]
    told = [(row["list"], row["rank"], row["track_id"], row["reason_track_id"], row["why"]) for row in mine]
    assert told == [("Other", 1, "T5", None, "w"), ("Rock", 1, "T2", None, NEUTRAL_SIMILAR), ("Rock", 2, "T3", "T2", "other")]
    assert sum(row["user_id"] == "berta" for row in left) == 5
