"""Top-N lists per user, overall and per genre, each item with its reason: `pmrs run rank --date D` (PMRS Eq. 4)."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.lake.deletion_requests import erased_pairs
from jobs.lake.partitions import Partitions
from jobs.ranking.config import RankConfig
from jobs.ranking.fallback import build_fallback, fill, short_lists
from jobs.recommenders import list_rules, reasons

COLD_START = "cold_start"
"""Tier of tracks without plays that were selected for a user by their audio."""
PERSONAL_TIERS = ("personal", COLD_START)
"""Tiers of items that were selected for the user."""


def rank_personal(candidates: DataFrame, names: DataFrame, config: RankConfig) -> DataFrame:
    """Return the candidates as list items, ordered by score, then percentile, then id."""
    order = Window.partitionBy("user_id", "list").orderBy(F.desc("score"), F.desc("percentile"), "track_id")
    limit = list_rules.list_limit(config.overall, config.per_genre)
    ranked = candidates.withColumn("rank", F.row_number().over(order)).where(F.col("rank") <= limit)
    return reasons.with_reason_name(ranked, names).select(
        "user_id", "list", "rank", "track_id", "score",
        F.col("method").alias("source"), F.lit("personal").alias("tier"), reasons.personal().alias("why"),
    )  # fmt: skip


def append_cold_start(personal: DataFrame, cold_start: DataFrame, names: DataFrame, config: RankConfig) -> DataFrame:
    """Append `cold_start` (table `content_candidates`) to the overall lists, in place of the last personal items."""
    appended = reasons.with_reason_name(cold_start, names).select(
        "user_id", F.lit(list_rules.OVERALL).alias("list"), F.lit(0).alias("rank"), "track_id", "score",
        F.lit("content").alias("source"), F.lit(COLD_START).alias("tier"), reasons.cold_start().alias("why"),
    )  # fmt: skip
    lists, is_appended = Window.partitionBy("user_id", "list"), F.col("tier") == COLD_START
    limit = list_rules.list_limit(config.overall, config.per_genre)
    room = limit - F.count_if(is_appended).over(lists)
    items = personal.unionByName(appended).withColumn("__room", room).where(is_appended | (F.col("rank") <= F.col("__room")))
    order = lists.orderBy(is_appended, "rank", F.desc("score"), "track_id")
    return items.withColumn("rank", F.row_number().over(order)).where(F.col("rank") <= limit).drop("__room")


def rank_fallback(filled: DataFrame, track_genres: DataFrame) -> DataFrame:
    """Return rows of `fallback.fill` as items behind the personal ones; the score is popularity or genre confidence."""
    genres = track_genres.select("track_id", "genre", F.col("source").alias("genre_source"))
    is_popular = F.col("n_users") > 0
    max_users = F.max("n_users").over(Window.partitionBy("list"))
    return filled.join(genres, "track_id").select(
        "user_id", "list", (F.col("n_items") + F.col("offset")).cast("int").alias("rank"), "track_id",
        F.round(F.when(is_popular, F.col("n_users") / max_users).otherwise(F.col("confidence")), 6).alias("score"),
        F.when(is_popular, "popular").otherwise("genre_fallback").alias("source"),
        F.when(is_popular, "popular").otherwise("fallback_unplayed").alias("tier"),
        F.when(is_popular, reasons.popular()).otherwise(reasons.unplayed()).alias("why"),
    )  # fmt: skip


def run(ctx: JobContext) -> None:
    """Read both kinds of candidates, history, users, genres and deletion requests; write `ranked`."""
    config: RankConfig = ctx.config  # type: ignore[assignment]
    history, users = ctx.read_required("history"), ctx.read_required("eligible_users")
    candidates, track_genres = ctx.read_required("candidates"), ctx.read_required("track_genres")
    names, cold_start = reasons.track_names(ctx.read_required("tracks")), ctx.read_required("content_candidates")
    personal, available = rank_personal(candidates, names, config), candidates.select("user_id", "list", "track_id")
    if ctx.rows_of("content_candidates"):
        personal = append_cold_start(personal, cold_start, names, config)
        available = available.unionByName(cold_start.select("user_id", F.lit(list_rules.OVERALL).alias("list"), "track_id"))
    members = list_rules.list_members(track_genres)
    # lengths are counted before the ranking: every candidate gets a rank, except those over N
    lengths, limit = list_rules.list_lengths(available), list_rules.list_limit(config.overall, config.per_genre)
    incomplete = list_rules.users_with_short_lists(users, members, lengths, limit).cache()
    if incomplete.isEmpty():
        ctx.write("ranked", personal)
        return
    erased = erased_pairs(users, ctx.read("deletions", Partitions.ALL))
    excluded = list_rules.excluded_pairs(history, erased).join(incomplete, "user_id", "left_semi").distinct()
    n_excluded = list_rules.excluded_per_list(excluded, members)
    short = short_lists(list_rules.required_lengths(incomplete, members, n_excluded, limit), personal)
    filled = fill(short, build_fallback(members, history, track_genres), excluded, personal)
    ctx.write("ranked", personal.unionByName(rank_fallback(filled, track_genres)))
    incomplete.unpersist()
