"""Freshness and completeness, from manifests that are written by hand."""

import datetime as dt
from pathlib import Path
from typing import Any

from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.report.products import night_end, products
from tests.report.literal import COVERAGE, DATE, LISTS, seen


def lake(folder: Path) -> Lake:
    made = Lake(str(folder), frozenset({"app", "web", "counts"}))
    for part, date, rows in (
        ("events/app", "2026-11-13", 100), ("events/app", DATE, 40), ("events/web", "2026-11-12", 7), ("events/gone", DATE, 999),
        ("events/app", "2026-11-15", 5_000), ("play_counts/counts", "2026-11-09", 60), ("tracks", "2026-11-13", 110),
        ("tracks", DATE, 120), ("ranked", DATE, 2_000), ("genre_scores", DATE, 28), ("track_clips", DATE, 29),
    ):  # fmt: skip
        made.commit(Manifest(part, date, "", rows, "d", "job", "r"))
    return made


def test_each_product_says_how_new_and_how_whole_it_is(tmp_path: Path) -> None:
    newest = dt.datetime(2026, 11, 14, 22, 30, tzinfo=dt.UTC)
    found: dict[str, dict[str, Any]] = {
        row["product"]: row for row in products(lake(tmp_path), seen(), COVERAGE, {**LISTS, "full": 97, "short": 3}, newest)
    }
    views = {"recommendations", "classified_music"}
    assert set(found) == {"events", "play_counts", "tracks", "track_clips", "genre_scores", "ranked", *views}
    events = found["events"]
    assert (events["rows"], events["newest"], events["newest_time"], events["lag_hours"]) == (147, DATE, newest, 1.5)
    assert events["parts"] == [
        {"part": "events/app", "date": DATE, "rows": 140}, {"part": "events/web", "date": "2026-11-12", "rows": 7},
    ]  # fmt: skip
    assert (events["have"], events["of"], events["complete"]) == (90, 100, 0.9)
    assert (found["play_counts"]["lag_hours"], found["play_counts"]["complete"]) == (120.0, None)
    assert (found["tracks"]["rows"], found["tracks"]["lag_hours"], found["tracks"]["have"]) == (120, 0.0, 118)
    assert (found["ranked"]["have"], found["ranked"]["of"], found["ranked"]["complete"]) == (97, 100, 0.97)
    assert (found["track_clips"]["have"], found["track_clips"]["of"]) == (29, 30)
    assert (found["genre_scores"]["have"], found["genre_scores"]["of"]) == (28, 29)
    assert (found["recommendations"]["rows"], found["recommendations"]["complete"]) == (800, 1.0)


def test_without_a_newest_time_the_date_counts(tmp_path: Path) -> None:
    events = products(lake(tmp_path), seen(date="2026-11-16"), COVERAGE, LISTS, None)[0]
    assert (events["newest"], events["lag_hours"]) == ("2026-11-15", 24.0)


def test_a_night_ends_at_midnight_utc() -> None:
    assert night_end("2026-12-31") == dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
