"""The audit by small literal nights: a good one passes, and each thing that can be wrong is named and stops the night."""

from dataclasses import replace

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.errors import AuditError
from jobs.publish.audit import Audited, Expected, audit

PLACES = "user_id string, list string, rank int, track_id string, score double"
PAIRS = "user_id string, track_id string"
GOOD = [
    ("ann", "overall", 1, "t1", 1.0), ("ann", "overall", 2, "t2", 0.5), ("ann", "Rock", 1, "t1", 0.0),
    # bob has heard t1 and t2: of the overall list one track is left, of Rock's none
    ("bob", "overall", 1, "t3", 0.9),
]  # fmt: skip


@pytest.fixture
def expected(spark: SparkSession) -> Expected:
    members = [("overall", "t1"), ("overall", "t2"), ("overall", "t3"), ("Rock", "t1")]
    return Expected(
        spark.createDataFrame([("ann",), ("bob",)], "user_id string"),
        spark.createDataFrame(members, "list string, track_id string"),
        spark.createDataFrame([("ann", "t3"), ("bob", "t1"), ("bob", "t2"), ("bob", "t2")], PAIRS),
        F.when(F.col("list") == "overall", 2).otherwise(1),
    )


def night(spark: SparkSession, *rows: tuple[str, str, int, str, float | None]) -> DataFrame:
    return spark.createDataFrame(rows, PLACES)


def test_a_good_night_is_counted(spark: SparkSession, expected: Expected) -> None:
    assert audit(night(spark, *GOOD), replace(expected, users_before=4)) == Audited(2, 3, 4)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "there is no list at all"),
        (GOOD[:1] + GOOD[2:], "1 lists shorter or longer"),
        (GOOD[:2] + GOOD[3:], "1 lists shorter or longer"),
        (GOOD[:3], "1 lists shorter or longer"),
        ([*GOOD, ("ann", "overall", 3, "t9", 0.1)], "1 lists longer than N"),
        ([*GOOD[1:], ("ann", "overall", 1, "t2", 1.0)], "1 lists with a track twice or a place missing"),
        ([*GOOD[1:], ("ann", "overall", 3, "t1", 1.0)], "1 lists with a track twice or a place missing"),
        ([*GOOD[1:], ("ann", "overall", 2, "t1", 1.0)], "1 lists with a track twice or a place missing"),
        ([*GOOD[1:], ("ann", "overall", 1, "t3", 1.0)], "1 tracks that their user has heard"),
        ([*GOOD[:2], ("ann", "Rock", 1, "t2", 1.0), GOOD[3]], "1 tracks that do not belong to the genre of their list"),
        ([*GOOD, ("eve", "overall", 1, "t1", 1.0)], "1 lists of users who must not have any"),
        ([*GOOD[:3], ("bob", "overall", 1, "t3", float("nan"))], "1 scores that are no number"),
        ([*GOOD[:3], ("bob", "overall", 1, "t3", 1.1)], "1 scores that are no number"),
        ([*GOOD[:3], ("bob", "overall", 1, "t3", None)], "1 scores that are no number"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(
    spark: SparkSession, expected: Expected, rows: list[tuple[str, str, int, str, float | None]], said: str
) -> None:
    with pytest.raises(AuditError, match=f"^The night is not published: {said}.*The live night stays.$"):
        audit(night(spark, *rows), expected)


def test_a_night_that_has_lost_its_users_stops(spark: SparkSession, expected: Expected) -> None:
    with pytest.raises(AuditError, match="only 2 users have lists, the live night has 5"):
        audit(night(spark, *GOOD), replace(expected, users_before=5))
