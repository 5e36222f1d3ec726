"""Write lists of implicit's models on our split: `.venv-peers/bin/python bench/peers.py EXPORT OUT [implicit_als implicit_bpr]`.

EXPORT is a folder that `pmrs evaluate --export EXPORT` wrote. Run `pmrs evaluate --rankings OUT/implicit_als.parquet` to score the
lists. The script imports nothing from this repository, so that our code cannot help or harm a peer (requirements/peers.in).
Settings are chosen by NDCG@20 on the inner split, a split of the training part; one seed.
"""

import itertools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from implicit.als import AlternatingLeastSquares
from implicit.bpr import BayesianPersonalizedRanking
from scipy.sparse import csr_matrix

DEPTH, TUNE_AT, SEED = 100, 20, 7
Grid = tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Data:
    """One split: U users, I tracks of the training data, Q queries (users of the first task)."""

    users: list[str]
    tracks: list[str]
    train: csr_matrix
    queries: list[str]
    truth: dict[str, set[str]]


def load(folder: Path, prefix: str) -> Data:
    """Read the tables of `--export`; the task is discovery."""
    train, truth = (pq.read_table(folder / f"{prefix}{name}") for name in ("train", "discovery_truth"))
    users, tracks = sorted(set(train["user_id"].to_pylist())), sorted(set(train["track_id"].to_pylist()))
    index = [pc.index_in(train[k], pa.array(ids)).to_numpy() for k, ids in (("user_id", users), ("track_id", tracks))]
    matrix = csr_matrix((train["rating"].to_numpy().astype(np.float32), tuple(index)), shape=(len(users), len(tracks)))
    relevant: dict[str, set[str]] = {}
    for query, track in zip(truth["query_id"].to_pylist(), truth["track_id"].to_pylist(), strict=True):
        relevant.setdefault(query, set()).add(track)
    if unknown := set(relevant) - set(users):
        raise SystemExit(
            f"{len(unknown)} query users are not in the training data; peers need a split of known users."
        )
    return Data(users, tracks, matrix, sorted(relevant), relevant)


def confidence_weights(ratings: csr_matrix) -> csr_matrix:
    """Return 1 + log2 R, the weights of our models; ratings below 1 are dropped."""
    confidence = ratings.copy()
    confidence.data = np.where(confidence.data >= 1, 1 + np.log2(np.maximum(confidence.data, 1)), 0).astype(np.float32)
    confidence.eliminate_zeros()
    return confidence


def als(data: Data, settings: dict[str, Any], seed: int) -> Any:
    """Fit alternating least squares (conjugate gradient)."""
    model = AlternatingLeastSquares(**settings, iterations=15, random_state=seed, num_threads=0)
    model.fit(confidence_weights(data.train), show_progress=False)
    return model


def bpr(data: Data, settings: dict[str, Any], seed: int) -> Any:
    """Fit Bayesian personalised ranking."""
    model = BayesianPersonalizedRanking(**settings, iterations=150, random_state=seed, num_threads=0)
    model.fit(confidence_weights(data.train), show_progress=False)
    return model


def grid(**values: tuple[Any, ...]) -> Grid:
    """Return all combinations of the values."""
    return tuple(dict(zip(values, combination, strict=True)) for combination in itertools.product(*values.values()))


PEERS: dict[str, tuple[Callable[[Data, dict[str, Any], int], Any], Grid]] = {
    "implicit_als": (als, grid(factors=(32, 64, 128), regularization=(0.1, 1.0, 10.0, 30.0), alpha=(1.0, 10.0, 30.0, 100.0))),
    "implicit_bpr": (bpr, grid(factors=(32, 64), learning_rate=(0.01, 0.05), regularization=(0.001, 0.01, 0.1))),
}


def lists(model: Any, data: Data) -> Iterator[tuple[str, list[str], list[float]]]:
    """Yield each query with its best DEPTH unseen tracks and their scores."""
    row_of = {user: row for row, user in enumerate(data.users)}
    rows = np.array([row_of[query] for query in data.queries])
    items, scores = model.recommend(rows, data.train[rows], N=DEPTH, filter_already_liked_items=True)
    for query, line, line_scores in zip(data.queries, items, scores, strict=True):
        ranked = [
            (data.tracks[i], float(s))
            for i, s in zip(line, line_scores, strict=True)
            if i >= 0 and np.isfinite(s) and s > -1e30
        ]
        yield query, [track for track, _ in ranked], [s for _, s in ranked]


def ndcg(model: Any, data: Data) -> float:
    """Return the mean NDCG@TUNE_AT."""
    gains = 1 / np.log2(np.arange(2, TUNE_AT + 2))
    values = []
    for query, tracks, _ in lists(model, data):
        hits = np.array([track in data.truth[query] for track in tracks[:TUNE_AT]])
        values.append(gains[: hits.size][hits].sum() / gains[: min(TUNE_AT, len(data.truth[query]))].sum())
    return float(np.mean(values))


def main(export: Path, out: Path, names: list[str]) -> None:
    """Tune, fit, write `OUT/<name>.parquet` for each peer."""
    inner, outer = load(export, "inner_"), load(export, "")
    out.mkdir(parents=True, exist_ok=True)
    for name in names or PEERS:
        fit, settings = PEERS[name]
        grid_scores = [ndcg(fit(inner, candidate, SEED), inner) for candidate in settings]
        best = settings[int(np.argmax(grid_scores))]
        start = time.monotonic()
        model = fit(outer, best, SEED)
        rows = [
            (query, rank, track, score)
            for query, tracks, scores in lists(model, outer)
            for rank, (track, score) in enumerate(zip(tracks, scores, strict=True), 1)
        ]
        columns = [list(column) for column in zip(*rows, strict=True)]
        pq.write_table(pa.table(columns, ["query_id", "rank", "track_id", "score"]), out / f"{name}.parquet")
        seconds = time.monotonic() - start
        print(f"{name}: {best}, NDCG@20 {max(grid_scores):.4f} on the inner split; fit and lists {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
