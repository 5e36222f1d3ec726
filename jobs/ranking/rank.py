"""Top-N lists per user, overall and per genre, each place with its reason: `pmrs run rank --date D` (PMRS Eq. 4)."""

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.lake import reasons
from jobs.lake.deletion_requests import forgotten_pairs
from jobs.lake.partitions import Partitions
from jobs.ranking import fallback
from jobs.recommenders import list_rules

COLD_START = "cold_start"
"""Tier of tracks that nobody has played, chosen for a listener by their sound."""
OWN = ("personal", COLD_START)
"""Tiers of what was chosen for the listener."""


@dataclass(frozen=True)
class Config:
    """How long the lists are."""

    overall: int = 20
    """N of the overall list: a page of recommendations."""
    per_genre: int = 10
    """N of each genre's list: PMRS's application shows five; ten leave room to pass some over."""


def list_limit(config: Config) -> Column:
    """N by column `list`."""
    return F.when(F.col("list") == list_rules.OVERALL, config.overall).otherwise(config.per_genre)


def rank_personal(candidates: DataFrame, names: DataFrame, config: Config) -> DataFrame:
    """Candidates in their order: by score, then percentile, then id."""
    order = Window.partitionBy("user_id", "list").orderBy(F.desc("score"), F.desc("percentile"), "track_id")
    placed = candidates.withColumn("rank", F.row_number().over(order)).where(F.col("rank") <= list_limit(config))
    told = reasons.with_because(placed, names)
    return told.select(
        "user_id", "list", "rank", "track_id", "score",
        F.col("method").alias("source"), F.lit("personal").alias("tier"), reasons.personal().alias("why"),
    )


def with_new(personal: DataFrame, new: DataFrame, names: DataFrame, config: Config) -> DataFrame:
    """Overall lists end with the places of `new` (table `content_candidates`), for which the last personal ones make room."""
    offered = reasons.with_because(new, names).select(
        "user_id", F.lit(list_rules.OVERALL).alias("list"), F.lit(0).alias("rank"), "track_id", "score",
        F.lit("content").alias("source"), F.lit(COLD_START).alias("tier"), reasons.new().alias("why"),
    )  # fmt: skip
    lists, is_new = Window.partitionBy("user_id", "list"), F.col("tier") == COLD_START
    room = list_limit(config) - F.count_if(is_new).over(lists)
    placed = personal.unionByName(offered).withColumn("__room", room).where(is_new | (F.col("rank") <= F.col("__room")))
    order = lists.orderBy(is_new, "rank", F.desc("score"), "track_id")
    return placed.withColumn("rank", F.row_number().over(order)).where(F.col("rank") <= list_limit(config)).drop("__room")


def rank_filled(filled: DataFrame, track_genres: DataFrame) -> DataFrame:
    """Fillers behind the personal places: `rank` goes on where `have` ends; the score is their confidence or popularity."""
    genres = track_genres.select("track_id", "genre", F.col("source").alias("genre_source"))
    told = filled.join(genres, "track_id")
    is_popular = F.col("listeners") > 0
    most = F.max("listeners").over(Window.partitionBy("list"))
    return told.select(
        "user_id", "list", (F.col("have") + F.col("place")).cast("int").alias("rank"), "track_id",
        F.round(F.when(is_popular, F.col("listeners") / most).otherwise(F.col("confidence")), 6).alias("score"),
        F.when(is_popular, "popular").otherwise("genre_fallback").alias("source"),
        F.when(is_popular, "popular").otherwise("fallback_unplayed").alias("tier"),
        F.when(is_popular, reasons.popular()).otherwise(reasons.unplayed()).alias("why"),
    )


def run(ctx: JobContext) -> None:
    """Reads candidates of both kinds, history, listeners, genres and wishes; writes `ranked`."""
    config: Config = ctx.config  # type: ignore[assignment]
    history, listeners = ctx.read_required("history"), ctx.read_required("eligible_users")
    candidates, track_genres = ctx.read_required("candidates"), ctx.read_required("track_genres")
    names, new = reasons.named(ctx.read_required("tracks")), ctx.read_required("content_candidates")
    personal, offered = rank_personal(candidates, names, config), candidates.select("user_id", "list", "track_id")
    if not new.isEmpty():
        personal = with_new(personal, new, names, config)
        offered = offered.unionByName(new.select("user_id", F.lit(list_rules.OVERALL).alias("list"), "track_id"))
    members = list_rules.list_members(track_genres)
    # counted before they are put in order: that many get a place, but for those over N
    room = list_rules.with_room(listeners, members, list_rules.places(offered), list_limit(config)).cache()
    if room.isEmpty():
        ctx.write("ranked", personal)
        return
    forgotten = forgotten_pairs(listeners, ctx.read("deletions", Partitions.ALL))
    never = list_rules.never_offered(history, forgotten).join(room, "user_id", "left_semi").distinct()
    wanted = list_rules.sizes(room, members, list_rules.heard_per_list(never, members), list_limit(config))
    short = fallback.missing(wanted, personal)
    shelves = fallback.build_shelves(members, history, track_genres)
    filled = fallback.fill(short, shelves, never, personal)
    ctx.write("ranked", personal.unionByName(rank_filled(filled, track_genres)))
    room.unpersist()
