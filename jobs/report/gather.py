"""All facts of a night, from the lake as the night sees it. What does not depend on one another is asked for at once."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pyspark.sql import DataFrame

from jobs.context import JobContext
from jobs.lake.partitions import Partitions
from jobs.report import difference, examples, genre, intake, music, quality
from jobs.report.facts import Facts, Row, Seen, rows_of
from jobs.report.products import products
from jobs.spark import run_parallel


@dataclass(frozen=True)
class Frames:
    """What several figures are made of, computed once."""

    ranked: DataFrame
    before: DataFrame | None
    """`ranked` of the night before; None: it has none."""
    history: DataFrame
    lists: DataFrame
    """See difference.listeners_lists."""
    music: DataFrame
    """See music.placed_tracks."""

    def unpersist(self) -> None:
        """Give the memory back."""
        for frame in (self.ranked, self.lists, self.music):
            frame.unpersist()


def night_before(ctx: JobContext) -> DataFrame | None:
    """`ranked` of exactly the day before, or None where that night has no valid partition: then this is the first night."""
    committed = ctx.night.lake.select("ranked", Partitions.PREVIOUS, ctx.night.date.isoformat())
    return ctx.read("ranked", Partitions.PREVIOUS) if committed else None


def frames(ctx: JobContext) -> Frames:
    """Read and join, lazily; `unpersist` when done."""
    ranked, before, history = ctx.read_required("ranked").cache(), night_before(ctx), ctx.read_required("history")
    lists = difference.listeners_lists(ctx.read_required("eligible_users"), ctx.read("users"), ranked, before)
    catalogue, genres = ctx.read_required("tracks"), ctx.read_required("track_genres")
    tracks = music.placed_tracks(catalogue, genres, history, ranked, before, ctx.read("track_clips"))
    return Frames(ranked, before, history, lists.cache(), tracks.cache())


def list_length(ctx: JobContext) -> int:
    """N of the overall list, as the night's own lists were made."""
    made = ctx.night.lake.manifest("ranked", ctx.night.date.isoformat())
    return int(made.config["overall"]) if made and "overall" in made.config else max(difference.SHOWN)


def collect(ctx: JobContext, seen: Seen, metric: str, nights: int) -> Facts:
    """All of it. `metric`: of quality, over the last `nights` nights."""
    made = frames(ctx)
    try:
        facts = _counted(ctx, made, seen, metric, nights)
        return replace(facts, examples=_examples(made))
    finally:
        made.unpersist()


def _counted(ctx: JobContext, made: Frames, seen: Seen, metric: str, nights: int) -> Facts:
    date = ctx.night.date
    counts, tonight = (intake.of_present_sources(ctx, "ingest_counts", of_the_night=night) for night in (False, True))
    refused = intake.of_present_sources(ctx, "quarantine", of_the_night=True)
    events, losses, judged = ctx.read("events", Partitions.UP_TO), ctx.read("join_drops"), ctx.read("quality", Partitions.UP_TO)
    confidence = ctx.read("genre_confidence", Partitions.UP_TO)
    asked: dict[str, Callable[[], Any]] = {
        "lists": partial(difference.compare, made.lists, list_length(ctx), made.before is None),
        "coverage": partial(music.coverage, made.music),
        "activity": partial(intake.activity, events, date.isoformat()),
        "rejected": partial(intake.rejected, refused),
        "accounts": partial(intake.accounts, counts),
        "tonight": partial(intake.accounts, tonight),
        "losses": partial(rows_of, losses.orderBy("step")),
        "genre_sources": partial(music.genre_sources, made.music),
        "genres": partial(music.genres, made.music),
        "tiers": partial(music.tiers, made.ranked),
        "popularity": partial(music.popularity, made.music),
        "artists": partial(music.artists, ctx.spark, made.music),
        "quality": partial(quality.recent, judged, date, metric, nights),
        "confidence": partial(genre.confidence, confidence, date, nights, ctx.genres.genres),
    }
    found = dict(zip(asked, run_parallel(ctx.spark, *asked.values()), strict=True))
    newest = _newest(found["activity"])
    shown = products(ctx.night.lake, seen, found["coverage"], found["lists"], newest)
    return Facts(seen=seen, products=shown, **found)


def _newest(activity: list[Row]) -> dt.datetime | None:
    times = [row["newest"] for row in activity]
    return dt.datetime.fromtimestamp(max(times), dt.UTC) if times else None


def _examples(made: Frames) -> list[Row]:
    chosen = examples.choose(made.lists)
    if not chosen:
        return []
    users = [one["user_id"] for one in chosen.values()]
    asked = (
        partial(examples.places, users, made.ranked, made.before, made.music),
        partial(examples.loved, users, made.history, made.music),
    )
    listed, best = run_parallel(made.ranked.sparkSession, *asked)
    return examples.sections(chosen, listed, best)
