"""The numbers of a night, small enough for a page: what came in, what was lost, what came out, and how long it took."""

from dataclasses import dataclass
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.lake.schemas import table
from jobs.sources.contract import Source
from jobs.sources.formats import FORMATS

Row = dict[str, Any]
SAMPLES = 3
"""Rejected lines shown per rule."""
BY = ("source", "rule")
AUDIO = "audio"
"""What the job `mel` calls the source of files that it could not decode."""


@dataclass(frozen=True)
class Facts:
    """Everything that the report shows."""

    accounts: list[Row]
    """Per source that is read: files, lines_in, good, quarantined, blank, duplicates, late, over_limit, truncated (files)."""
    rejected: list[Row]
    """Of what the night itself read, per source and rule: count, and a few samples with file and line."""
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
    return F.col(column) / F.sum(column).over(Window.partitionBy())


def accounts(counts: DataFrame) -> list[Row]:
    """Per source, largest first."""
    sums = [F.sum(c).alias(c) for c in ("lines_in", "good", "quarantined", "blank", "duplicates", "late", "over_limit")]
    cut = F.count_if("truncated").alias("truncated")
    per_source = counts.groupBy("source").agg(F.count("*").alias("files"), *sums, cut)
    return rows_of(per_source.orderBy(F.desc("lines_in"), "source"))


def rejected(quarantine: DataFrame) -> list[Row]:
    """Per source and rule, most frequent first, with SAMPLES examples: the first by file and line, and never more are held."""
    example = F.struct("file", "line", "reason")
    shown = first_of_each(quarantine, SAMPLES).groupBy(*BY).agg(F.sort_array(F.collect_list(example)).alias("samples"))
    counted = quarantine.groupBy(*BY).agg(F.count("*").alias("count"))
    return rows_of(counted.join(shown, [*BY]).orderBy(F.desc("count"), *BY))


def first_of_each(quarantine: DataFrame, most: int) -> DataFrame:
    """The first `most` rows per source and rule; Spark leaves the others out before it sorts and sends them."""
    order = Window.partitionBy(*BY).orderBy(F.col("file"), F.col("line").asc_nulls_first(), F.col("reason"))
    placed = quarantine.select(*BY, "file", "line", "reason").withColumn("place", F.row_number().over(order))
    return placed.where(F.col("place") <= most)


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
    """Events per day and kind of the last `days` days; what was received on several dates counts once, as everywhere."""
    day = F.to_date("played_at")
    recent = events.where(day.between(F.date_sub(F.lit(night).cast("date"), days), F.lit(night).cast("date")))
    once = recent.dropDuplicates(list(table("events").key))
    counted = once.groupBy(day.cast("string").alias("day"), "event").agg(F.count("*").alias("count"))
    return rows_of(counted.orderBy("day", "event"))


def example(ranked: DataFrame, tracks: DataFrame, track_genres: DataFrame) -> list[Row]:
    """The overall list of the first user (by id) who has a personal one."""
    mine = ranked.where("list = 'overall'")
    first = mine.where("tier = 'personal'").agg(F.min("user_id").alias("user_id"))
    named = mine.join(F.broadcast(first), "user_id").join(tracks.select("track_id", "title", "artist"), "track_id")
    return rows_of(named.join(track_genres.select("track_id", "genre"), "track_id").orderBy("rank"))


def _of_present_sources(ctx: JobContext, name: str, of_the_night: bool = False) -> DataFrame:
    """A table about the input of the sources that are still read: of timed ones all that ever came, of snapshots the last.

    `of_the_night`: of timed ones what was received on its date; where rows tell their dates, all that was read.
    """
    sources = ctx.night.sources.sources
    dated = [source.name for source in sources if FORMATS[source.format].dated]
    told = [source.name for source in sources if source.name in dated and not (of_the_night and _has_dates(ctx, source))]
    others = [*(source.name for source in sources if source.name not in dated), AUDIO]
    picks = {"on": sorted(set(dated) - set(told)), "upto": told, "latest": others}
    return reduce(DataFrame.unionByName, [ctx.read(name, rule).where(F.col("source").isin(some)) for rule, some in picks.items()])


def _has_dates(ctx: JobContext, source: Source) -> bool:
    """Whether the files of a timed source each belong to a received date, as those say that were last read."""
    part = f"ingest_counts/{source.name}"
    dates = ctx.night.lake.dates(part)
    read = ctx.night.lake.manifest(part, dates[-1]) if dates else None
    paths = [label.removeprefix("file|") for label in (read.inputs if read else ()) if label.startswith("file|")]
    return any(FORMATS[source.format].received(path) for path in paths)


def collect(ctx: JobContext) -> Facts:
    """All of it, from the lake as the night sees it."""
    ranked, tracks, track_genres = ctx.need("ranked").cache(), ctx.need("tracks"), ctx.need("track_genres")
    history = ctx.need("history")
    return Facts(
        accounts(_of_present_sources(ctx, "ingest_counts")),
        rejected(_of_present_sources(ctx, "quarantine", of_the_night=True)),
        rows_of(ctx.read("losses").orderBy("step")),
        genre_sources(track_genres, history),
        genres(track_genres, ranked),
        tiers(ranked),
        activity(ctx.read("events", "upto"), ctx.night.date.isoformat()),
        coverage(ranked, tracks, history),
        example(ranked, tracks, track_genres),
    )
