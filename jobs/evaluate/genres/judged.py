"""What a genre model's answers are worth, once every track has been asked for in every seed's folds."""

from dataclasses import asdict
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

from jobs.evaluate.genres.contenders import LEAST, Contender
from jobs.evaluate.genres.heard import Heard, Places, Reals
from jobs.evaluate.intervals import difference, intervals

RIVALS = ("mfcc_svm", "logistic")
"""Models of others' making; differences from them are told."""
Row = dict[str, Any]


def judged(contender: Contender, heard: Heard, said: Reals, seconds: float) -> Row:
    """One model's figures, of probabilities `said` [S, N, G]; NaN: seed S has not asked for the track.

    Accuracy with its interval over tracks (of a track: the mean over the seeds), log loss, macro F1, precision and recall by genre,
    and the confusion matrix, summed over the seeds. `seconds`: the mean of a fold.
    """
    right, asked = hits(heard, said), ~np.isnan(said[:, :, 0])
    seeds, tracks = np.nonzero(asked)
    truth, chosen = heard.genre[tracks], said[seeds, tracks].argmax(1)
    places = np.arange(len(heard.genres))
    precision, recall, _, support = precision_recall_fscore_support(truth, chosen, labels=places, zero_division=0)
    per_seed = [float((truth[seeds == seed] == chosen[seeds == seed]).mean()) for seed in np.unique(seeds)]
    return {
        "model": contender.name,
        "title": contender.title,
        "preset": contender.preset,
        "tiled": heard.clips[contender.preset].tiled if contender.preset else 0.0,
        "accuracy": asdict(intervals(right[asked.any(0), None])[0]),
        "seed_spread": max(per_seed) - min(per_seed),
        "macro_f1": float(f1_score(truth, chosen, labels=places, average="macro", zero_division=0)),
        "log_loss": -float(np.log(np.maximum(said[seeds, tracks, truth], LEAST)).mean()) if contender.probable else None,
        "genres": [
            {"genre": genre, "asked": int(n), "precision": float(p), "recall": float(r)}
            for genre, n, p, r in zip(heard.genres, support, precision, recall, strict=True)
        ],
        "confusion": confusion_matrix(truth, chosen, labels=places).tolist(),
        "seconds": round(seconds, 2),
    }  # fmt: skip


def hits(heard: Heard, said: Reals) -> Reals:
    """[N] share of the seeds in which the track's genre was told; 0 where it was never asked for."""
    asked = ~np.isnan(said[:, :, 0])
    right = (np.nan_to_num(said, nan=-1.0).argmax(2) == heard.genre) & asked
    return np.asarray(right.sum(0) / np.maximum(asked.sum(0), 1))


def compare(rows: list[Row], right: dict[str, Reals], asked: Places) -> None:
    """Add to each row the paired difference of its accuracy from each of RIVALS, over the tracks `asked` for."""
    for row in rows:
        row["against"] = {
            rival: asdict(difference(right[row["model"]][asked], right[rival][asked]))
            for rival in RIVALS if rival in right and rival != row["model"]
        }  # fmt: skip
