"""Rows of a user's mixes in the lake after the user's request to delete a track."""

from pyspark.sql import SparkSession

from jobs.erasure import requests, rows
from jobs.lake.deletion_requests import sha256
from jobs.lake.schemas import table
from jobs.recommenders.reasons import NEUTRAL_SIMILAR, SIMILAR

NAME = "Joga by Björk"


def test_mix_loses_the_deleted_track_and_a_mix_named_by_its_artist_is_removed(spark: SparkSession) -> None:
    """ann requests the deletion of T1, which Rock has as an item and as a reason. berta has no request."""
    of_rock = [
        ("Rock", None, "T1", None, "w"), ("Rock", None, "T2", "T1", SIMILAR["audio"] + NAME), ("Rock", None, "T3", "T2", "other"),
    ]  # fmt: skip
    of_artists = [("Björk", "Björk", "T4", None, "w"), ("Other", "Other", "T5", None, "w")]
    items = [(user, *row) for user in ("ann", "berta") for row in (*of_rock, *of_artists)]
    ranks = {"T1": 1, "T2": 2, "T3": 3, "T4": 1, "T5": 1}
    mixes = [
        (user, name, 1, after, ranks[track], track, 0.5, reason is None, reason, None, why, "2026-11-14", "r")
        for user, name, after, track, reason, why in items
    ]
    schema = table("daily_mixes").read_schema.add("dt", "string").add("run", "string")
    requesters = spark.createDataFrame([(sha256("ann"), False, ["T1"], [], ["T1", NAME])], requests.REQUESTERS)
    cleaned = rows.cleaned(spark.createDataFrame(mixes, schema), requesters).orderBy("list", "rank").collect()
    of_ann = [row for row in cleaned if row["user_id"] == "ann"]
    actual = [(row["list"], row["rank"], row["track_id"], row["reason_track_id"], row["why"]) for row in of_ann]
    assert actual == [("Other", 1, "T5", None, "w"), ("Rock", 1, "T2", None, NEUTRAL_SIMILAR), ("Rock", 2, "T3", "T2", "other")]
    assert sum(row["user_id"] == "berta" for row in cleaned) == 5
