"""Write RecBole's sequence models' lists: `.venv-sequence-peers/bin/python bench/sequence_peers.py EXPORT OUT [recbole_gru4rec]`.

EXPORT is a folder that `pmrs evaluate --split temporal --export EXPORT` wrote. The lists are for its tasks `next track` and `rest
of session`, which have the same inputs. The script imports nothing from this repository (requirements/peers-sequence.in).

The models, their losses and defaults are RecBole's; the batches are ours. As in RecBole's augmentation, the target is every track
of a training session, and the input is up to LOOK_BACK tracks before it. Settings and the number of epochs are chosen by NDCG@20
of the next track on the inner split, a split of the training part; one seed.
"""

import datetime as dt
import itertools
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from recbole.config import Config
from recbole.model.sequential_recommender import GRU4Rec, SASRec

DEPTH, TUNE_AT, SEED, LOOK_BACK = 100, 20, 7, 20
BATCH, EPOCHS, PATIENCE, THREADS = 512, 5, 1, 1
RECENT = dt.timedelta(days=90)
"""Period before the last play whose plays are training data, so that a fit takes minutes on one core.

session-rec's settings for 30Music use 90 days too.
"""
Ints = NDArray[np.int64]
PEERS: dict[str, tuple[type, tuple[dict[str, Any], ...]]] = {
    "recbole_gru4rec": (GRU4Rec, ({"learning_rate": 0.005},)),
    "recbole_sasrec": (SASRec, ({"learning_rate": 0.002, "hidden_dropout_prob": 0.2, "attn_dropout_prob": 0.2},)),
}
"""Model class and grid by name; other settings are RecBole's defaults (properties/model/*.yaml of its release)."""


