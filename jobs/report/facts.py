"""The numbers of a night, small enough for a page: what came in, what was lost, what came out, and how long it took."""

from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.sources.formats import FORMATS

Row = dict[str, Any]
SAMPLES = 3
"""Rejected lines shown per rule."""


@dataclass(frozen=True)
class Facts:
    """Everything that the report shows."""

    accounts: list[Row]
    """Per source: files, lines_in, good, quarantined, blank, duplicates, late, over_limit, truncated (files)."""
    rejected: list[Row]
    """Per source and rule: count, and a few samples with file and line."""
    losses: list[Row]
    genre_sources: list[Row]
    """Where tracks have their genre from: source, tracks, share, and the same weighted by plays."""
    genres: list[Row]
    """Per genre: tracks, places in lists."""
    tiers: list[Row]
    """Per tier: places and share."""
    activity: list[Row]
    """Per day: events by kind, of the days up to the night."""
    coverage: Row
    """users, lists, items, tracks, recommended tracks, share of the hundred most played tracks among all places."""
    example: list[Row]
    """One user's overall list."""


def rows_of(frame: DataFrame) -> list[Row]:
    """A few hundred aggregated rows at most: every caller groups by something small or limits."""
    return [row.asDict(recursive=True) for row in frame.limit(2_000).collect()]


def share(column: str) -> Column:
    """Of the total, 0 to 1."""
    from pyspark.sql import Window

    return F.col(column) / F.sum(column).over(Window.partitionBy())


def accounts(counts: DataFrame) -> list[Row]:
    """Per source, largest first."""
    sums = [F.sum(c).alias(c) for c in ("lines_in", "good", "quarantined", "blank", "duplicates", "late", "over_limit")]
    cut = F.count_if("truncated").alias("truncated")
    per_source = counts.groupBy("source").agg(F.count("*").alias("files"), *sums, cut)
    return rows_of(per_source.orderBy(F.desc("lines_in"), "source"))


def rejected(quarantine: DataFrame) -> list[Row]:
    """Per source and rule, most frequent first, with SAMPLES examples."""
    example = F.struct("file", "line", "reason")
    grouped = quarantine.groupBy("source", "rule").agg(
        F.count("*").alias("count"), F.slice(F.sort_array(F.collect_list(example)), 1, SAMPLES).alias("samples")
    )
    return rows_of(grouped.orderBy(F.desc("count"), "source", "rule"))


def genre_sources(track_genres: DataFrame, history: DataFrame) -> list[Row]:
    """Shares of cnn, label, terms and none: of tracks, and of plays."""
    plays = history.groupBy("track_id").agg(F.sum("plays").alias("plays"))
    joined = track_genres.join(plays, "track_id", "left")
    plays_of = F.coalesce(F.sum("plays"), F.lit(0)).alias("plays")
    grouped = joined.groupBy("source").agg(F.count("*").alias("tracks"), plays_of)
    shares = grouped.withColumn("track_share", share("tracks")).withColumn("play_share", share("plays"))
    return rows_of(shares.orderBy(F.desc("tracks"), "source"))


def genres(track_genres: DataFrame, ranked: DataFrame) -> list[Row]:
    """Per genre: tracks of the catalogue, and places in overall lists."""
    placed = ranked.where("list = 'overall'").join(track_genres.select("track_id", "genre"), "track_id")
    places = placed.groupBy("genre").agg(F.count("*").alias("places"))
    tracks = track_genres.groupBy("genre").agg(F.count("*").alias("tracks"))
    joined = tracks.join(places, tracks["genre"].eqNullSafe(places["genre"]), "left").drop(places["genre"])
    genre, placed_in = F.coalesce("genre", F.lit("unknown")), F.coalesce("places", F.lit(0))
    named = joined.select(genre.alias("genre"), "tracks", placed_in.alias("places"))
    return rows_of(named.orderBy(F.desc("tracks"), "genre"))


def tiers(ranked: DataFrame) -> list[Row]:
    """How far lists had to reach, overall and per genre apart."""
    kind = F.when(F.col("list") == "overall", "overall").otherwise("per genre").alias("lists")
    return rows_of(ranked.groupBy(kind, "tier").agg(F.count("*").alias("places")).orderBy("lists", F.desc("places")))


def coverage(ranked: DataFrame, tracks: DataFrame, history: DataFrame) -> Row:
    """How much of the catalogue reaches listeners, and how much of the lists goes to the hundred most played tracks."""
    overall = ranked.where("list = 'overall'")
    listened = history.groupBy("track_id").agg(F.count("*").alias("listeners"))
    hits = listened.orderBy(F.desc("listeners"), "track_id").limit(100)
    places = overall.count()
    return {
        "users": ranked.select("user_id").distinct().count(),
        "items": ranked.count(),
        "tracks": tracks.count(),
        "recommended": ranked.select("track_id").distinct().count(),
        "recommended_overall": overall.select("track_id").distinct().count(),
        "hit_share": overall.join(F.broadcast(hits), "track_id").count() / places if places else 0.0,
    }


def activity(events: DataFrame, night: str, days: int = 60) -> list[Row]:
    """Events per day and kind of the last `days` days."""
    day = F.to_date("played_at")
    recent = events.where(day.between(F.date_sub(F.lit(night).cast("date"), days), F.lit(night).cast("date")))
    counted = recent.groupBy(day.cast("string").alias("day"), "event").agg(F.count("*").alias("count"))
    return rows_of(counted.orderBy("day", "event"))


def example(ranked: DataFrame, tracks: DataFrame, track_genres: DataFrame) -> list[Row]:
    """The overall list of the first user (by id) who has a personal one."""
    mine = ranked.where("list = 'overall'")
    first = mine.where("tier = 'personal'").agg(F.min("user_id").alias("user_id"))
    named = mine.join(F.broadcast(first), "user_id").join(tracks.select("track_id", "title", "artist"), "track_id")
    return rows_of(named.join(track_genres.select("track_id", "genre"), "track_id").orderBy("rank"))


def _of_all_sources(ctx: JobContext, name: str) -> DataFrame:
    """A table about the input: of timed sources all that ever came, of snapshots the one that the night saw."""
    dated = [source.name for source in ctx.night.sources.sources if FORMATS[source.format].dated]
    timed = F.col("source").isin(dated)
    return ctx.read(name, "upto").where(timed).unionByName(ctx.read(name, "latest").where(~timed))


def collect(ctx: JobContext) -> Facts:
    """All of it, from the lake as the night sees it."""
    ranked, tracks, track_genres = ctx.need("ranked").cache(), ctx.need("tracks"), ctx.need("track_genres")
    history = ctx.need("history")
    return Facts(
        accounts(_of_all_sources(ctx, "ingest_counts")),
        rejected(_of_all_sources(ctx, "quarantine")),
        rows_of(ctx.read("losses").orderBy("step")),
        genre_sources(track_genres, history),
        genres(track_genres, ranked),
        tiers(ranked),
        activity(ctx.read("events", "upto"), ctx.night.date.isoformat()),
        coverage(ranked, tracks, history),
        example(ranked, tracks, track_genres),
    )
