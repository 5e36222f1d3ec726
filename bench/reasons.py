"""Print ten users' lists with reasons, on the real Taste Profile sample: `PMRS_REAL_DATA=DIR python -m bench.reasons`.

Each reason is checked without the decomposition: the score is computed again without each track of the history in turn. The rank
after a reason is that of the named track by the decrease of the score; `1 of 9` is the largest decrease.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from models import exact_index, ials
from models.ials import ALSModel, IALSConfig
from models.recommendation_lists import explain_lists, search_lists
from models.types import F32

N_USERS, LIST_LENGTH, MIN_SONGS, MAX_SONGS, SEED = 10, 5, 8, 40, 10
"""Users have 8 to 40 songs, so that a person can read the histories."""


def main() -> None:
    """Print histories, items and reasons."""
    folder = Path(os.environ["PMRS_REAL_DATA"]) / "taste_profile"
    triplets = pd.read_csv(folder / "topUsers_10000.txt", sep=r"[ \t]", engine="python", names=["user", "song", "plays"])
    user_index, _ = pd.factorize(triplets["user"], sort=True)
    song_index, songs = pd.factorize(triplets["song"], sort=True)
    plays = csr_array((triplets["plays"].to_numpy(np.float32), (user_index, song_index)), shape=(user_index.max() + 1, len(songs)))
    plays.sort_indices()
    names = _names(folder / "songlist.txt", "latin-1") | _names(folder.parent / "msd" / "subset_unique_tracks.txt", "utf-8")
    print(f"{sum(song in names for song in songs):,} of {len(songs):,} songs have a name")
    titles = [names.get(song, song) for song in songs]
    config = IALSConfig()
    model = ALSModel(ials.fit(plays, config), config.objective, config.min_rating)
    n_songs = np.diff(plays.indptr)
    eligible = np.flatnonzero((n_songs >= MIN_SONGS) & (n_songs <= MAX_SONGS))
    user_items = plays[np.sort(np.random.default_rng(SEED).choice(eligible, N_USERS, replace=False))]
    lists = search_lists(model, exact_index.build_index(model.factors), user_items, LIST_LENGTH)
    reasons, n_first = explain_lists(model, user_items, lists), 0
    for row, item, reason in zip(lists.row, lists.item, reasons, strict=True):
        assert reason >= 0, "an item without a reason"
        entries = slice(user_items.indptr[row], user_items.indptr[row + 1])
        items, ratings = user_items.indices[entries], user_items.data[entries]
        if item == lists.item[lists.row == row][0]:
            history = sorted(zip(-ratings, items, strict=True))
            print(f"\nuser {row}: " + " | ".join(f"{titles[track]} x{-n_plays:g}" for n_plays, track in history))
        rank = 1 + int(np.flatnonzero(items[np.argsort(-_score_decreases(model, user_items[[row]], item))] == reason)[0])
        n_first += rank == 1
        print(f"    {titles[item]}, because {titles[reason]} ({rank} of {items.size})")
    print(f"\nThe named track has the largest decrease for {n_first} of {reasons.size} items.")


def _score_decreases(model: ALSModel, user_items: csr_array, item: int) -> F32:
    """Return how much the item's score decreases without each track of the history [H]."""
    without = csr_array(np.repeat(user_items.toarray(), user_items.nnz, axis=0))
    without[np.arange(user_items.nnz), user_items.indices] = 0
    scores = model.fold_in(without) @ model.factors[item]
    return np.asarray(model.fold_in(user_items)[0] @ model.factors[item] - scores)


def _names(file: Path, encoding: str) -> dict[str, str]:
    """Return the title and artist of each song."""
    fields = (line.rstrip("\n").split("<SEP>") for line in file.read_text(encoding).splitlines())
    return {line[1]: f"{line[3]} by {line[2]}" for line in fields if len(line) == 4}


if __name__ == "__main__":
    main()
