"""Freshness and completeness from literal manifests."""

import datetime as dt
from pathlib import Path
from typing import Any

from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.report.products import build_products, night_end
from tests.report.literal import COVERAGE, DATE, LISTS, run_info


def lake(folder: Path) -> Lake:
    lake_ = Lake(str(folder), frozenset({"app", "web", "counts"}))
    for part, date, rows in (
        ("events/app", "2026-11-13", 100), ("events/app", DATE, 40), ("events/web", "2026-11-12", 7), ("events/gone", DATE, 999),
        ("events/app", "2026-11-15", 5_000), ("play_counts/counts", "2026-11-09", 60), ("tracks", "2026-11-13", 110),
        ("tracks", DATE, 120), ("ranked", DATE, 2_000), ("genre_scores", DATE, 28), ("track_clips", DATE, 29),
    ):  # fmt: skip
        lake_.commit(Manifest(part, date, "", rows, "d", "job", "r"))
    return lake_


def test_products_have_freshness_and_completeness(tmp_path: Path) -> None:
    newest = dt.datetime(2026, 11, 14, 22, 30, tzinfo=dt.UTC)
    by_product: dict[str, dict[str, Any]] = {
        row["product"]: row
        for row in build_products(lake(tmp_path), run_info(), COVERAGE, {**LISTS, "full": 97, "short": 3}, newest)
    }
    views = {"recommendations", "classified_music"}
    assert set(by_product) == {"events", "play_counts", "tracks", "track_clips", "genre_scores", "ranked", *views}
    events = by_product["events"]
    assert (events["rows"], events["newest"], events["newest_time"], events["lag_hours"]) == (147, DATE, newest, 1.5)
    assert events["parts"] == [
        {"part": "events/app", "date": DATE, "rows": 140}, {"part": "events/web", "date": "2026-11-12", "rows": 7},
    ]  # fmt: skip
    assert (events["present"], events["expected"], events["complete"]) == (90, 100, 0.9)
    assert (by_product["play_counts"]["lag_hours"], by_product["play_counts"]["complete"]) == (120.0, None)
    assert (by_product["tracks"]["rows"], by_product["tracks"]["lag_hours"], by_product["tracks"]["present"]) == (
        120,
        0.0,
        118,
    )
    assert (by_product["ranked"]["present"], by_product["ranked"]["expected"], by_product["ranked"]["complete"]) == (
        97,
        100,
        0.97,
    )
    assert (by_product["track_clips"]["present"], by_product["track_clips"]["expected"]) == (29, 30)
    assert (by_product["genre_scores"]["present"], by_product["genre_scores"]["expected"]) == (28, 29)
    assert (by_product["recommendations"]["rows"], by_product["recommendations"]["complete"]) == (800, 1.0)


def test_lag_goes_by_date_without_a_newest_time(tmp_path: Path) -> None:
    events = build_products(lake(tmp_path), run_info(date="2026-11-16"), COVERAGE, LISTS, None)[0]
    assert (events["newest"], events["lag_hours"]) == ("2026-11-15", 24.0)


def test_night_ends_at_midnight_utc() -> None:
    assert night_end("2026-12-31") == dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
