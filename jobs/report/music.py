"""The catalogue as the night's lists use it: genres, coverage, popularity, artists. One row per track, joined once."""

from functools import partial

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from jobs.recommenders.list_rules import OVERALL
from jobs.report.facts import Row, rows_of
from jobs.spark import run_parallel

HITS = 100
"""How many of the most played tracks are called hits."""
SHOWN_ARTISTS = 5
COUNTS = ("listeners", "plays", "places", "all_places", "places_before")


def placed_tracks(
    tracks: DataFrame, track_genres: DataFrame, history: DataFrame, ranked: DataFrame, before: DataFrame | None, clips: DataFrame
) -> DataFrame:
    """Every track of the catalogue with its genre, listeners, plays, `has_mel`, and places in lists: overall (`places`),
    in any list (`all_places`), and overall of the night before (`places_before`).
    """
    heard = history.groupBy("track_id").agg(F.count("*").alias("listeners"), F.sum("plays").alias("plays"))
    overall = F.count_if(F.col("list") == OVERALL)
    now = ranked.groupBy("track_id").agg(overall.alias("places"), F.count("*").alias("all_places"))
    then = (ranked.limit(0) if before is None else before).where(F.col("list") == OVERALL)
    genres = track_genres.select("track_id", "genre", F.col("source").alias("genre_source"))
    heard_audio = clips.select("track_id").withColumn("has_mel", F.lit(True))
    joined = tracks.select("track_id", "title", "artist_id", "artist", "has_audio")
    for other in (genres, heard, now, then.groupBy("track_id").agg(F.count("*").alias("places_before")), heard_audio):
        joined = joined.join(other, "track_id", "left")
    return joined.fillna(0, [*COUNTS]).fillna(False, ["has_mel"])


def genre_sources(music: DataFrame) -> list[Row]:
    """Tracks and plays by where the genre comes from: audio_model, label, terms or none."""
    source = F.coalesce("genre_source", F.lit("none")).alias("source")
    counted = music.groupBy(source).agg(F.count("*").alias("tracks"), F.sum("plays").alias("plays"))
    return rows_of(counted.orderBy(F.desc("tracks"), "source"))


def genres(music: DataFrame) -> list[Row]:
    """Per genre: tracks of the catalogue, and places in overall lists."""
    genre = F.coalesce("genre", F.lit("unknown")).alias("genre")
    counted = music.groupBy(genre).agg(F.count("*").alias("tracks"), F.sum("places").alias("places"))
    return rows_of(counted.orderBy(F.desc("tracks"), "genre"))


def coverage(music: DataFrame) -> Row:
    """Sums over the catalogue: tracks, titled, with_genre, audio, mel, offered (in any list), places (overall), and of tracks
    that nobody played: unplayed, unplayed_places; places of the hundred most played ones: hit_places.
    """
    sums = music.agg(
        F.count("*").alias("tracks"),
        F.count_if(F.col("title").isNotNull() & F.col("artist").isNotNull()).alias("titled"),
        F.count("genre").alias("with_genre"),
        F.count_if("has_audio").alias("audio"),
        F.count_if("has_mel").alias("mel"),
        F.count_if(F.col("all_places") > 0).alias("offered"),
        F.count_if(F.col("places") > 0).alias("offered_overall"),
        F.coalesce(F.sum("places"), F.lit(0)).alias("places"),
        F.count_if(F.col("listeners") == 0).alias("unplayed"),
        F.coalesce(F.sum(F.when(F.col("listeners") == 0, F.col("places"))), F.lit(0)).alias("unplayed_places"),
    )
    hits = music.where("listeners > 0").orderBy(F.desc("listeners"), "track_id").limit(HITS)
    best = hits.agg(F.coalesce(F.sum("places"), F.lit(0)).alias("hit_places"))
    return sums.crossJoin(best).collect()[0].asDict()


def popularity(music: DataFrame) -> list[Row]:
    """Per `tenth` of the played tracks (1: most listeners): tracks, plays, places in overall lists.

    Tracks with equally many listeners share a border evenly, so that no order of ids decides who is more popular.
    """
    same = music.where("listeners > 0").groupBy("listeners").agg(
        F.count("*").alias("tracks"), F.sum("plays").alias("plays"), F.sum("places").alias("places")
    )
    # one row per number of listeners: few, whatever the catalogue's size
    upto = Window.orderBy(F.desc("listeners")).rowsBetween(Window.unboundedPreceding, Window.currentRow)
    ends = same.withColumn("end", F.sum("tracks").over(upto)).withColumn("all", F.sum("tracks").over(Window.partitionBy()))
    tenths = F.explode(F.sequence(F.lit(1), F.lit(10))).alias("tenth")
    spread = ends.select("*", tenths)
    low, high = (F.col("tenth") - 1) * F.col("all") / 10, F.col("tenth") * F.col("all") / 10
    within = F.greatest(F.lit(0.0), F.least(F.col("end").cast("double"), high) - F.greatest(F.col("end") - F.col("tracks"), low))
    weighed = spread.withColumn("within", within)
    parts = [F.round(F.sum(F.col(c) * F.col("within") / F.col("tracks")), 3).alias(c) for c in ("tracks", "plays", "places")]
    return rows_of(weighed.groupBy("tenth").agg(*parts).orderBy("tenth"))


def artists(spark: SparkSession, music: DataFrame) -> Row:
    """`in`, `out`, `both`: artists by the nights in whose overall lists they stand; `gained`, `lost`: who gained or lost most
    places, each with `artist`, `places`, `before`.
    """
    name = F.coalesce("artist", "artist_id").alias("artist")
    sums = [F.sum("places").alias("places"), F.sum("places_before").alias("before")]
    known = music.where("artist IS NOT NULL OR artist_id IS NOT NULL").groupBy(name).agg(*sums)
    more = F.col("places") - F.col("before")
    is_in, was_in = F.col("places") > 0, F.col("before") > 0
    kinds = {"in": is_in & ~was_in, "out": was_in & ~is_in, "both": is_in & was_in}
    counted = known.agg(*[F.count_if(kind).alias(name) for name, kind in kinds.items()])
    gained = known.where(more > 0).orderBy(F.desc(more), "artist").limit(SHOWN_ARTISTS)
    lost = known.where(more < 0).orderBy(more, "artist").limit(SHOWN_ARTISTS)
    counts, up, down = run_parallel(spark, *[partial(rows_of, frame) for frame in (counted, gained, lost)])
    return {**counts[0], "gained": up, "lost": down}


def tiers(ranked: DataFrame) -> list[Row]:
    """How far lists had to reach, overall and per genre apart."""
    kind = F.when(F.col("list") == OVERALL, OVERALL).otherwise("per genre").alias("lists")
    return rows_of(ranked.groupBy(kind, "tier").agg(F.count("*").alias("places")).orderBy("lists", F.desc("places"), "tier"))
