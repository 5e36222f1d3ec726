"""Sentences about quality, the rows that the report reads, and the plot."""

import datetime as dt
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.lake.schemas import table
from jobs.report.plots import quality as quality_plot
from jobs.report.quality import LIVE, evaluated_on, quality_sentence, recent_quality
from tests.report.literal import DATE, METRIC, quality_row

BETTER, WORSE, EQUAL = (0.07, 0.04, 0.1), (-0.07, -0.1, -0.04), (0.01, -0.02, 0.04)


@pytest.mark.parametrize(
    ("delta", "text"),
    [
        (BETTER, "significantly better than popularity (+0.070, 95 % interval +0.040 to +0.100); 61 users."),
        (WORSE, "significantly worse than popularity (-0.070, 95 % interval -0.100 to -0.040)"),
        (EQUAL, "are not significantly different from popularity (+0.010, 95 % interval -0.020 to +0.040)"),
    ],
)
def test_sentence_has_difference_and_significance(delta: tuple[float, float, float], text: str) -> None:
    sentence = quality_sentence([quality_row("live", 0.1), quality_row("popularity", 0.05, delta)], DATE, METRIC, False)
    assert text in sentence
    assert sentence.startswith("By NDCG@20, the lists of the previous night are ")


def test_sentence_without_evaluation_has_the_reason() -> None:
    old = [
        quality_row("live", 0.1, evaluated_on="2026-11-12"),
        quality_row("popularity", 0.1, EQUAL, evaluated_on="2026-11-12"),
    ]
    assert "first night" in quality_sentence([], DATE, METRIC, True)
    assert "2026-11-12" in quality_sentence(old, DATE, METRIC, False)
    assert "no user with a list" in quality_sentence([], DATE, METRIC, False)


def test_recent_quality_has_one_metric_and_all_metrics_of_the_day(spark: SparkSession) -> None:
    rows: list[tuple[Any, ...]] = [
        (model, metric, day, 9, 0.1, 0.0, 0.2, None, None, None)
        for model in ("popularity", "live") for metric in (METRIC, "HR@20") for day in ("2026-11-09", "2026-11-10", "2026-11-13")
    ]  # fmt: skip
    recent = recent_quality(
        spark.createDataFrame(rows, table("quality").schema), dt.date.fromisoformat(DATE), METRIC, 4
    )
    rows_ = [(row["evaluated_on"], row["model"], row["metric"]) for row in recent]
    assert rows_ == [
        ("2026-11-11", "live", METRIC), ("2026-11-11", "popularity", METRIC), (DATE, "live", "HR@20"), (DATE, "live", METRIC),
        (DATE, "popularity", "HR@20"), (DATE, "popularity", METRIC),
    ]  # fmt: skip
    assert [row["model"] for row in evaluated_on(recent, DATE, METRIC)] == [LIVE, "popularity"]


@pytest.mark.parametrize("days", [[14], [13, 14], [1, 2, 3, 8, 14]])
def test_quality_plot_names_models_and_last_day(days: list[int]) -> None:
    rows = [
        quality_row(model, 0.1, evaluated_on=f"2026-11-{day:02}") for day in days for model in ("live", "popularity")
    ]
    svg = quality_plot(rows, METRIC)
    assert svg.count("<svg") == svg.count("</svg>") == 1
    assert all(f">{words}<" in svg for words in ("live lists", "popularity", "14 Nov"))
    assert "width=" not in svg[: svg.index(">")]
