"""Ranking metrics, defined here and nowhere else, computed from the ranks of the relevant tracks.

A query has n relevant tracks. Those in the list are at ranks p_1 < p_2 < ... (1-based); h_N of them are at most N.

    P@N       h_N / N                                         precision
    R@N       h_N / n                                         recall
    R_liang@N h_N / min(N, n)                                 recall as in Liang 2018
    HR@N      1 if h_N > 0                                    hit rate
    F1@N      2 P R / (P + R), 0 if both are 0
    NDCG@N    sum over p_i <= N of 1 / log2(1 + p_i), by the same sum over ranks 1 to min(N, n)
    MRR@N     1 / p_1 if p_1 <= N, else 0
    MAP@N     sum over p_i <= N of i / p_i, by min(N, n)
    AP        sum over all p_i of i / p_i, by n: without a cutoff, as trec_eval's `map`

A model's metric is the mean over users of the mean over their queries.
"""

import math
from collections.abc import Sequence

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

CUTOFFS = (10, 20, 50, 100)
DEPTH = 100
"""Length of the evaluated lists: the largest cutoff."""
CUTOFF_METRICS = ("P", "R", "R_liang", "HR", "F1", "NDCG", "MRR", "MAP")


def hit_ranks(lists: DataFrame, truth: DataFrame, inputs: DataFrame, depth: int = DEPTH) -> DataFrame:
    """Return `query_id`, `user_id`, `relevant` (n), `hit_ranks` (ascending) and `list_length` of every query.

    `lists`: `query_id`, `rank`, `track_id`, `score`; with a null score the ranks count. Ties count against the model: of
    tracks with equal scores the relevant ones rank last. If several tracks tie at the end of a full list, none of them is
    a hit, because chance decided which of them got in.
    """
    relevant = truth.groupBy("query_id").agg(F.count("*").cast("int").alias("relevant"))
    query_users = inputs.select("query_id", "user_id").distinct()
    hits = truth.select("query_id", "track_id", F.lit(1).alias("hit"))
    marked = lists.join(hits, ["query_id", "track_id"], "left")
    by_query = Window.partitionBy("query_id")
    relevant_last = F.when(F.col("score").isNotNull(), F.coalesce("hit", F.lit(0)))
    pessimistic = by_query.orderBy(F.col("score").desc_nulls_last(), relevant_last, "rank")
    ranked = marked.select(
        "query_id",
        "hit",
        F.row_number().over(pessimistic).alias("hit_rank"),
        F.count("*").over(by_query).alias("list_length"),
        (F.col("score") == F.min("score").over(by_query)).alias("has_last_score"),
        F.count("*").over(Window.partitionBy("query_id", "score")).alias("n_tied"),
    )
    tied_at_end = F.coalesce("has_last_score", F.lit(False)) & (F.col("n_tied") > 1) & (F.col("list_length") >= depth)
    is_hit = F.col("hit").isNotNull() & ~tied_at_end
    per_query = ranked.groupBy("query_id").agg(
        F.sort_array(F.collect_list(F.when(is_hit, F.col("hit_rank")))).alias("hit_ranks"),
        F.max("list_length").cast("int").alias("list_length"),
    )
    all_queries = relevant.join(query_users, "query_id").join(per_query, "query_id", "left")
    no_hits = F.array().cast("array<int>")
    return all_queries.select(
        "query_id",
        "user_id",
        "relevant",
        F.coalesce("hit_ranks", no_hits).alias("hit_ranks"),
        F.coalesce("list_length", F.lit(0)).alias("list_length"),
    )


def add_metrics(hits: DataFrame, cutoffs: Sequence[int] = CUTOFFS) -> DataFrame:
    """Return rows of `hit_ranks` with a column for every metric, such as `NDCG@10`, and `AP`."""
    # as SQL text: the same expressions as Column objects cost thousands of calls into Java
    columns = [f"{_metric_sql(name, cutoff)} AS `{name}@{cutoff}`" for cutoff in cutoffs for name in CUTOFF_METRICS]
    return hits.selectExpr("*", *columns, f"{_precision_sum_sql('hit_ranks')} / relevant AS AP")


def metric_names(cutoffs: Sequence[int] = CUTOFFS) -> list[str]:
    """Return the columns that `add_metrics` adds."""
    return [*(f"{name}@{cutoff}" for cutoff in cutoffs for name in CUTOFF_METRICS), "AP"]


def _metric_sql(name: str, cutoff: int) -> str:
    """Return SQL for one metric of a row with `hit_ranks` and `relevant`."""
    ranks = f"filter(hit_ranks, rank -> rank <= {cutoff})"
    n_hits, max_hits = f"CAST(size({ranks}) AS DOUBLE)", f"least({cutoff}, relevant)"
    by_name = {
        "P": f"{n_hits} / {cutoff}",
        "R": f"{n_hits} / relevant",
        "R_liang": f"{n_hits} / {max_hits}",
        "HR": f"CAST({n_hits} > 0 AS DOUBLE)",
        "F1": f"2 * {n_hits} / ({cutoff} + relevant)",
        "NDCG": f"{_dcg_sql(ranks)} / element_at(array({', '.join(f'{dcg!r}D' for dcg in _ideal_dcg(cutoff))}), {max_hits})",
        "MRR": f"coalesce(1 / try_element_at({ranks}, 1), 0D)",
        "MAP": f"{_precision_sum_sql(ranks)} / {max_hits}",
    }
    return by_name[name]


def _dcg_sql(ranks: str) -> str:
    return f"aggregate({ranks}, 0D, (total, rank) -> total + 1 / log2(1 + rank))"


def _precision_sum_sql(ranks: str) -> str:
    """Return SQL for the sum of i / p_i."""
    return f"aggregate(transform({ranks}, (rank, i) -> (i + 1) / rank), 0D, (total, precision) -> total + precision)"


def _ideal_dcg(cutoff: int) -> list[float]:
    """Return the DCG of 1, 2, ..., `cutoff` relevant tracks at the first ranks."""
    gains = [1 / math.log2(1 + rank) for rank in range(1, cutoff + 1)]
    return [sum(gains[:count]) for count in range(1, cutoff + 1)]
