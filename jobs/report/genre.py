"""The genre model in the reports: its validation figures, and PMRS's confidence score per genre."""

import datetime as dt
from typing import Any

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs import plots
from jobs.context import JobContext
from jobs.lake.inputs import Input, InputKind
from jobs.lake.model_registry import Card
from jobs.report.facts import Row, rows_of

MIN_USERS = 20
"""Genres tested with fewer users on every night are left out, as in `pmrs evaluate`: the rows could identify a user."""


def model_of_night(ctx: JobContext) -> Card | None:
    """Return the card of the model that scored the night's tracks; None if there was none."""
    manifest = ctx.night.lake.manifest("genre_scores", ctx.night.date.isoformat())
    for label, digest in (manifest.inputs if manifest else {}).items():
        item = Input.parse(label)
        if item.kind == InputKind.MODEL and digest:
            return ctx.night.models.card(item.name, digest)
    return None


def validation_rows(card: Card) -> list[Row]:
    """Return a row per genre: `genre`, `tracks` (held out), `precision` and `recall`; None for an undefined ratio.

    Returns no rows if the card has no confusion counts.
    """
    counts = np.array(card.get("val_confusion", []))
    return [
        {"genre": genre, "tracks": int(counts[index].sum()),
         "precision": _ratio(counts[index, index], counts[:, index].sum()),
         "recall": _ratio(counts[index, index], counts[index].sum())}
        for index, genre in enumerate(card["genres"] if counts.size else [])
    ]  # fmt: skip


def _ratio(part: int, total: int) -> float | None:
    return float(part / total) if total else None


def model_section(card: Card | None) -> dict[str, Any] | None:
    """Return the data of a page's section on a model: card, rows per genre, and the plot of its confusion matrix.

    The plot is empty if the card has no confusion counts.
    """
    if card is None:
        return None
    rows = validation_rows(card)
    plot = plots.confusion(np.array(card["val_confusion"], float), card["genres"], "confusion", "") if rows else ""
    return {"card": card, "rows": rows, "plot": plot}


def confidence(table: DataFrame, date: dt.date, nights: int, genres: tuple[str, ...]) -> list[Row]:
    """Return the mean confidence scores over the lists of the last `nights` nights, in the order of `genres`.

    Columns: `genre`, `users` (summed over nights), `live`, `popularity` (0 to 1). `table`: rows of `genre_confidence`.
    """
    first, last = (date - dt.timedelta(days=days) for days in (nights, 1))
    recent = table.where(F.col("lists_date").between(first.isoformat(), last.isoformat()))
    live_users = F.when(F.col("model") == "live", F.col("users"))
    counts = F.sum(live_users).alias("users"), F.max(live_users).alias("max_users")
    per_genre = recent.groupBy("genre").agg(*counts, _weighted_mean("live"), _weighted_mean("popularity"))
    rows = rows_of(per_genre.where(F.col("max_users") >= MIN_USERS).drop("max_users"))
    return sorted((row for row in rows if row["genre"] in genres), key=lambda row: genres.index(row["genre"]))


def _weighted_mean(model: str) -> Column:
    """Return the mean confidence of a model, weighted by users."""
    is_model = F.col("model") == model
    weighted = F.sum(F.when(is_model, F.col("confidence") * F.col("users")))
    return F.round(weighted / F.sum(F.when(is_model, F.col("users"))), 6).alias(model)
