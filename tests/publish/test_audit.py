"""The audit of small literal nights: a valid one passes, and every problem raises with its name."""

from dataclasses import replace

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.errors import AuditError
from jobs.publish.audit import Audited, Expected, audit

ITEMS = "user_id string, list string, rank int, track_id string, score double"
PAIRS = "user_id string, track_id string"
GOOD = [
    ("ann", "overall", 1, "t1", 1.0), ("ann", "overall", 2, "t2", 0.5), ("ann", "Rock", 1, "t1", 0.0),
    # bob has played t1 and t2: one track remains for the overall list, and none for Rock
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
    return spark.createDataFrame(rows, ITEMS)


def test_valid_night_returns_its_counts(spark: SparkSession, expected: Expected) -> None:
    assert audit(night(spark, *GOOD), replace(expected, users_before=4)) == Audited(2, 3, 4)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "there are no lists"),
        (GOOD[:1] + GOOD[2:], "1 lists shorter or longer"),
        (GOOD[:2] + GOOD[3:], "1 lists shorter or longer"),
        (GOOD[:3], "1 lists shorter or longer"),
        ([*GOOD, ("ann", "overall", 3, "t9", 0.1)], "1 lists longer than N"),
        ([*GOOD[1:], ("ann", "overall", 1, "t2", 1.0)], "1 lists with a repeated track or a missing rank"),
        ([*GOOD[1:], ("ann", "overall", 3, "t1", 1.0)], "1 lists with a repeated track or a missing rank"),
        ([*GOOD[1:], ("ann", "overall", 2, "t1", 1.0)], "1 lists with a repeated track or a missing rank"),
        ([*GOOD[1:], ("ann", "overall", 1, "t3", 1.0)], "1 tracks that their user has seen"),
        ([*GOOD[:2], ("ann", "Rock", 1, "t2", 1.0), GOOD[3]], "1 tracks that are not of the genre of their list"),
        ([*GOOD, ("eve", "overall", 1, "t1", 1.0)], "1 lists of users who must not have any"),
        ([*GOOD[:3], ("bob", "overall", 1, "t3", float("nan"))], "1 scores outside 0 to 1"),
        ([*GOOD[:3], ("bob", "overall", 1, "t3", 1.1)], "1 scores outside 0 to 1"),
        ([*GOOD[:3], ("bob", "overall", 1, "t3", None)], "1 scores outside 0 to 1"),
    ],
)  # fmt: skip
def test_invalid_rows_raise_with_the_problem(
    spark: SparkSession, expected: Expected, rows: list[tuple[str, str, int, str, float | None]], message: str
) -> None:
    with pytest.raises(AuditError, match=f"^The night is not published: {message}.*The live night is unchanged.$"):
        audit(night(spark, *rows), expected)


def test_night_with_too_few_users_raises(spark: SparkSession, expected: Expected) -> None:
    with pytest.raises(AuditError, match="only 2 users have lists, the live night has 5"):
        audit(night(spark, *GOOD), replace(expected, users_before=5))
