"""The genre model as the report tells it: what it says of tracks held out, and PMRS's confidence score per genre."""

import datetime as dt
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.evaluate.segments import MIN_USERS
from jobs.lake.model_registry import Card
from jobs.report import plots
from jobs.report.facts import Row, rows_of


def heard_with(ctx: JobContext) -> Card | None:
    """Card of the model by which the night's tracks have their probabilities; None: there was none."""
    made = ctx.night.lake.manifest("genre_scores", ctx.night.date.isoformat())
    for label, digest in (made.inputs if made else {}).items():
        if label.startswith("model|") and digest:
            return ctx.night.models.card(label.removeprefix("model|"), digest)
    return None


def held_rows(card: Card) -> list[Row]:
    """Per genre, of the tracks held out: `genre`, `tracks`, `precision` (None: nothing was called it), `recall` (None: none held).

    Empty where the card has no confusion counts.
    """
    counts = np.array(card.get("val_confusion", []))
    return [
        {"genre": genre, "tracks": int(counts[place].sum()),
         "precision": _share(counts[place, place], counts[:, place].sum()),
         "recall": _share(counts[place, place], counts[place].sum())}
        for place, genre in enumerate(card["genres"] if counts.size else [])
    ]  # fmt: skip


def _share(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None


def told(card: Card | None) -> dict[str, Any] | None:
    """What the pages show of a model: its card, rows by genre, and the picture of its confusion matrix (empty: no counts)."""
    if card is None:
        return None
    rows = held_rows(card)
    picture = plots.confusion(np.array(card["val_confusion"], float), card["genres"], "confusion", "") if rows else ""
    return {"card": card, "rows": rows, "picture": picture}


def confidence(table: DataFrame, date: dt.date, nights: int, genres: tuple[str, ...]) -> list[Row]:
    """Per genre, over lists of the last `nights` nights: `genre`, `users` (asked, night by night), `live`, `popularity` (0 to 1).

    `table`: rows of `genre_confidence`. Genres that no night tested with MIN_USERS users are left out (the same few over many
    nights would be told of); in the order of `genres`.
    """
    first, last = (date - dt.timedelta(days=days) for days in (nights, 1))
    recent = table.where(F.col("lists_date").between(first.isoformat(), last.isoformat()))

    def mean(model: str) -> Any:
        of = F.col("model") == model
        return F.round(F.sum(F.when(of, F.col("confidence") * F.col("users"))) / F.sum(F.when(of, F.col("users"))), 6).alias(model)

    asked = F.when(F.col("model") == "live", F.col("users"))
    users = F.sum(asked).alias("users"), F.max(asked).alias("most")
    per_genre = recent.groupBy("genre").agg(*users, mean("live"), mean("popularity"))
    rows = rows_of(per_genre.where(F.col("most") >= MIN_USERS).drop("most"))
    return sorted((row for row in rows if row["genre"] in genres), key=lambda row: genres.index(row["genre"]))
