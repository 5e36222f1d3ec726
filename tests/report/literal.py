"""Facts of a small, quiet night; tests change some of them."""

import datetime as dt
from typing import Any

from jobs.report.facts import Facts, RunInfo, Stage

DATE, RUN, METRIC = "2026-11-14", "20261114_1", "NDCG@20"


CARD: dict[str, Any] = {
    "name": "head-pmrs7", "digest": "abc", "method": "Genre head: <logistic>", "genres": ["Rock", "Trance", "Hip Hop"],
    "tracks": 40, "calibration": "one temperature, 1.20, found on 4 folds", "val_tracks": ["t1", "t2", "t3", "t4", "t5", "t6"],
    "val_accuracy": 4 / 6, "val_log_loss": 0.8, "val_confusion": [[3, 1, 0], [1, 1, 0], [0, 0, 0]],
    "val_use": "nothing was learned or chosen on these tracks",
}  # fmt: skip
"""Card of a genre model: four tracks of Rock and two of Trance are held out; a third is misclassified."""


def account(source: str = "app_log", **other: Any) -> dict[str, Any]:
    row = {"source": source, "files": 2, "lines_in": 4_000, "good": 3_990, "quarantined": 10, "blank": 0, "duplicates": 3,
           "late": 2, "over_limit": 0, "truncated": 0}  # fmt: skip
    return {**row, **other}


def quality_row(
    model: str, mean: float, delta: tuple[float, float, float] | None = None, **other: Any
) -> dict[str, Any]:
    """Return a row of table `quality` whose interval is 0.01 to either side."""
    mean_delta, low, high = delta or (None, None, None)
    row = {"model": model, "metric": METRIC, "lists_date": "2026-11-13", "evaluated_on": DATE, "users": 61, "mean": mean,
           "low": mean - 0.01, "high": mean + 0.01, "delta": mean_delta, "delta_ci_low": low, "delta_ci_high": high}  # fmt: skip
    return {**row, **other}


def product(name: str = "events", **other: Any) -> dict[str, Any]:
    row = {"product": name, "newest": DATE, "newest_time": dt.datetime(2026, 11, 14, 23, 30, tzinfo=dt.UTC), "lag_hours": 0.5,
           "rows": 9_000, "parts": [{"part": name, "date": DATE, "rows": 9_000}], "present": 90, "expected": 100, "complete": 0.9,
           "description": "users with a history who have a profile"}  # fmt: skip
    return {**row, **other}


def item(rank: int | None, previous_rank: int | None, **other: Any) -> dict[str, Any]:
    row = {"user_id": "u1", "track_id": "T1", "rank": rank, "previous_rank": previous_rank, "score": 0.5, "tier": "personal",
           "why": "because you played X", "title": "Song", "artist": "Band", "genre": "Rock"}  # fmt: skip
    return {**row, **other}


def example(number: int = 1, user: str = "user-one", **other: Any) -> dict[str, Any]:
    row = {"section": f"example-{number}", "role": "Longest history", "user_id": user, "n_seen": 12,
           "best_rated": [{"track_id": "T9", "title": None, "artist": None, "rating": 5.0, "plays": 3}],
           "items": [item(1, 3), item(2, None), item(3, 3)], "removed": [item(None, 1, title="Old song")], "n_new": 1,
           "had_list": True}  # fmt: skip
    return {**row, **other}


def run_info(**other: Any) -> RunInfo:
    facts: dict[str, Any] = {
        "date": DATE, "run_id": RUN, "sources": "small", "synthetic": True, "live_run": RUN, "is_newest": True,
        "stages": [Stage("events", 20.0, False, 18.0), Stage("mel", 0.4, True)],
        "previous": {"users": 99, "recommended": 50, "recommended_share": 0.5, "hit_share": 0.2, "lines": 4_100, "quarantined": 10},
        "documents": {"recommendations": 800, "lists": 800, "classified_music": 120}, "genre_model": None, "code": "c0de",
        "ranker": "Ranked with something.",
    }  # fmt: skip
    return RunInfo(**{**facts, **other})


LISTS: dict[str, Any] = {
    "first": False, "length": 20, "users": 100, "eligible": 100, "with_history": 100, "with_profile": 90, "full": 100, "short": 0,
    "listless": 0, "personal": 95, "partly": 4, "popular": 1, "both": 98, "new": 2, "gone": 1, "unchanged": 10, "stayed": 1_500,
    "overlap_10": 0.8, "overlap_20": 0.75, "shift": 2.25,
}  # fmt: skip
COVERAGE = {"tracks": 120, "titled": 118, "with_genre": 110, "audio": 30, "mel": 29, "recommended": 60, "recommended_overall": 55,
            "slots": 2_000, "unplayed": 20, "unplayed_slots": 100, "hit_slots": 400}  # fmt: skip


def night(**other: Any) -> Facts:
    """Return the facts of a quiet night with some of them changed."""
    facts: dict[str, Any] = {
        "run": run_info(),
        "accounts": [account()],
        "current_counts": [account()],
        "rejected": [{"source": "app_log", "rule": "bad_time", "count": 10,
                      "samples": [{"file": "/logs/a", "line": 3, "reason": "the time is none"}]}],
        "join_drops": [{"step": "play counts without a track", "rows_in": 200, "rows_dropped": 5}],
        "activity": [{"day": DATE, "event": "play", "count": 900, "newest": 1},
                     {"day": DATE, "event": "skip", "count": 90, "newest": 1}],
        "genre_sources": [{"source": "audio_model", "tracks": 30, "plays": 600}, {"source": "none", "tracks": 10, "plays": 0}],
        "genres": [{"genre": "Rock", "tracks": 80, "slots": 1_500}, {"genre": "unknown", "tracks": 40, "slots": 500}],
        "tiers": [{"lists": "overall", "tier": "personal", "slots": 1_900},
                  {"lists": "overall", "tier": "popular", "slots": 100}],
        "coverage": COVERAGE,
        "popularity": [{"tenth": n, "tracks": 10.0, "plays": 110.0 - 10 * n, "slots": 190.0} for n in range(1, 11)],
        "lists": LISTS,
        "artists": {"in": 3, "out": 2, "both": 40, "gained": [{"artist": "Up", "slots": 9, "previous": 4}],
                    "lost": [{"artist": "Down", "slots": 1, "previous": 7}]},
        "quality": [quality_row("live", 0.12), quality_row("popularity", 0.05, (0.07, 0.04, 0.1))],
        "products": [product(), product("tracks", newest_time=None, lag_hours=0.0)],
        "examples": [example()],
    }  # fmt: skip
    return Facts(**{**facts, **other})
