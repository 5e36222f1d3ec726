"""Figures of genre models from their predictions of every test fold."""

from dataclasses import asdict

import numpy as np
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

from jobs.evaluate.bootstrap import intervals, paired_difference
from jobs.evaluate.genres.data import LabelledTracks
from jobs.evaluate.genres.model_specs import MIN_PROBABILITY, GenreModelSpec
from jobs.evaluate.report import Row
from models.types import F64, I64

BASELINES = ("mfcc_svm", "logistic")
"""Models from scikit-learn; every report has the differences from them."""


def metrics_row(spec: GenreModelSpec, data: LabelledTracks, predictions: F64, seconds: float) -> Row:
    """Return one model's figures.

    Accuracy has an interval over tracks (a track's value is its mean over the seeds). The confusion matrix, log loss, macro
    F1, precision and recall pool all seeds. `predictions`: probabilities [S, N, G]; NaN if seed S did not test the track.
    `seconds`: mean of a fold.
    """
    accuracy, tested = track_accuracy(data, predictions), ~np.isnan(predictions[:, :, 0])
    seeds, tracks = np.nonzero(tested)
    truth, predicted = data.genre[tracks], predictions[seeds, tracks].argmax(1)
    labels = np.arange(len(data.genres))
    precision, recall, _, support = precision_recall_fscore_support(truth, predicted, labels=labels, zero_division=0)
    per_seed = [float((truth[seeds == seed] == predicted[seeds == seed]).mean()) for seed in np.unique(seeds)]
    log_loss = -float(np.log(np.maximum(predictions[seeds, tracks, truth], MIN_PROBABILITY)).mean())
    return {
        "model": spec.name,
        "title": spec.title,
        "preset": spec.preset,
        "tiled": data.clips[spec.preset].tiled if spec.preset else 0.0,
        "accuracy": asdict(intervals(accuracy[tested.any(0), None])[0]),
        "seed_spread": max(per_seed) - min(per_seed),
        "macro_f1": float(f1_score(truth, predicted, labels=labels, average="macro", zero_division=0)),
        "log_loss": log_loss if spec.is_probabilistic else None,
        "genres": [
            {"genre": genre, "tested": int(n), "precision": float(p), "recall": float(r)}
            for genre, n, p, r in zip(data.genres, support, precision, recall, strict=True)
        ],
        "confusion": confusion_matrix(truth, predicted, labels=labels).tolist(),
        "seconds": round(seconds, 2),
    }  # fmt: skip


def track_accuracy(data: LabelledTracks, predictions: F64) -> F64:
    """Return the share of seeds [N] that predicted the track's genre; 0 for a track that no seed tested."""
    tested = ~np.isnan(predictions[:, :, 0])
    correct = (np.nan_to_num(predictions, nan=-1.0).argmax(2) == data.genre) & tested
    return np.asarray(correct.sum(0) / np.maximum(tested.sum(0), 1))


def add_differences(rows: list[Row], accuracy: dict[str, F64], tracks: I64) -> None:
    """Add to each row the paired difference of its accuracy from each of BASELINES, over these tracks."""
    for row in rows:
        row["baselines"] = {
            baseline: asdict(paired_difference(accuracy[row["model"]][tracks], accuracy[baseline][tracks]))
            for baseline in BASELINES if baseline in accuracy and baseline != row["model"]
        }  # fmt: skip
