"""Labelled pairs (KKBox): will a user come back to a track? Single predictions on real negatives: `pmrs evaluate-pairs`.

Learned from the first rows of the file, asked for the last: rows are in order of time, and a random split would flatter. Scores of
recommenders order pairs and are no probabilities, so that AUC and AP are told of them, and errors of the rates alone.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from scipy.special import expit, logit

from jobs.errors import EvaluationError
from jobs.evaluate.intervals import SEED, TAILS
from jobs.evaluate.pointwise import auc, average_precision, errors
from jobs.evaluate.question import opened
from jobs.evaluate.tables import keep
from jobs.lake.collect import collect_arrow
from jobs.lake.manifest import code_version
from jobs.lake.partitions import Partitions
from jobs.recommenders.methods import METHODS
from jobs.recommenders.training_data import Learned, learn
from jobs.settings import Settings
from models.top_n import Recommender, TooLarge

Floats = NDArray[np.float64]
Row = dict[str, Any]
PAIR_BYTES = 120
BLOCK = 500
"""Users scored at once."""


@dataclass(frozen=True)
class Config:
    """How the pairs are divided, and what predicts."""

    share: float = 0.2
    """Of the rows, at the end of the file, that are asked for."""
    shrinkage: float = 10.0
    """Pairs of the overall rate that are added to those of each user and track: rates of few pairs say little."""
    methods: tuple[str, ...] = ("popularity", "item_knn", "ease", "als")
    """Recommenders that are asked beside the rates, with their first settings, fitted on the pairs that came true."""
    draws: int = 200
    """Of the bootstrap over users."""


def divide(pairs: DataFrame, share: float) -> tuple[DataFrame, DataFrame]:
    """(the first rows, the last `share` of them), by `row_order`."""
    rows = pairs.select("user_id", "track_id", "target", "row_order")
    last = rows.agg(F.max("row_order")).collect()[0][0]
    if last is None:
        raise EvaluationError("There are no labelled pairs; name a source of the format kkbox_train and run `pmrs run ingest`.")
    cut = int(last * (1 - share))
    return rows.where(F.col("row_order") <= cut), rows.where(F.col("row_order") > cut)


def rates(train: pa.Table, asked: pa.Table, shrinkage: float) -> tuple[Floats, Floats]:
    """Probability of each asked pair: the overall rate, and the user's with the track's: log odds that add up, [N] each."""
    target = train["target"].to_numpy().astype(np.float64)
    overall = float(np.clip(target.mean(), 1e-6, 1 - 1e-6))
    odds = np.full(asked.num_rows, logit(overall))
    for key in ("user_id", "track_id"):
        names = pc.unique(train[key])
        place = pc.index_in(train[key], names).to_numpy()
        count = np.bincount(place, minlength=len(names))
        rate = (np.bincount(place, target, len(names)) + shrinkage * overall) / (count + shrinkage)
        at = pc.fill_null(pc.index_in(asked[key], names), -1).to_numpy()
        odds += np.where(at >= 0, logit(rate)[at], logit(overall)) - logit(overall)
    return np.full(asked.num_rows, overall), expit(odds)


def scores(model: Recommender, learned: Learned, told: DataFrame, asked: pa.Table) -> Floats:
    """A recommender's scores of the asked pairs [N]; 0 where it knows the user or the track not."""
    queries, ratings = learned.asked(told.select(F.col("user_id").alias("query_id"), "track_id", "rating"))
    user = pc.fill_null(pc.index_in(asked["user_id"], pa.array(queries, pa.string())), -1).to_numpy()
    item = pc.fill_null(pc.index_in(asked["track_id"], pa.array(learned.tracks, pa.string())), -1).to_numpy()
    found = np.zeros(asked.num_rows)
    known = (user >= 0) & (item >= 0)
    for start in range(0, len(queries), BLOCK):
        here = np.flatnonzero(known & (user >= start) & (user < start + BLOCK))
        if here.size:
            found[here] = model.score(ratings[start : start + BLOCK])[user[here] - start, item[here]]
    return found


def judged(name: str, title: str, asked: pa.Table, predicted: Floats, config: Config, probable: bool) -> Row:
    """AUC and AP with intervals over users drawn with all their pairs; errors where predictions are probabilities."""
    actual = asked["target"].to_numpy().astype(np.float64)
    place = pc.index_in(asked["user_id"], pc.unique(asked["user_id"])).to_numpy()
    row: Row = {"model": name, "title": title, "pairs": len(actual), "users": int(place.max()) + 1}
    row["share_true"] = float(actual.mean())
    for metric, of in (("AUC", auc), ("AP", average_precision)):
        low, high = _interval(of, actual, predicted, place, config.draws)
        row[metric] = {"mean": of(actual, predicted), "low": low, "high": high}
    return row | ({"errors": asdict(errors(actual, predicted))} if probable else {})


def _interval(
    of: Callable[[Floats, Floats], float], actual: Floats, predicted: Floats, user: NDArray[np.int64], draws: int
) -> tuple[float, float]:
    random, users = np.random.default_rng(SEED), int(user.max()) + 1
    found = []
    for _ in range(draws):
        times = np.bincount(random.integers(0, users, users), minlength=users)[user]
        found.append(of(np.repeat(actual, times), np.repeat(predicted, times)))
    low, high = np.quantile(found, TAILS)
    return float(low), float(high)


def build(pairs: DataFrame, config: Config, left_out: dict[str, str]) -> Iterator[Row]:
    """A row for each predictor. `left_out` is filled with those that refuse data of this size."""
    before, after = divide(pairs, config.share)
    train, asked = (collect_arrow(part.orderBy("row_order"), PAIR_BYTES, "labelled pairs") for part in (before, after))
    if not train.num_rows or not asked.num_rows:
        raise EvaluationError(f"{train.num_rows} pairs to learn from and {asked.num_rows} to ask for are too few.")
    same, mixed = rates(train, asked, config.shrinkage)
    yield judged("overall_rate", "overall rate", asked, same, config, probable=True)
    yield judged("rates", "rates of user and track", asked, mixed, config, probable=True)
    told = before.where("target > 0").groupBy("user_id", "track_id").agg(F.lit(1.0).alias("rating")).localCheckpoint()
    learned = learn(told, None, None, ())
    for name in config.methods:
        method = METHODS[name]
        try:
            model = method.fit(learned, method.settings(), SEED)
        except TooLarge as error:
            left_out[name] = str(error)
            continue
        yield judged(name, method.title, asked, scores(model, learned, told, asked), config, probable=False)


def run(settings: Settings, date: str, config: Config) -> Row:
    """Reads `labelled_pairs`; the whole as a dictionary, which is stored in MongoDB's `quality` too (`kind` pairs)."""
    ctx = opened(settings, date, config)
    left_out: dict[str, str] = {}
    results = list(build(ctx.read_required("labelled_pairs", Partitions.LATEST), config, left_out))
    sources = ctx.night.sources
    head = {
        "kind": "pairs", "sources": sources.name, "synthetic": sources.synthetic, "date": ctx.night.date.isoformat(),
        "protocol": f"learned from the first {1 - config.share:.0%} of the pairs in order of time, asked for the rest",
        "left_out": left_out, "code": code_version(), "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    told = {**head, "results": results}
    keep(settings, told)
    return told
