"""Ten users' lists with their reasons, to be read: `PMRS_REAL_DATA=DIR python -m bench.reasons`, on the real Taste Profile sample.

Beside each reason stands what a second look gives, which knows nothing of the decomposition: each track of the history is left out
in turn, and the score computed anew. `1 of 9`: leaving the named track out makes the score fall most.
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

USERS, PLACES, MIN_PLAYS, MAX_PLAYS, SEED = 10, 5, 8, 40, 10
"""Ten users of 8 to 40 songs, so that a person can read the histories; five places each."""


def main() -> None:
    """Print histories, items and reasons."""
    folder = Path(os.environ["PMRS_REAL_DATA"]) / "taste_profile"
    triplets = pd.read_csv(folder / "topUsers_10000.txt", sep=r"[ \t]", engine="python", names=["user", "song", "plays"])
    user, _ = pd.factorize(triplets["user"], sort=True)
    song, songs = pd.factorize(triplets["song"], sort=True)
    plays = csr_array((triplets["plays"].to_numpy(np.float32), (user, song)), shape=(user.max() + 1, len(songs)))
    plays.sort_indices()
    names = _names(folder / "songlist.txt", "latin-1") | _names(folder.parent / "msd" / "subset_unique_tracks.txt", "utf-8")
    print(f"{sum(one in names for one in songs):,} of {len(songs):,} songs have a name")
    titles = [names.get(one, one) for one in songs]
    config = IALSConfig()
    model = ALSModel(ials.fit(plays, config), config.objective, config.min_rating)
    many = np.diff(plays.indptr)
    chosen = np.random.default_rng(SEED).choice(np.flatnonzero((many >= MIN_PLAYS) & (many <= MAX_PLAYS)), USERS, replace=False)
    user_items = plays[np.sort(chosen)]
    lists = search_lists(model, exact_index.build_index(model.factors), user_items, PLACES)
    reasons, first = explain_lists(model, user_items, lists), 0
    for row, item, reason in zip(lists.row, lists.item, reasons, strict=True):
        assert reason >= 0, "a place without a reason"
        span = slice(user_items.indptr[row], user_items.indptr[row + 1])
        items, rated = user_items.indices[span], user_items.data[span]
        if item == lists.item[lists.row == row][0]:
            best = sorted(zip(-rated, items, strict=True))
            print(f"\nuser {row}: " + " | ".join(f"{titles[one]} x{-times:g}" for times, one in best))
        rank = 1 + int(np.flatnonzero(items[np.argsort(-_falls(model, user_items[[row]], item))] == reason)[0])
        first += rank == 1
        print(f"    {titles[item]}, because {titles[reason]} ({rank} of {items.size})")
    print(f"\nThe named track's absence costs most in {first} of {reasons.size} places.")


def _falls(model: ALSModel, user_items: csr_array, item: int) -> F32:
    """By how much the item's score falls where each track of the history [H] is left out."""
    without = csr_array(np.repeat(user_items.toarray(), user_items.nnz, axis=0))
    without[np.arange(user_items.nnz), user_items.indices] = 0
    scores = model.fold_in(without) @ model.factors[item]
    return np.asarray(model.fold_in(user_items)[0] @ model.factors[item] - scores)


def _names(file: Path, encoding: str) -> dict[str, str]:
    """Title and artist by song."""
    fields = (line.rstrip("\n").split("<SEP>") for line in file.read_text(encoding).splitlines())
    return {one[1]: f"{one[3]} by {one[2]}" for one in fields if len(one) == 4}


if __name__ == "__main__":
    main()
