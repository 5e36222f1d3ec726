"""Collect the facts of a night from the lake. Independent queries run in parallel."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pyspark.sql import DataFrame

from jobs.context import JobContext
from jobs.lake.partitions import Partitions
from jobs.report import difference, examples, genre, intake, music, quality
from jobs.report.facts import Facts, Row, RunInfo, rows_of
from jobs.report.products import build_products
from jobs.spark import run_parallel


@dataclass(frozen=True)
class Frames:
    """DataFrames that several figures use."""

    ranked: DataFrame
    previous: DataFrame | None
    """`ranked` of the previous night; None if it has none."""
    history: DataFrame
    lists: DataFrame
    """See difference.user_lists."""
    music: DataFrame
    """See music.track_usage."""

    def unpersist(self) -> None:
        """Release the cached frames."""
        for frame in (self.ranked, self.lists, self.music):
            frame.unpersist()


def previous_ranked(ctx: JobContext) -> DataFrame | None:
    """Return `ranked` of the day before; None if that night has no valid partition, so that this is the first night."""
    committed = ctx.night.lake.select("ranked", Partitions.PREVIOUS, ctx.night.date.isoformat())
    return ctx.read("ranked", Partitions.PREVIOUS) if committed else None


def read_frames(ctx: JobContext) -> Frames:
    """Read and join the frames lazily; the caller unpersists them."""
    ranked, previous = ctx.read_required("ranked").cache(), previous_ranked(ctx)
    history = ctx.read_required("history")
    lists = difference.user_lists(ctx.read_required("eligible_users"), ctx.read("users"), ranked, previous)
    catalogue, genres = ctx.read_required("tracks"), ctx.read_required("track_genres")
    tracks = music.track_usage(catalogue, genres, history, ranked, previous, ctx.read("track_clips"))
    return Frames(ranked, previous, history, lists.cache(), tracks.cache())


def list_length(ctx: JobContext) -> int:
    """Return N of the overall list, as the night's lists were made."""
    manifest = ctx.night.lake.manifest("ranked", ctx.night.date.isoformat())
    configured = manifest is not None and "overall" in manifest.config
    return int(manifest.config["overall"]) if manifest and configured else max(difference.OVERLAP_AT)


def collect(ctx: JobContext, run: RunInfo, metric: str, nights: int) -> Facts:
    """Return all facts. `metric`: of table `quality`, over the last `nights` nights."""
    frames = read_frames(ctx)
    try:
        facts = _collect_figures(ctx, frames, run, metric, nights)
        return replace(facts, examples=_collect_examples(frames))
    finally:
        frames.unpersist()


def _collect_figures(ctx: JobContext, frames: Frames, run: RunInfo, metric: str, nights: int) -> Facts:
    date = ctx.night.date
    all_counts, night_counts = (
        intake.read_current_sources(ctx, "ingest_counts", night_only=night_only) for night_only in (False, True)
    )
    quarantine = intake.read_current_sources(ctx, "quarantine", night_only=True)
    events, join_drops = ctx.read("events", Partitions.UP_TO), ctx.read("join_drops")
    evaluated, confidence = (ctx.read(name, Partitions.UP_TO) for name in ("quality", "genre_confidence"))
    queries: dict[str, Callable[[], Any]] = {
        "lists": partial(difference.compare, frames.lists, list_length(ctx), frames.previous is None),
        "coverage": partial(music.coverage, frames.music),
        "activity": partial(intake.activity, events, date.isoformat()),
        "rejected": partial(intake.rejected, quarantine),
        "accounts": partial(intake.accounts, all_counts),
        "current_counts": partial(intake.accounts, night_counts),
        "join_drops": partial(rows_of, join_drops.orderBy("step")),
        "genre_sources": partial(music.genre_sources, frames.music),
        "genres": partial(music.genres, frames.music),
        "tiers": partial(music.tiers, frames.ranked),
        "popularity": partial(music.popularity, frames.music),
        "artists": partial(music.artists, ctx.spark, frames.music),
        "quality": partial(quality.recent_quality, evaluated, date, metric, nights),
        "confidence": partial(genre.confidence, confidence, date, nights, ctx.genres.genres),
    }
    figures = dict(zip(queries, run_parallel(ctx.spark, *queries.values()), strict=True))
    newest = _newest_event(figures["activity"])
    products = build_products(ctx.night.lake, run, figures["coverage"], figures["lists"], newest)
    return Facts(run=run, products=products, **figures)


def _newest_event(activity: list[Row]) -> dt.datetime | None:
    times = [row["newest"] for row in activity]
    return dt.datetime.fromtimestamp(max(times), dt.UTC) if times else None


def _collect_examples(frames: Frames) -> list[Row]:
    chosen = examples.choose_users(frames.lists)
    if not chosen:
        return []
    users = [user["user_id"] for user in chosen.values()]
    queries = (
        partial(examples.list_changes, users, frames.ranked, frames.previous, frames.music),
        partial(examples.best_rated, users, frames.history, frames.music),
    )
    changes, best = run_parallel(frames.ranked.sparkSession, *queries)
    return examples.build_examples(chosen, changes, best)
