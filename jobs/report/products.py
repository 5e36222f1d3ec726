"""Freshness and completeness of every product: its newest date, its number of rows, and the share that it covers."""

import datetime as dt

from jobs.lake.lake import Lake
from jobs.lake.partitions import Partitions
from jobs.report.facts import Row, RunInfo, ratio

SECONDS_PER_HOUR = 3600.0
CUMULATIVE_TABLES = frozenset({"events", "quality", "genre_confidence"})
"""Tables whose rows are in all partitions; of the others the newest partition has all rows."""
TABLES = (
    "events", "play_counts", "users", "audio_files", "tracks", "history", "eligible_users", "track_clips", "genre_scores",
    "track_genres", "item_factors", "user_factors", "candidates", "ranked", "similar_tracks", "similar_artists",
    "artist_radio", "daily_mixes", "quality", "genre_confidence",
)  # fmt: skip
Completeness = tuple[int, int, str]
"""Number present, number expected, and what is counted."""


def night_end(date: str) -> dt.datetime:
    """Return the first moment after a date, UTC."""
    return dt.datetime.combine(dt.date.fromisoformat(date), dt.time(), dt.UTC) + dt.timedelta(days=1)


def completeness(coverage: Row, lists: Row, rows: dict[str, int], run: RunInfo) -> dict[str, Completeness]:
    """Return the completeness of each product that has one."""
    return {
        "events": (lists["with_profile"], lists["with_history"], "users with a history who have a profile"),
        "tracks": (coverage["titled"], coverage["tracks"], "tracks with title and artist"),
        "history": (lists["with_history"], lists["eligible"], "users with a history"),
        "track_clips": (coverage["mel"], coverage["audio"], "tracks with audio that could be decoded"),
        "genre_scores": (rows.get("genre_scores", 0), coverage["mel"], "decoded tracks that the genre model scored"),
        "track_genres": (coverage["with_genre"], coverage["tracks"], "tracks with a genre"),
        "candidates": (lists["personal"], lists["users"], "overall lists with personal tracks only"),
        "ranked": (lists["full"], lists["eligible"], f"users with an overall list of {lists['length']}"),
        "recommendations": (
            run.documents.get("recommendations", 0), run.documents.get("lists", 0), "audited lists that are published",
        ),
        "classified_music": (run.documents.get("classified_music", 0), coverage["tracks"], "tracks that are published"),
    }  # fmt: skip


def newest_partitions(lake: Lake, name: str, date: str) -> list[Row]:
    """Return the newest valid partition of each part of a table up to a date: part, date, rows.

    `rows` of a cumulative table is the sum of all partitions up to the date.
    """
    newest: dict[str, Row] = {}
    cumulative = name in CUMULATIVE_TABLES
    for manifest in lake.select(name, Partitions.UP_TO if cumulative else Partitions.LATEST, date):
        earlier = newest.get(manifest.table, {"rows": 0})["rows"] if cumulative else 0
        newest[manifest.table] = {"part": manifest.table, "date": manifest.date, "rows": earlier + manifest.rows}
    return list(newest.values())


def build_products(lake: Lake, run: RunInfo, coverage: Row, lists: Row, newest_event: dt.datetime | None) -> list[Row]:
    """Return a row per product, from manifests alone.

    Columns: newest (date), newest_time (UTC, of tables with timestamps), lag_hours to the night's end, rows, parts, and
    present, expected, complete (0 to 1), description.
    """
    parts_of = {name: newest_partitions(lake, name, run.date) for name in TABLES}
    rows = {name: sum(part["rows"] for part in parts) for name, parts in parts_of.items()}
    by_product = completeness(coverage, lists, rows, run)
    products = []
    for name, parts in parts_of.items():
        if parts:
            newest = max(part["date"] for part in parts)
            time = newest_event if name == "events" else None
            products.append(_build_product(name, newest, rows[name], run.date, time, parts))
    for name in ("recommendations", "classified_music"):
        products.append(_build_product(name, run.date, run.documents.get(name, 0), run.date, None, []))
    return [{**product, **_completeness_columns(by_product.get(product["product"]))} for product in products]


def _build_product(name: str, newest: str, rows: int, date: str, time: dt.datetime | None, parts: list[Row]) -> Row:
    lag = (night_end(date) - (time or night_end(newest))).total_seconds() / SECONDS_PER_HOUR
    return {
        "product": name, "newest": newest, "newest_time": time, "lag_hours": round(lag, 2), "rows": rows, "parts": parts,
    }  # fmt: skip


def _completeness_columns(values: Completeness | None) -> Row:
    present, expected, description = values or (None, None, None)
    complete = ratio(present, expected) if present is not None and expected else None
    return {"present": present, "expected": expected, "complete": complete, "description": description}
