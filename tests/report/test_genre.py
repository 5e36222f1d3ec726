"""The genre model in the report: validation figures, and the confidence score over the last nights."""

import datetime as dt
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.lake.schemas import table
from jobs.report import genre
from jobs.report.cards import render as card_page
from tests.report.literal import CARD, night, run_info
from tests.report.test_page import page_of, read

DATE = dt.date(2026, 11, 14)


def test_precision_and_recall_are_none_if_undefined() -> None:
    rows = {row["genre"]: (row["tracks"], row["precision"], row["recall"]) for row in genre.validation_rows(CARD)}
    assert rows == {"Rock": (4, 0.75, 0.75), "Trance": (2, 0.5, 0.5), "Hip Hop": (0, None, None)}
    unknown = {key: value for key, value in CARD.items() if key != "val_confusion"}
    assert genre.validation_rows(unknown) == []


def test_page_shows_confusion_matrix_and_calibration() -> None:
    page = page_of(night(run=run_info(genre_model=CARD)))
    text = " ".join(" ".join(read(page).text).split())
    assert "Of 6 labelled tracks held out, 67 % are classified correctly" in text
    assert "Rock 0.75 0.75 4" in text
    assert "Calibrated by one temperature, 1.20" in text
    assert 'aria-label="Confusion matrix' in page
    assert "an older version" not in page


def test_card_without_confusion_counts_names_the_remedy() -> None:
    old = {key: value for key, value in CARD.items() if key not in {"val_confusion", "val_log_loss", "calibration"}}
    page = page_of(night(run=run_info(genre_model=old)))
    assert "genre_train --force" in page
    assert "not calibrated" in page
    assert 'aria-label="Confusion' not in page


def test_model_page_shows_confusion_matrix() -> None:
    page = card_page(CARD, live=True)
    read(page)
    assert 'aria-label="Confusion matrix' in page
    assert "held confusion" not in page


def test_confidence_is_the_mean_over_users_of_all_nights(spark: SparkSession) -> None:
    def row(lists_date: str, model: str, name: str, users: int, score: float) -> tuple[Any, ...]:
        return (model, name, lists_date, users, score)

    rows = [
        row("2026-11-13", "live", "Rock", 30, 0.5), row("2026-11-13", "popularity", "Rock", 30, 0.1),
        row("2026-11-12", "live", "Rock", 10, 0.1), row("2026-11-12", "popularity", "Rock", 10, 0.3),
        *[row(f"2026-11-{day}", model, "Trance", 15, 1.0) for day in (12, 13) for model in ("live", "popularity")],
        row("2026-11-01", "live", "Hip Hop", 90, 1.0), row("2026-11-01", "popularity", "Hip Hop", 90, 1.0),
    ]  # fmt: skip
    frame = spark.createDataFrame(rows, table("genre_confidence").schema)
    scores = genre.confidence(frame, DATE, 7, ("Hip Hop", "Rock", "Trance"))
    assert scores == [{"genre": "Rock", "users": 40, "live": pytest.approx(0.4), "popularity": pytest.approx(0.15)}]
    page = page_of(night(confidence=scores))
    assert "PMRS&#39;s confidence score by genre" in page
    assert "0.40" in page
    assert "confidence score by genre" not in page_of(night())
