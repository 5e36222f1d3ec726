"""Generate the synthetic, seeded input of the benchmarks once, below var/bench/."""

import datetime as dt
import gzip
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import csr_array, save_npz

from bench.harness import WORK
from bench.song_sampler import make_sampler
from models.types import I64

LAST_DAY = dt.date(2026, 11, 14)
DAYS, FILES = 10, 8
USERS, TRACKS = 200_000, 1_000_000


def app_log(lines: int, name: str = "log", last_day: dt.date = LAST_DAY, days: int = DAYS) -> Path:
    """Write JSONL.gz logs by received day and return their folder.

    Few users and tracks have many events, and many have few. 0.5 % of the lines are duplicates, 0.1 % are invalid.
    """
    root = WORK / f"{name}-{lines}"
    done = root.with_suffix(".made")
    if done.exists():
        return root
    rng = np.random.default_rng(7)
    for back in range(days):
        day = last_day - dt.timedelta(days=back)
        folder = root / f"dt={day}"
        folder.mkdir(parents=True, exist_ok=True)
        for file in range(FILES):
            with gzip.open(folder / f"part-{file}.jsonl.gz", "wt", compresslevel=4) as stream:
                stream.write("\n".join(_events(rng, lines // (days * FILES), day)) + "\n")
    done.touch()
    return root


def app_log_with_one_heavy_user(lines: int) -> Path:
    """Write the logs of `app_log` plus as many lines of one user on the last day, and return their folder."""
    root = WORK / f"heavy-{lines}"
    done = root.with_suffix(".made")
    if done.exists():
        return root
    shutil.copytree(app_log(lines), root, dirs_exist_ok=True)
    rng = np.random.default_rng(9)
    for file in range(FILES):
        with gzip.open(root / f"dt={LAST_DAY}" / f"one-{file}.jsonl.gz", "wt", compresslevel=4) as stream:
            stream.write("\n".join(_events(rng, lines // FILES, LAST_DAY, users=1)) + "\n")
    done.touch()
    return root


def _events(rng: np.random.Generator, count: int, day: dt.date, users: int = USERS) -> list[str]:
    user = (users * rng.random(count) ** 2).astype(int)
    tracks = (TRACKS * rng.random(count) ** 3).astype(int)
    seconds = np.sort(rng.integers(0, 86_400, count))
    kinds = np.array(["play", "skip", "like"])[np.searchsorted([0.85, 0.95], rng.random(count))]
    ms_played = rng.integers(1_000, 300_000, count)
    lines = [
        f'{{"user_id": "u{u:06d}", "track_id": "TR{t:016X}", "event": "{e}", "ms_played": {ms}, '
        f'"played_at": "{day}T{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}Z", "session_id": "s{u:06d}-{s // 3600}"}}'
        for u, t, e, ms, s in zip(user, tracks, kinds, ms_played, seconds, strict=True)
    ]
    lines[-(count // 200) :] = lines[: count // 200]
    lines[count // 2 : count // 2 + count // 1000] = ['{"user_id": "u1", broken'] * (count // 1000)
    return lines


@dataclass(frozen=True)
class LikeFiles:
    """Files of synthetic likes: power laws over users and tracks, and 40 tastes."""

    train: Path
    """Sparse matrix [U, I] of play counts, in scipy's format."""
    test_set: Path
    """The held-out likes of QUERIES users [U, I]."""
    pairs: Path
    """`train` as Parquet: `user`, `item`, `confidence`."""


N_USERS, SONGS, LIKES, TASTES, QUERIES = 200_000, 50_000, 5_190_000, 40, 10_000


def like_files(seed: int = 7) -> LikeFiles:
    """Write the likes and return their files.

    A fifth of the likes of QUERIES users with at least five likes is held out; LIKES remain.
    """
    files = LikeFiles(*(WORK / f"listening-{seed}-{name}" for name in ("train.npz", "held.npz", "interactions.parquet")))
    if files.pairs.exists():
        return files
    WORK.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    user, item = likes(rng, LIKES + 10 * QUERIES)
    counts = np.bincount(user, minlength=N_USERS)
    is_query = np.zeros(N_USERS, dtype=bool)
    is_query[rng.permutation(np.flatnonzero(counts >= 5))[:QUERIES]] = True
    test_set = is_query[user] & (rng.random(user.size) < 0.2)
    plays = np.minimum(rng.geometric(0.5, user.size), 999).astype(np.float32)
    train = np.flatnonzero(~test_set)[:LIKES]
    for path, rows in ((files.train, train), (files.test_set, np.flatnonzero(test_set))):
        save_npz(path, csr_array((plays[rows], (user[rows], item[rows])), shape=(N_USERS, SONGS)))
    columns = {"user": user[train].astype(np.int32), "item": item[train].astype(np.int32)}
    pq.write_table(pa.table({**columns, "confidence": (1 + np.log2(plays[train])).astype(np.float32)}), files.pairs)
    return files


def likes(rng: np.random.Generator, count: int, users: int = N_USERS, songs: int = SONGS) -> tuple[I64, I64]:
    """Return `count` distinct (user, song): users by a Pareto law, songs by their rank to the power of -0.8 and by taste."""
    activity = rng.pareto(1.6, users) + 0.3
    sampler = make_sampler(rng, 1 / np.arange(1, songs + 1) ** 0.8, TASTES)
    taste = rng.integers(0, TASTES, users)
    user = rng.choice(users, count * 13 // 10, p=activity / activity.sum())
    pairs = rng.permutation(np.unique(user * songs + sampler.sample(rng, taste[user])))[:count]
    return pairs // songs, pairs % songs
