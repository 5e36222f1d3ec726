"""A small catalogue of artists in three groups, as tables of a night."""

import datetime as dt
from typing import Any

import numpy as np

from jobs.context import JobContext, Night
from jobs.lake.partitions import Partitions
from jobs.lake.schemas import audio, table

DAY = dt.date(2026, 11, 14)
GROUPS = 3
"""Artists a0 to a8, three per group, with four tracks each. Tracks of a group have similar factors and audio."""


def write_tables(ctx: JobContext, rows: dict[str, list[dict[str, Any]]]) -> None:
    for name, some in rows.items():
        schema = table(name).read_schema
        tuples = [tuple(row.get(field.name) for field in schema) for row in some]
        ctx.write(name, ctx.spark.createDataFrame(tuples, schema))
    ctx.commit()


def small_tables() -> dict[str, list[dict[str, Any]]]:
    """Return the tables of a night.

    a8 has no audio, and track t8.3 no factors either. Tracks x and y have no artist. The artist of n has a name, but no id.
    """
    rng = np.random.default_rng(2)
    directions, sounds = rng.normal(size=(GROUPS, 6)), rng.normal(size=(GROUPS, 2))
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in (
        "tracks", "item_factors", "track_descriptors", "track_genres", "history", "eligible_users", "artist_terms/msd",
        "events/app", "deletions/requests")}  # fmt: skip

    def track(name: str, group: int, artist_id: str | None, artist: str | None, played: bool = True, loud: bool = True) -> None:
        rows["tracks"].append({"track_id": name, "title": f"Title {name}", "artist_id": artist_id, "artist": artist,
                               "song_id": f"S{name}", "has_audio": loud, "origin": "catalogue"})  # fmt: skip
        genre = ("Rock", "Trance", None)[group]
        shares = [float(group == index) for index in range(2)] if genre else []
        label = {"genre": genre, "confidence": 1.0, "probabilities": shares, "source": "label"}
        rows["track_genres"].append({"track_id": name, **label})
        if played:
            factors = (directions[group] + rng.normal(size=6) * 0.3).tolist()
            rows["item_factors"].append({"track_id": name, "factors": factors})
        if loud:
            of_group = enumerate(audio.NUMBERS)
            numbers = {column.name: float(sounds[group, index % 2] + rng.normal() * 0.2) for index, column in of_group}
            vectors = {column.name: (sounds[group] + rng.normal(size=2) * 0.2).tolist() for column in audio.VECTORS}
            head = {"track_id": name, "content_hash": name, "producer_version": "m"}
            rows["track_descriptors"].append({**head, **numbers, **vectors})

    for artist in range(9):
        for number in range(4):
            silent = artist == 8
            track(f"t{artist}.{number}", artist // 3, f"a{artist}", f"Artist {artist}", not (silent and number == 3), not silent)
    track("x", 0, None, None)
    track("y", 1, None, None)
    track("n", 0, None, "Nameless")
    for artist in range(3):
        rows["artist_terms/msd"] += [{"artist_id": f"a{artist}", "term": term} for term in ("loud", f"own {artist}")]
    return rows


def add_listening(rows: dict[str, list[dict[str, Any]]], user: str, *tracks: str, rating: float = 2.0) -> None:
    rows["eligible_users"].append({"user_id": user, "n_seen": len(tracks)})
    rows["history"] += [{"user_id": user, "track_id": t, "rating": rating, "plays": 2, "liked": False} for t in tracks]


def rows_of(night: Night, name: str, where: str = "true") -> list[Any]:
    frame = night.lake.read(night.spark, name, Partitions.DATE, DAY.isoformat()).where(where)
    return frame.orderBy(*table(name).key).collect()
