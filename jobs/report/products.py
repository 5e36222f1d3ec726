"""Freshness and completeness of every product: how new it is, how many rows it has, and what share of what it should cover."""

import datetime as dt

from jobs.lake.lake import Lake
from jobs.lake.partitions import Partitions
from jobs.report.facts import Row, Seen, ratio

HOUR = 3600.0
GROWING = frozenset({"events", "quality", "genre_confidence"})
"""Tables of which every partition counts; of the others the newest holds all."""
LAKE = (
    "events", "play_counts", "users", "audio_files", "tracks", "history", "eligible_users", "track_clips", "genre_scores",
    "track_genres", "item_factors", "user_factors", "candidates", "ranked", "similar_tracks", "similar_artists",
    "artist_radio", "daily_mixes", "quality", "genre_confidence",
)  # fmt: skip


def night_end(date: str) -> dt.datetime:
    """The first moment after a date, UTC."""
    return dt.datetime.combine(dt.date.fromisoformat(date), dt.time(), dt.UTC) + dt.timedelta(days=1)


def complete(coverage: Row, lists: Row, rows: dict[str, int], seen: Seen) -> dict[str, tuple[int, int, str]]:
    """By product: what it has, of how many, and what that means."""
    return {
        "events": (lists["profiled"], lists["heard"], "listeners with a history who have a profile"),
        "tracks": (coverage["titled"], coverage["tracks"], "tracks with title and artist"),
        "history": (lists["heard"], lists["listeners"], "listeners with a history"),
        "track_clips": (coverage["mel"], coverage["audio"], "tracks with audio that could be decoded"),
        "genre_scores": (rows.get("genre_scores", 0), coverage["mel"], "decoded tracks that the genre model has heard"),
        "track_genres": (coverage["with_genre"], coverage["tracks"], "tracks with a genre"),
        "candidates": (lists["personal"], lists["users"], "overall lists that are wholly personal"),
        "ranked": (lists["full"], lists["listeners"], f"listeners with an overall list of {lists['length']}"),
        "recommendations": (
            seen.documents.get("recommendations", 0), seen.documents.get("lists", 0), "audited lists that readers find",
        ),
        "classified_music": (seen.documents.get("classified_music", 0), coverage["tracks"], "tracks that readers find"),
    }  # fmt: skip


def partitions(lake: Lake, name: str, date: str) -> list[Row]:
    """The newest valid partition of each part of a table up to a date: part, date, rows (growing tables: of all up to it)."""
    newest: dict[str, Row] = {}
    for manifest in lake.select(name, Partitions.UP_TO if name in GROWING else Partitions.LATEST, date):
        before = newest.get(manifest.table, {"rows": 0})["rows"] if name in GROWING else 0
        newest[manifest.table] = {"part": manifest.table, "date": manifest.date, "rows": before + manifest.rows}
    return list(newest.values())


def products(lake: Lake, seen: Seen, coverage: Row, lists: Row, newest_event: dt.datetime | None) -> list[Row]:
    """Per product: newest (date), newest_time (UTC, where its rows have times), lag_hours to the night's end, rows, parts, and
    have, of, complete (0 to 1), means. Costs no query: rows and dates stand in manifests.
    """
    found = {name: partitions(lake, name, seen.date) for name in LAKE}
    rows = {name: sum(part["rows"] for part in parts) for name, parts in found.items()}
    known = complete(coverage, lists, rows, seen)
    made = []
    for name, parts in found.items():
        if parts:
            newest = max(part["date"] for part in parts)
            made.append(_product(name, newest, rows[name], seen.date, newest_event if name == "events" else None, parts))
    for name in ("recommendations", "classified_music"):
        made.append(_product(name, seen.date, seen.documents.get(name, 0), seen.date, None, []))
    return [{**product, **_complete(known.get(product["product"]))} for product in made]


def _product(name: str, newest: str, rows: int, date: str, time: dt.datetime | None, parts: list[Row]) -> Row:
    lag = (night_end(date) - (time or night_end(newest))).total_seconds() / HOUR
    return {
        "product": name, "newest": newest, "newest_time": time, "lag_hours": round(lag, 2), "rows": rows, "parts": parts,
    }  # fmt: skip


def _complete(known: tuple[int, int, str] | None) -> Row:
    have, of, means = known or (None, None, None)
    return {"have": have, "of": of, "complete": ratio(have, of) if have is not None and of else None, "means": means}
