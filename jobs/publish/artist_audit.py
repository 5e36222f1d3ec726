"""Audit of the artist level: a problem stops the night, as one of the lists does. Empty tables are no problem."""

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.errors import AuditError
from jobs.lake.collect import count_rows
from jobs.publish.audit import build_lists, excluded_items, suspect_pairs


@dataclass(frozen=True)
class Kind:
    """Keys and columns of one of the tables."""

    keys: tuple[str, ...]
    """Columns that identify a list."""
    item: str
    tracks: tuple[str, ...]
    """Columns that name tracks."""


KINDS = {
    "similar_tracks": Kind(("track_id",), "similar_id", ("track_id", "similar_id")),
    "similar_artists": Kind(("artist_id",), "similar_id", ()),
    "artist_radio": Kind(("artist_id",), "track_id", ("track_id",)),
    "daily_mixes": Kind(("user_id", "list"), "track_id", ("track_id",)),
}


@dataclass(frozen=True)
class Listening:
    """Data that the mixes are checked against."""

    users: DataFrame
    """`user_id` of all users who may have mixes."""
    history: DataFrame
    """`user_id`, `track_id`."""
    erased: DataFrame
    """`user_id`, `track_id` of deletion requests."""


def audit_artist_level(tables: dict[str, DataFrame], tracks: DataFrame, listening: Listening) -> None:
    """Check `tables`, by the names of KINDS, in one Spark job. Raises AuditError, which names the first problem."""
    checks: dict[str, DataFrame] = {}
    for name, rows in tables.items():
        checks |= {f"{name}: {{}} {what}": frame for what, frame in _checks(rows, KINDS[name], tracks).items()}
    mixes, unseen = tables["daily_mixes"], tables["daily_mixes"].where("NOT seen")
    users = mixes.select("user_id").distinct().join(listening.users, "user_id", "left_anti")
    checks["daily_mixes: mixes of {} users who must not have any"] = users
    suspects = {
        "daily_mixes: {} tracks that their user has erased": (mixes, listening.erased),
        "daily_mixes: {} tracks that are marked as unseen and are not": (unseen, listening.history),
    }
    counts = count_rows(checks | {what: suspect_pairs(*pair) for what, pair in suspects.items()})
    for what, count in counts.items():
        exact = excluded_items(*suspects[what]) if count and what in suspects else count
        if exact:
            raise AuditError(f"The night is not published: {what.format(exact)}. The live night is unchanged.")


def _checks(rows: DataFrame, kind: Kind, tracks: DataFrame) -> dict[str, DataFrame]:
    """Return, by problem, the rows that have it."""
    lists = build_lists(rows, F.lit(0), kind.keys, kind.item)
    checks = {
        "lists with scores outside 0 to 1": lists.where("bad > 0"),
        "lists with a repeated or missing rank or item": lists.where("torn"),
    }
    if kind.item == "similar_id":
        checks["items that are similar to themselves"] = rows.where(F.col(kind.keys[0]) == F.col(kind.item))
    known = F.broadcast(tracks.select("track_id"))
    for name in kind.tracks:
        ids = rows.select(F.col(name).alias("track_id")).distinct()
        checks[f"values of {name} that are not in the catalogue"] = ids.join(known, "track_id", "left_anti")
    return checks
