"""Ranking metrics, each defined here and nowhere else, over the places at which relevant tracks stand.

Of one query: n relevant tracks, of which those in the list stand at places p_1 < p_2 < ... (1-based); h_N of them are at most N.

    P@N       h_N / N                                         precision
    R@N       h_N / n                                         recall
    R_liang@N h_N / min(N, n)                                 recall as Liang 2018 has it
    HR@N      1 if h_N > 0                                    hit rate
    F1@N      2 P R / (P + R), 0 where both are
    NDCG@N    sum over p_i <= N of 1 / log2(1 + p_i), by the same sum over places 1 to min(N, n)
    MRR@N     1 / p_1 if p_1 <= N, else 0
    MAP@N     sum over p_i <= N of i / p_i, by min(N, n)
    AP        sum over all p_i of i / p_i, by n: not cut, as trec_eval's `map`

A metric of a model is the mean over users of the mean over their queries.
"""

import math
from collections.abc import Sequence

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

CUTOFFS = (10, 20, 50, 100)
DEPTH = 100
"""Length of the lists that are evaluated: the largest cutoff."""
AT = ("P", "R", "R_liang", "HR", "F1", "NDCG", "MRR", "MAP")


def places(lists: DataFrame, tasks_truth: DataFrame, asked: DataFrame, depth: int = DEPTH) -> DataFrame:
    """`query_id`, `user_id`, `relevant` (n), `places` (array of int, upwards), `listed`: one row per query, also without a hit.

    `lists`: `query_id`, `rank`, `track_id`, `score` (null: none is known, and the ranks stand). Ties count against the model: of
    tracks with equal scores the relevant ones stand last; and where several tie at the end of a full list none of them counts as
    in it, for which of them came in was chance.
    """
    relevant = tasks_truth.groupBy("query_id").agg(F.count("*").cast("int").alias("relevant"))
    who = asked.select("query_id", "user_id").distinct()
    marked = lists.join(
        tasks_truth.select("query_id", "track_id", F.lit(1).alias("hit")), ["query_id", "track_id"], "left"
    )
    one_list = Window.partitionBy("query_id")
    last = F.when(F.col("score").isNotNull(), F.coalesce("hit", F.lit(0)))
    pessimist = one_list.orderBy(F.col("score").desc_nulls_last(), last, "rank")
    placed = marked.select(
        "query_id",
        "hit",
        F.row_number().over(pessimist).alias("place"),
        F.count("*").over(one_list).alias("listed"),
        (F.col("score") == F.min("score").over(one_list)).alias("at_end"),
        F.count("*").over(Window.partitionBy("query_id", "score")).alias("alike"),
    )
    chance = F.coalesce("at_end", F.lit(False)) & (F.col("alike") > 1) & (F.col("listed") >= depth)
    sure = F.col("hit").isNotNull() & ~chance
    found = placed.groupBy("query_id").agg(
        F.sort_array(F.collect_list(F.when(sure, F.col("place")))).alias("places"),
        F.max("listed").cast("int").alias("listed"),
    )
    every = relevant.join(who, "query_id").join(found, "query_id", "left")
    nothing = F.array().cast("array<int>")
    return every.select(
        "query_id",
        "user_id",
        "relevant",
        F.coalesce("places", nothing).alias("places"),
        F.coalesce("listed", F.lit(0)).alias("listed"),
    )


def values(placed: DataFrame, cutoffs: Sequence[int] = CUTOFFS) -> DataFrame:
    """`placed` with a column for every metric, such as `NDCG@10`, and `AP`."""
    # as SQL text: built from Column objects the same expressions cost thousands of calls into Java
    found = [f"{_at(name, cut)} AS `{name}@{cut}`" for cut in cutoffs for name in AT]
    return placed.selectExpr("*", *found, f"{_precisions('places')} / relevant AS AP")


def names(cutoffs: Sequence[int] = CUTOFFS) -> list[str]:
    """Columns that `values` adds."""
    return [*(f"{name}@{cut}" for cut in cutoffs for name in AT), "AP"]


def _at(name: str, cut: int) -> str:
    """SQL for one metric of a row with `places` and `relevant`."""
    inside = f"filter(places, place -> place <= {cut})"
    hits, most = f"CAST(size({inside}) AS DOUBLE)", f"least({cut}, relevant)"
    by_name = {
        "P": f"{hits} / {cut}",
        "R": f"{hits} / relevant",
        "R_liang": f"{hits} / {most}",
        "HR": f"CAST({hits} > 0 AS DOUBLE)",
        "F1": f"2 * {hits} / ({cut} + relevant)",
        "NDCG": f"{_gains(inside)} / element_at(array({', '.join(f'{one!r}D' for one in _ideal(cut))}), {most})",
        "MRR": f"coalesce(1 / try_element_at({inside}, 1), 0D)",
        "MAP": f"{_precisions(inside)} / {most}",
    }
    return by_name[name]


def _gains(inside: str) -> str:
    return f"aggregate({inside}, 0D, (total, place) -> total + 1 / log2(1 + place))"


def _precisions(inside: str) -> str:
    """Sum of i / p_i."""
    return f"aggregate(transform({inside}, (place, before) -> (before + 1) / place), 0D, (total, one) -> total + one)"


def _ideal(cut: int) -> list[float]:
    """DCG of 1, 2, ... cut relevant tracks at the first places."""
    gains = [1 / math.log2(1 + place) for place in range(1, cut + 1)]
    return [sum(gains[:count]) for count in range(1, cut + 1)]
