"""Figures of the catalogue in the night's lists: genres, coverage, popularity, artists. One row per track, joined once."""

from functools import partial

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from jobs.recommenders.list_rules import OVERALL
from jobs.report.facts import Row, rows_of
from jobs.spark import run_parallel

N_HITS = 100
"""Number of the most played tracks that count as hits."""
MAX_ARTISTS = 5
COUNTS = ("n_users", "plays", "slots", "all_slots", "slots_previous")


def track_usage(
    tracks: DataFrame,
    track_genres: DataFrame,
    history: DataFrame,
    ranked: DataFrame,
    previous: DataFrame | None,
    clips: DataFrame,
) -> DataFrame:
    """Return every track of the catalogue with genre, `n_users`, plays, `has_mel`, and its slots in lists.

    `slots`: those of overall lists; `all_slots`: in any list; `slots_previous`: in overall lists of the previous night.
    """
    usage = history.groupBy("track_id").agg(F.count("*").alias("n_users"), F.sum("plays").alias("plays"))
    in_overall = F.count_if(F.col("list") == OVERALL)
    current = ranked.groupBy("track_id").agg(in_overall.alias("slots"), F.count("*").alias("all_slots"))
    earlier = (ranked.limit(0) if previous is None else previous).where(F.col("list") == OVERALL)
    earlier_slots = earlier.groupBy("track_id").agg(F.count("*").alias("slots_previous"))
    genres = track_genres.select("track_id", "genre", F.col("source").alias("genre_source"))
    with_mel = clips.select("track_id").withColumn("has_mel", F.lit(True))
    joined = tracks.select("track_id", "title", "artist_id", "artist", "has_audio")
    for other in (genres, usage, current, earlier_slots, with_mel):
        joined = joined.join(other, "track_id", "left")
    return joined.fillna(0, [*COUNTS]).fillna(False, ["has_mel"])


def genre_sources(music: DataFrame) -> list[Row]:
    """Return tracks and plays by the origin of the genre: audio_model, label, terms or none."""
    source = F.coalesce("genre_source", F.lit("none")).alias("source")
    counts = music.groupBy(source).agg(F.count("*").alias("tracks"), F.sum("plays").alias("plays"))
    return rows_of(counts.orderBy(F.desc("tracks"), "source"))


def genres(music: DataFrame) -> list[Row]:
    """Return tracks of the catalogue and slots in overall lists per genre."""
    genre = F.coalesce("genre", F.lit("unknown")).alias("genre")
    counts = music.groupBy(genre).agg(F.count("*").alias("tracks"), F.sum("slots").alias("slots"))
    return rows_of(counts.orderBy(F.desc("tracks"), "genre"))


def coverage(music: DataFrame) -> Row:
    """Return sums over the catalogue.

    tracks, titled, with_genre, audio, mel, recommended (in any list), recommended_overall, slots (of overall lists); of
    tracks without plays: unplayed, unplayed_slots; of the N_HITS most played tracks: hit_slots.
    """
    sums = music.agg(
        F.count("*").alias("tracks"),
        F.count_if(F.col("title").isNotNull() & F.col("artist").isNotNull()).alias("titled"),
        F.count("genre").alias("with_genre"),
        F.count_if("has_audio").alias("audio"),
        F.count_if("has_mel").alias("mel"),
        F.count_if(F.col("all_slots") > 0).alias("recommended"),
        F.count_if(F.col("slots") > 0).alias("recommended_overall"),
        F.coalesce(F.sum("slots"), F.lit(0)).alias("slots"),
        F.count_if(F.col("n_users") == 0).alias("unplayed"),
        F.coalesce(F.sum(F.when(F.col("n_users") == 0, F.col("slots"))), F.lit(0)).alias("unplayed_slots"),
    )
    hits = music.where("n_users > 0").orderBy(F.desc("n_users"), "track_id").limit(N_HITS)
    hit_slots = hits.agg(F.coalesce(F.sum("slots"), F.lit(0)).alias("hit_slots"))
    return sums.crossJoin(hit_slots).collect()[0].asDict()


def popularity(music: DataFrame) -> list[Row]:
    """Return tracks, plays and slots in overall lists per `tenth` of the played tracks (1: most users).

    Tracks with equally many users are split evenly at a boundary, so that the order of ids has no effect.
    """
    by_users = (
        music.where("n_users > 0")
        .groupBy("n_users")
        .agg(F.count("*").alias("tracks"), F.sum("plays").alias("plays"), F.sum("slots").alias("slots"))
    )
    # one row per number of users: few rows for a catalogue of any size
    up_to = Window.orderBy(F.desc("n_users")).rowsBetween(Window.unboundedPreceding, Window.currentRow)
    ends = by_users.withColumn("end", F.sum("tracks").over(up_to)).withColumn(
        "all", F.sum("tracks").over(Window.partitionBy())
    )
    tenths = F.explode(F.sequence(F.lit(1), F.lit(10))).alias("tenth")
    spread = ends.select("*", tenths)
    low, high = (F.col("tenth") - 1) * F.col("all") / 10, F.col("tenth") * F.col("all") / 10
    within = F.greatest(
        F.lit(0.0), F.least(F.col("end").cast("double"), high) - F.greatest(F.col("end") - F.col("tracks"), low)
    )
    weighted = spread.withColumn("within", within)
    parts = [
        F.round(F.sum(F.col(c) * F.col("within") / F.col("tracks")), 3).alias(c) for c in ("tracks", "plays", "slots")
    ]
    return rows_of(weighted.groupBy("tenth").agg(*parts).orderBy("tenth"))


def artists(spark: SparkSession, music: DataFrame) -> Row:
    """Return `in`, `out`, `both` (artists in overall lists of the nights), and the artists that `gained` or `lost` most slots.

    The latter are rows of `artist`, `slots`, `previous`.
    """
    name = F.coalesce("artist", "artist_id").alias("artist")
    sums = [F.sum("slots").alias("slots"), F.sum("slots_previous").alias("previous")]
    by_artist = music.where("artist IS NOT NULL OR artist_id IS NOT NULL").groupBy(name).agg(*sums)
    change = F.col("slots") - F.col("previous")
    is_in, was_in = F.col("slots") > 0, F.col("previous") > 0
    kinds = {"in": is_in & ~was_in, "out": was_in & ~is_in, "both": is_in & was_in}
    counts = by_artist.agg(*[F.count_if(kind).alias(name) for name, kind in kinds.items()])
    gained = by_artist.where(change > 0).orderBy(F.desc(change), "artist").limit(MAX_ARTISTS)
    lost = by_artist.where(change < 0).orderBy(change, "artist").limit(MAX_ARTISTS)
    rows = run_parallel(spark, *[partial(rows_of, frame) for frame in (counts, gained, lost)])
    return {**rows[0][0], "gained": rows[1], "lost": rows[2]}


def tiers(ranked: DataFrame) -> list[Row]:
    """Return slots per tier, for overall lists and for lists per genre."""
    kind = F.when(F.col("list") == OVERALL, OVERALL).otherwise("per genre").alias("lists")
    return rows_of(
        ranked.groupBy(kind, "tier").agg(F.count("*").alias("slots")).orderBy("lists", F.desc("slots"), "tier")
    )
