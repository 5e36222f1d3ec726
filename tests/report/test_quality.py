"""What became of the lists, in words, and which rows the report asks for."""

import datetime as dt
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.lake.schemas import table
from jobs.report.plots import quality as drawn
from jobs.report.quality import LIVE, of_day, recent, sentence
from tests.report.literal import DATE, METRIC, judged

AHEAD, BEHIND, SAME = (0.07, 0.04, 0.1), (-0.07, -0.1, -0.04), (0.01, -0.02, 0.04)


@pytest.mark.parametrize(
    ("against", "told"),
    [
        (AHEAD, "significantly ahead of popularity (+0.070, 95 % interval +0.040 to +0.100); 61 listeners."),
        (BEHIND, "significantly behind popularity (-0.070, 95 % interval -0.100 to -0.040)"),
        (SAME, "are not told apart from popularity (+0.010, 95 % interval -0.020 to +0.040)"),
    ],
)
def test_one_sentence_says_who_is_ahead_and_whether_that_is_sure(against: tuple[float, float, float], told: str) -> None:
    said = sentence([judged("live", 0.1), judged("popularity", 0.05, against)], DATE, METRIC, False)
    assert told in said
    assert said.startswith("By NDCG@20, the lists of the night before are ")


def test_where_nothing_was_judged_the_reason_is_said() -> None:
    old = [judged("live", 0.1, judged="2026-11-12"), judged("popularity", 0.1, SAME, judged="2026-11-12")]
    assert "first night" in sentence([], DATE, METRIC, True)
    assert "2026-11-12" in sentence(old, DATE, METRIC, False)
    assert "nobody who had lists" in sentence([], DATE, METRIC, False)


def test_the_night_before_judged_is_of_the_next_day_and_the_series_has_one_metric(spark: SparkSession) -> None:
    rows: list[tuple[Any, ...]] = [
        (model, metric, day, 9, 0.1, 0.0, 0.2, None, None, None)
        for model in ("popularity", "live") for metric in (METRIC, "HR@20") for day in ("2026-11-09", "2026-11-10", "2026-11-13")
    ]  # fmt: skip
    found = recent(spark.createDataFrame(rows, table("quality").schema), dt.date.fromisoformat(DATE), METRIC, 4)
    told = [(row["judged"], row["model"], row["metric"]) for row in found]
    assert told == [
        ("2026-11-11", "live", METRIC), ("2026-11-11", "popularity", METRIC), (DATE, "live", "HR@20"), (DATE, "live", METRIC),
        (DATE, "popularity", "HR@20"), (DATE, "popularity", METRIC),
    ]  # fmt: skip
    assert [row["model"] for row in of_day(found, DATE, METRIC)] == [LIVE, "popularity"]


@pytest.mark.parametrize("days", [[14], [13, 14], [1, 2, 3, 8, 14]])
def test_a_picture_of_any_number_of_days_names_its_models_and_its_last_day(days: list[int]) -> None:
    rows = [judged(model, 0.1, judged=f"2026-11-{day:02}") for day in days for model in ("live", "popularity")]
    svg = drawn(rows, METRIC)
    assert svg.count("<svg") == svg.count("</svg>") == 1
    assert all(f">{words}<" in svg for words in ("our lists", "popularity", "14 Nov"))
    assert "width=" not in svg[: svg.index(">")]
