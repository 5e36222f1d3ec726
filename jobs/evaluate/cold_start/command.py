"""`pmrs evaluate cold-start`: hold out tracks with all their plays, and rank them for users who like some of them.

The protocol is that of van den Oord, Dieleman and Schrauwen (2013, section 5.3): only held-out tracks are ranked.
"""

from dataclasses import asdict, dataclass

import numpy as np

from jobs.evaluate.bootstrap import intervals, paired_difference
from jobs.evaluate.cold_start.data import ColdStartData, ColdStartSplit, hold_out, read, to_dense
from jobs.evaluate.cold_start.models import ColdStartModel, build_models
from jobs.evaluate.report import EvaluationReport, Row, report_head, store_documents
from jobs.evaluate.setup import open_context
from jobs.progress import ProgressCallback
from jobs.settings import Settings
from models import ials
from models.ials import ALSModel, IALSConfig
from models.types import F64

RECALL_AT = 20
METRICS = ("AUC", f"R@{RECALL_AT}")
BASELINES = ("random", "popularity", "metadata")
USERS_PER_BLOCK = 500
"""Users scored at a time."""


@dataclass(frozen=True)
class ColdStartConfig:
    """Held-out tracks and models; recorded with every figure."""

    share: float = 0.2
    """Share of the tracks that are held out; if there is audio, of the tracks with audio."""
    seed: int = 7
    network: bool = False
    """Whether a network on audio clips is evaluated too; it trains for minutes."""
    preset: str = "pmrs-4s"
    """Preset of its clips."""


def run(settings: Settings, date: str, config: ColdStartConfig, on_progress: ProgressCallback) -> EvaluationReport:
    """Evaluate on a night's plays, tracks and descriptors, and return the report; MongoDB has it too (`kind` cold_start)."""
    ctx = open_context(settings, date, config)
    on_progress("reading", 0, 0)
    data = read(ctx, config.preset if config.network else "")
    rows, counts = evaluate_models(data, config, on_progress)
    protocol = (
        f"{config.share:.0%} of the tracks are held out with all their plays; users who like one of them, and another track, "
        "are tested; only held-out tracks are ranked"
    )
    report = {**report_head(ctx, "cold_start", protocol), **counts, "results": rows}
    store_documents(settings, report)
    return report


def evaluate_models(
    data: ColdStartData, config: ColdStartConfig, on_progress: ProgressCallback
) -> tuple[list[Row], dict[str, int]]:
    """Return a row per model, and the size of the test data. Raises EvaluationError if there are no test users."""
    settings = IALSConfig()
    split = hold_out(data, config.share, settings.min_rating, config.seed)
    on_progress("fitting factors of the other tracks", 0, 0)
    als = ALSModel(ials.fit(split.train, settings), settings.objective, settings.min_rating)
    user_factors = als.fold_in(split.test_inputs)
    per_user: dict[str, F64] = {}
    rows: list[Row] = []
    for model in build_models(data, split, als, config.seed):
        on_progress(model.title, 0, 0)
        per_user[model.name] = user_metrics(model, user_factors, split)
        figures = zip(METRICS, intervals(per_user[model.name]), strict=True)
        rows.append({"model": model.name, "title": model.title, **{m: asdict(interval) for m, interval in figures}})
    for row in rows:
        recall = per_user[row["model"]][:, 1]
        row["baselines"] = {
            baseline: asdict(paired_difference(recall, per_user[baseline][:, 1]))
            for baseline in BASELINES if baseline != row["model"]
        }  # fmt: skip
    users, new = split.truth.shape
    return rows, {"new_tracks": new, "other_tracks": split.is_new.size - new, "users": users, "likes": split.truth.nnz}


def user_metrics(model: ColdStartModel, user_factors: np.ndarray, split: ColdStartSplit) -> F64:
    """Return AUC and recall [Q, 2] of each test user's likes among the new tracks."""
    is_personal = model.factors.shape[1] == user_factors.shape[1]
    blocks = []
    for start in range(0, split.truth.shape[0], USERS_PER_BLOCK):
        rows = slice(start, start + USERS_PER_BLOCK)
        users = user_factors[rows] if is_personal else np.ones((len(user_factors[rows]), 1))
        blocks.append(auc_and_recall(users @ model.factors.T, to_dense(split.truth[rows]) > 0))
    return np.concatenate(blocks)


def auc_and_recall(scores: F64, likes: np.ndarray) -> F64:
    """Return [B, 2] of scores [B, H]: AUC, with ties as a half, and recall of the first RECALL_AT, with ties as misses.

    One sort serves both metrics; scikit-learn's `roc_auc_score` takes one user at a time.
    """
    figures = np.zeros((len(scores), 2))
    for row, (liked, ascending) in enumerate(zip(likes, np.sort(scores, axis=1), strict=True)):
        positives = scores[row, liked]
        n_below = np.searchsorted(ascending, positives, "left")
        n_not_above = np.searchsorted(ascending, positives, "right")
        n_positives, n_negatives = positives.size, ascending.size - positives.size
        # pairs of a positive with any item, less the pairs among the positives themselves
        n_correct = ((n_below + n_not_above - 1) / 2).sum() - n_positives * (n_positives - 1) / 2
        figures[row, 0] = n_correct / (n_positives * n_negatives) if n_negatives else 0.5
        figures[row, 1] = (ascending.size - n_below <= RECALL_AT).mean()
    return figures
