"""The audit of the artist level: what is wrong with it stops the night as a wrong list does. Empty tables are no fault."""

from collections.abc import Iterator
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.errors import AuditError
from jobs.publish.audit import build_lists, places_of


@dataclass(frozen=True)
class Kind:
    """How one of the tables is made."""

    keys: tuple[str, ...]
    """Whose list it is."""
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
    """What mixes are held against."""

    listeners: DataFrame
    """`user_id` of everybody who may have mixes."""
    history: DataFrame
    """`user_id`, `track_id`."""
    forgotten: DataFrame
    """`user_id`, `track_id` of wishes."""


def audit_sisters(tables: dict[str, DataFrame], tracks: DataFrame, listening: Listening) -> None:
    """`tables` by the names of KINDS. Raises AuditError naming the first thing that is wrong."""
    for name, rows in tables.items():
        for problem in (*_list_problems(rows, KINDS[name]), *_strangers(rows, KINDS[name], tracks)):
            raise AuditError(f"The night is not published: {name}: {problem}. The live night stays.")
    for problem in _mix_problems(tables["daily_mixes"], listening):
        raise AuditError(f"The night is not published: daily_mixes: {problem}. The live night stays.")


def _list_problems(rows: DataFrame, kind: Kind) -> Iterator[str]:
    lists = build_lists(rows, F.lit(0), kind.keys, kind.item)
    row = lists.agg(F.coalesce(F.sum("bad"), F.lit(0)).alias("bad"), F.count_if("torn").alias("torn")).collect()[0]
    if row["bad"]:
        yield f"{row['bad']} scores that are no number from 0 to 1"
    if row["torn"]:
        yield f"{row['torn']} lists with the same thing twice or a place missing"
    if kind.item == "similar_id" and (own := rows.where(F.col(kind.keys[0]) == F.col(kind.item)).count()):
        yield f"{own} things that are similar to themselves"


def _strangers(rows: DataFrame, kind: Kind, tracks: DataFrame) -> Iterator[str]:
    known = F.broadcast(tracks.select("track_id"))
    for name in kind.tracks:
        strange = rows.select(F.col(name).alias("track_id")).distinct().join(known, "track_id", "left_anti").count()
        if strange:
            yield f"{strange} tracks that are not in the catalogue"


def _mix_problems(mixes: DataFrame, listening: Listening) -> Iterator[str]:
    if count := mixes.select("user_id").distinct().join(listening.listeners, "user_id", "left_anti").count():
        yield f"mixes of {count} users who are to get none"
    if count := places_of(mixes, listening.forgotten):
        yield f"{count} places with a track that its user wants forgotten"
    if count := places_of(mixes.where("NOT seen"), listening.history):
        yield f"{count} places with a track that is said not to be heard and is"
