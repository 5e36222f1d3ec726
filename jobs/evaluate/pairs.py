"""`pmrs evaluate pairs`: predict labelled pairs (KKBox): will a user play a track again within a month?

Models train on the first rows of the file and are tested on the last: rows are in order of time, and a random split would be
optimistic. The negatives are real. Scores of recommenders order pairs and are no probabilities, so that they have AUC and AP
but no errors; the rates have all.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from scipy.special import expit, logit

from jobs.errors import EvaluationError
from jobs.evaluate.bootstrap import SEED, TAILS
from jobs.evaluate.pointwise import average_precision, prediction_errors, roc_auc
from jobs.evaluate.report import EvaluationReport, Row, report_head, store_documents
from jobs.evaluate.setup import open_context
from jobs.lake.collect import collect_arrow
from jobs.lake.partitions import Partitions
from jobs.progress import ProgressCallback
from jobs.recommenders.methods import METHODS
from jobs.recommenders.training_data import TrainingData, collect_training_data
from jobs.settings import Settings
from models.protocol import CatalogTooLargeError, Recommender
from models.types import F64

PAIR_BYTES = 120
USERS_PER_BLOCK = 500
"""Users scored at a time."""


@dataclass(frozen=True)
class PairsConfig:
    """Split and models."""

    share: float = 0.2
    """Share of the rows, at the end of the file, that are test data."""
    shrinkage: float = 10.0
    """Pairs of the overall rate that are added to each user's and track's rate: rates of few pairs are unreliable."""
    methods: tuple[str, ...] = ("popularity", "item_knn", "ease", "als")
    """Recommenders besides the rates, with default settings, fitted on the positive pairs."""
    n_bootstrap: int = 200
    """Resamples of the bootstrap over users."""


def split_pairs(pairs: DataFrame, share: float) -> tuple[DataFrame, DataFrame]:
    """Return the first rows and the last `share` of them, by `row_order`."""
    rows = pairs.select("user_id", "track_id", "target", "row_order")
    last = rows.agg(F.max("row_order")).collect()[0][0]
    if last is None:
        raise EvaluationError(
            "There are no labelled pairs; name a source of the format kkbox_train and run `pmrs run ingest`."
        )
    cutoff = int(last * (1 - share))
    return rows.where(F.col("row_order") <= cutoff), rows.where(F.col("row_order") > cutoff)


def predict_rates(train: pa.Table, test: pa.Table, shrinkage: float) -> tuple[F64, F64]:
    """Return two probabilities [N] of each test pair: the overall rate, and the user's and the track's rate combined.

    The rates of user and track are added in log odds.
    """
    target = train["target"].to_numpy().astype(np.float64)
    overall = float(np.clip(target.mean(), 1e-6, 1 - 1e-6))
    log_odds = np.full(test.num_rows, logit(overall))
    for key in ("user_id", "track_id"):
        ids = pc.unique(train[key])
        train_index = pc.index_in(train[key], ids).to_numpy()
        count = np.bincount(train_index, minlength=len(ids))
        rate = (np.bincount(train_index, target, len(ids)) + shrinkage * overall) / (count + shrinkage)
        index = pc.fill_null(pc.index_in(test[key], ids), -1).to_numpy()
        log_odds += np.where(index >= 0, logit(rate)[index], logit(overall)) - logit(overall)
    return np.full(test.num_rows, overall), expit(log_odds)


def score_pairs(model: Recommender, training_data: TrainingData, inputs: DataFrame, test: pa.Table) -> F64:
    """Return a recommender's scores [N] of the test pairs; 0 for an unknown user or track."""
    users, queries = training_data.queries(inputs.select(F.col("user_id").alias("query_id"), "track_id", "rating"))
    user = pc.fill_null(pc.index_in(test["user_id"], pa.array(users, pa.string())), -1).to_numpy()
    item = pc.fill_null(pc.index_in(test["track_id"], pa.array(training_data.tracks, pa.string())), -1).to_numpy()
    scores = np.zeros(test.num_rows)
    scorable = (user >= 0) & (item >= 0)
    for start in range(0, len(queries), USERS_PER_BLOCK):
        in_block = np.flatnonzero(scorable & (user >= start) & (user < start + USERS_PER_BLOCK))
        if in_block.size:
            block = model.score(queries[start : start + USERS_PER_BLOCK])
            scores[in_block] = block[user[in_block] - start, item[in_block]]
    return scores