@dataclass(frozen=True)
class Sequences:
    """Rows of LOOK_BACK track numbers: `length` tracks, then padding with 0."""

    tracks: Ints
    length: Ints

    def batch(self, rows: Ints) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the tracks of these rows, padded to the longest, and their lengths."""
        length = self.length[rows]
        return torch.from_numpy(self.tracks[rows, : length.max()]), torch.from_numpy(length)


@dataclass(frozen=True)
class Data:
    """One split. Track i of `tracks` has the number i + 1; 0 is padding."""

    tracks: list[str]
    past: Sequences
    following: Ints
    """The track after each row of `past`."""
    queries: list[str]
    query_sequences: Sequences
    answer: Ints
    """The next track of each query; 0 if it is not in the training data."""

    def num(self, field: str) -> int:
        """Return the number of tracks with the padding; RecBole calls this method of its data set."""
        return len(self.tracks) + 1


def windows(items: Ints, start: Ints, end: Ints) -> Sequences:
    """Return the last LOOK_BACK of items[start:end] of each row."""
    first = np.maximum(start, end - LOOK_BACK)
    position = first[:, None] + np.arange(LOOK_BACK)
    return Sequences(np.where(position < end[:, None], items[np.minimum(position, items.size - 1)], 0), end - first)


def starts(keys: pa.ChunkedArray) -> Ints:
    """Return the first row of the same key for each row of a sorted column."""
    codes: Ints = pc.rank(keys, tiebreaker="min").to_numpy().astype(np.int64)
    return codes - 1


def load(folder: Path, prefix: str) -> Data:
    """Read the tables `plays`, `next_track_input_sequence`, `next_track_truth` of `--export`; only tracks in RECENT plays."""
    plays = pq.read_table(folder / f"{prefix}plays").sort_by([("session", "ascending"), ("position", "ascending")])
    plays = plays.filter(pc.greater(plays["played_at"], pa.scalar(pc.max(plays["played_at"]).as_py() - RECENT)))
    tracks = pa.array(sorted(set(plays["track_id"].to_pylist())))
    items = pc.index_in(plays["track_id"], tracks).to_numpy().astype(np.int64) + 1
    first, position = starts(plays["session"]), np.arange(items.size)
    has_past = position > first
    inputs = pq.read_table(folder / f"{prefix}next_track_input_sequence")
    inputs = inputs.filter(pc.is_in(inputs["track_id"], tracks)).sort_by([("query_id", "ascending"), ("position", "ascending")])
    input_items = pc.index_in(inputs["track_id"], tracks).to_numpy().astype(np.int64) + 1
    start = np.unique(starts(inputs["query_id"]))
    queries = inputs["query_id"].take(start).to_pylist()
    query_sequences = windows(input_items, start, np.r_[start[1:], inputs.num_rows])
    truth = pq.read_table(folder / f"{prefix}next_track_truth")
    true_items = pc.fill_null(pc.index_in(truth["track_id"], tracks), -1).to_numpy() + 1
    item_of_query = dict(zip(truth["query_id"].to_pylist(), true_items, strict=True))
    answer = np.array([item_of_query[query] for query in queries], dtype=np.int64)
    past = windows(items, first[has_past], position[has_past])
    return Data(tracks.to_pylist(), past, items[has_past], queries, query_sequences, answer)


def batches(data: Data, rng: np.random.Generator) -> Iterator[Ints]:
    """Yield batches of rows in random order, each row once; sequences of similar length share a batch, which saves padding."""
    order = rng.permutation(data.following.size)
    pools = (order[i : i + 16 * BATCH] for i in range(0, order.size, 16 * BATCH))
    blocks = [
        pool[first : first + BATCH]
        for pool in (pool[np.argsort(data.past.length[pool], kind="stable")] for pool in pools)
        for first in range(0, pool.size, BATCH)
    ]
    return (blocks[i] for i in rng.permutation(len(blocks)))


def epochs(model_class: type, data: Data, settings: dict[str, Any]) -> Iterator[Any]:
    """Yield the model after each epoch of training with Adam."""
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    config = {"use_gpu": False, "MAX_ITEM_LIST_LENGTH": LOOK_BACK, "train_neg_sample_args": None, **settings}
    model = model_class(Config(model=model_class.__name__, dataset="export", config_dict=config), data)
    optimiser = torch.optim.Adam(model.parameters(), lr=settings["learning_rate"])
    while True:
        model.train()
        for rows in batches(data, rng):
            tracks, length = data.past.batch(rows)
            following = torch.from_numpy(data.following[rows])
            optimiser.zero_grad()
            loss = model.calculate_loss(
                {model.ITEM_SEQ: tracks, model.ITEM_SEQ_LEN: length, model.POS_ITEM_ID: following}
            )
            loss.backward()
            optimiser.step()
        yield model


@torch.no_grad()
def best(model: Any, data: Data, depth: int) -> tuple[Ints, NDArray[np.float32]]:
    """Return the best tracks [Q, depth] of each query and their scores."""
    model.eval()
    top = []
    for rows in np.array_split(np.arange(len(data.queries)), len(data.queries) // BATCH + 1):
        tracks, length = data.query_sequences.batch(rows)
        scores = model.full_sort_predict({model.ITEM_SEQ: tracks, model.ITEM_SEQ_LEN: length})
        scores[:, 0] = -torch.inf
        top.append(scores.topk(min(depth, len(data.tracks))))
    values, items = (torch.cat(parts).numpy() for parts in zip(*top, strict=True))
    return items, values


def ndcg(model: Any, data: Data) -> float:
    """Return the mean NDCG@TUNE_AT of the next track, the only relevant one."""
    items, _ = best(model, data, TUNE_AT)
    hit = items == data.answer[:, None]
    return float((hit / np.log2(np.arange(2, hit.shape[1] + 2))).sum(axis=1).mean())


def tune(model_class: type, data: Data, settings: dict[str, Any]) -> tuple[float, int]:
    """Return the best NDCG of up to EPOCHS epochs, and their number; stops PATIENCE epochs after the best."""
    values: list[float] = []
    for model in itertools.islice(epochs(model_class, data, settings), EPOCHS):
        values.append(ndcg(model, data))
        print(f"  {model_class.__name__} {settings}, epoch {len(values)}: {values[-1]:.4f}", flush=True)
        if len(values) - 1 - int(np.argmax(values)) >= PATIENCE:
            break
    return max(values), int(np.argmax(values)) + 1


def table(data: Data, items: Ints, scores: NDArray[np.float32]) -> pa.Table:
    """Return a ranking table."""
    depth = items.shape[1]
    columns = {
        "query_id": pa.array(np.repeat(data.queries, depth)),
        "rank": pa.array(np.tile(np.arange(1, depth + 1), len(data.queries))),
        "track_id": pa.array(data.tracks).take(pa.array(items.ravel() - 1)),
        "score": pa.array(scores.ravel().astype(np.float64)),
    }
    return pa.table(columns)


def main(export: Path, out: Path, names: list[str]) -> None:
    """Tune, fit, write `OUT/<name>.parquet` for each peer."""
    torch.set_num_threads(THREADS)
    torch.autograd.set_detect_anomaly(False)  # a module of RecBole turns it on, which costs a third of the time
    inner, outer = load(export, "inner_"), load(export, "")
    out.mkdir(parents=True, exist_ok=True)
    for name in names or PEERS:
        model_class, grid = PEERS[name]
        start = time.monotonic()
        results = [tune(model_class, inner, settings) for settings in grid]
        chosen = int(np.argmax([score for score, _ in results]))
        score, n_epochs = results[chosen]
        tuning, start = time.monotonic() - start, time.monotonic()
        model = next(itertools.islice(epochs(model_class, outer, grid[chosen]), n_epochs - 1, None))
        pq.write_table(table(outer, *best(model, outer, DEPTH)), out / f"{name}.parquet")
        print(
            f"{name}: {grid[chosen]}, {n_epochs} epochs of at most {EPOCHS}, NDCG@20 {score:.4f} on the inner split; "
            f"tuning {tuning:.0f} s, fit and lists {time.monotonic() - start:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
