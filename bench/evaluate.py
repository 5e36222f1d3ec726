"""Time of `pmrs evaluate`, all default models tuned, on synthetic play counts: `python -m bench.evaluate`.

2,000 users, 17,600 tracks, 93,000 pairs. Users have two of 40 tastes; popularity follows Zipf's law; every track has a user.
Prints when each step began: wall seconds, and processor seconds of Python and Java together.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.harness import WORK
from jobs.evaluate import command
from jobs.evaluate.setup import EvaluationConfig
from jobs.mongo import embedded
from jobs.runner import run_named
from jobs.settings import Settings
from jobs.sources.config import load_sources, newest_date

USERS, TRACKS, PAIRS, TASTES = 2_000, 17_600, 93_000, 40
MIN_TRACKS, MAX_TRACKS = 8, 600
SEED = 11
SOURCES = """name = "evaluate_bench"
synthetic = true
genres = "tagtraum14"

[[source]]
format = "taste_profile"
path = "{folder}/triplets.txt"
as_of = 2012-01-01

[[source]]
name = "tracks"
format = "msd_unique_tracks"
path = "{folder}/unique_tracks.txt"
"""


def history_lengths(rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the number of tracks of each user: log-normal, with the sum PAIRS."""
    lengths = np.clip(rng.lognormal(3.4, 0.9, USERS).astype(int), MIN_TRACKS, MAX_TRACKS)
    lengths = np.maximum(MIN_TRACKS, (lengths * PAIRS / lengths.sum()).round().astype(int))
    while lengths.sum() != PAIRS:
        user = rng.integers(0, USERS)
        lengths[user] = max(MIN_TRACKS, lengths[user] + np.sign(PAIRS - lengths.sum()))
    return np.asarray(lengths, np.int64)


def draw_pairs(rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return PAIRS distinct pairs (user, track)."""
    popularity = 1 / (np.arange(TRACKS) + 20.0) ** 0.8
    rng.shuffle(popularity)
    taste = rng.integers(0, TASTES, TRACKS)
    lengths = history_lengths(rng)
    overall = popularity / popularity.sum()
    by_taste = [np.where(taste == t, popularity, 0) / popularity[taste == t].sum() for t in range(TASTES)]
    pairs: list[tuple[int, int]] = []
    for user in range(USERS):
        first, second = rng.choice(TASTES, 2, replace=False)
        p = 0.5 * by_taste[first] + 0.25 * by_taste[second] + 0.25 * overall
        pairs += [(user, int(track)) for track in rng.choice(TRACKS, lengths[user], replace=False, p=p / p.sum())]
    return add_unplayed_tracks(pairs, rng)


def add_unplayed_tracks(pairs: list[tuple[int, int]], rng: np.random.Generator) -> list[tuple[int, int]]:
    """Replace pairs of popular tracks by pairs of tracks that no user has."""
    counts = np.bincount([track for _, track in pairs], minlength=TRACKS)
    order = iter(rng.permutation(len(pairs)))
    for unplayed in np.flatnonzero(counts == 0).tolist():
        position = next(n for n in order if counts[pairs[n][1]] >= MIN_TRACKS)
        user, track = pairs[position]
        counts[track] -= 1
        pairs[position] = user, unplayed
    return pairs


def write_sources(folder: Path) -> Path:
    """Write triplets, catalogue and sources file, unless they exist; return the sources file."""
    file = folder / "sources.toml"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(SEED)
        triplets = [f"u{u:05d}\tSO{t:016d}\t{1 + int(rng.geometric(0.5))}" for u, t in draw_pairs(rng)]
        tracks = [f"TR{t:016d}<SEP>SO{t:016d}<SEP>artist {t % 3000}<SEP>title {t}" for t in range(TRACKS)]
        (folder / "triplets.txt").write_text("\n".join(triplets) + "\n")
        (folder / "unique_tracks.txt").write_text("\n".join(tracks) + "\n")
        file.write_text(SOURCES.format(folder=folder))
    return file


def processor_seconds() -> float:
    """Return the processor seconds of this process and its children, which are alive."""
    total, tick = 0.0, os.sysconf("SC_CLK_TCK")
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(folder.name) == os.getpid() or int(fields[1]) == os.getpid():
            total += (int(fields[11]) + int(fields[12])) / tick
    return total


def main(models: tuple[str, ...]) -> None:
    """Run the evaluation in this process; the input is computed once."""
    folder = (WORK / "evaluate").resolve()
    settings = Settings(var=folder / "var", sources=write_sources(folder))
    embedded.start(settings)
    if not (folder / "var" / "lake").is_dir():
        date = newest_date(load_sources(settings.sources_file))
        for family in ("ingest", "prepare"):
            run_named(settings, family, date)
        raise SystemExit("The input is ready; run the command again, so that Spark starts anew.")
    start = time.monotonic()

    def on_progress(step: str, done: int, total: int) -> None:
        print(f"{time.monotonic() - start:8.1f} s {processor_seconds():8.1f} s  {step}", flush=True)

    report = command.run(settings, EvaluationConfig(split="random", models=models), command.Options(), on_progress)
    on_progress("done", 0, 0)
    for row in report["results"]:
        print(row["model"], f"NDCG@20 {row['metrics']['NDCG@20']['mean']:.6f}", row["settings"])


if __name__ == "__main__":
    main(tuple(sys.argv[1:]))