def metrics_row(name: str, title: str, test: pa.Table, predicted: F64, config: PairsConfig, is_probability: bool) -> Row:
    """Return AUC and AP with intervals over users, and the errors if predictions are probabilities."""
    actual = test["target"].to_numpy().astype(np.float64)
    user = pc.index_in(test["user_id"], pc.unique(test["user_id"])).to_numpy()
    row: Row = {"model": name, "title": title, "pairs": len(actual), "users": int(user.max()) + 1}
    row["share_true"] = float(actual.mean())
    for metric, function in (("AUC", roc_auc), ("AP", average_precision)):
        low, high = _interval(function, actual, predicted, user, config.n_bootstrap)
        row[metric] = {"mean": function(actual, predicted), "low": low, "high": high}
    return row | ({"errors": asdict(prediction_errors(actual, predicted))} if is_probability else {})


def _interval(
    metric: Callable[[F64, F64], float], actual: F64, predicted: F64, user: NDArray[np.int64], n_bootstrap: int
) -> tuple[float, float]:
    """Return the percentile interval over users drawn with all their pairs."""
    rng, n_users = np.random.default_rng(SEED), int(user.max()) + 1
    values = []
    for _ in range(n_bootstrap):
        counts = np.bincount(rng.integers(0, n_users, n_users), minlength=n_users)[user]
        values.append(metric(np.repeat(actual, counts), np.repeat(predicted, counts)))
    low, high = np.quantile(values, TAILS)
    return float(low), float(high)


def build_rows(
    pairs: DataFrame, config: PairsConfig, left_out: dict[str, str], on_progress: ProgressCallback
) -> Iterator[Row]:
    """Yield a row per predictor. `left_out` receives the models that refuse data of this size."""
    first, last = split_pairs(pairs, config.share)
    train, test = (collect_arrow(part.orderBy("row_order"), PAIR_BYTES, "labelled pairs") for part in (first, last))
    if not train.num_rows or not test.num_rows:
        raise EvaluationError(f"{train.num_rows} training pairs and {test.num_rows} test pairs are too few.")
    overall, combined = predict_rates(train, test, config.shrinkage)
    yield metrics_row("overall_rate", "overall rate", test, overall, config, is_probability=True)
    yield metrics_row("rates", "rates of user and track", test, combined, config, is_probability=True)
    positives = (
        first.where("target > 0").groupBy("user_id", "track_id").agg(F.lit(1.0).alias("rating")).localCheckpoint()
    )
    training_data = collect_training_data(positives, None, None, ())
    for name in config.methods:
        on_progress(name, 0, 0)
        method = METHODS[name]
        try:
            model = method.fit(training_data, method.settings(), SEED)
        except CatalogTooLargeError as error:
            left_out[name] = str(error)
            continue
        scores = score_pairs(model, training_data, positives, test)
        yield metrics_row(name, method.title, test, scores, config, is_probability=False)


def run(settings: Settings, date: str, config: PairsConfig, on_progress: ProgressCallback) -> EvaluationReport:
    """Evaluate on table `labelled_pairs`, and return the report; it is stored in MongoDB's `quality` too (`kind` pairs)."""
    ctx = open_context(settings, date, config)
    left_out: dict[str, str] = {}
    results = list(build_rows(ctx.read_required("labelled_pairs", Partitions.LATEST), config, left_out, on_progress))
    protocol = f"train on the first {1 - config.share:.0%} of the pairs in order of time, test on the rest"
    report = {**report_head(ctx, "pairs", protocol), "left_out": left_out, "results": results}
    store_documents(settings, report)
    return report
