"""One model's figures on one task, and its differences from baselines."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.evaluate import metrics
from jobs.evaluate.bootstrap import Difference, Interval, paired_difference

PRIMARY_METRIC = "NDCG@20"
"""Metric for tuning and comparisons: it weights the order of hits, at the length of the overall list."""


@dataclass
class Result:
    """One model on one task."""

    model: str
    title: str
    task: str
    queries: int
    users: int
    metrics: dict[str, Interval]
    beyond_accuracy: dict[str, float]
    """Metrics of `jobs/evaluate/beyond_accuracy.py` by name."""
    segments: list[dict[str, Any]]
    confidence: list[dict[str, Any]]
    """PMRS's confidence score per genre."""
    seed_spread: float
    """Largest minus smallest NDCG@20 over the seeds."""
    per_user: NDArray[np.float64]
    """[users, metrics] in the order of user ids and of `metrics.metric_names()`: means over queries and seeds."""
    settings: dict[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    fit_seconds: float = 0.0
    list_seconds: float = 0.0
    """For all queries of the task; both times are means over the seeds."""
    baselines: dict[str, Difference] = field(default_factory=dict)
    """Paired difference of NDCG@20 from baselines, by their names."""

    def to_json(self) -> dict[str, Any]:
        """Return the figures without those of single users; NaN, which JSON lacks, becomes null."""
        plain = asdict(self)
        del plain["per_user"]
        figures = self.beyond_accuracy.items()
        plain["beyond_accuracy"] = {name: None if math.isnan(value) else value for name, value in figures}
        return plain


def add_differences(
    results: Sequence[Result], baseline: str, stored: Mapping[str, NDArray[np.float64]] | None = None
) -> None:
    """Add to every result its paired difference from the model `baseline` on the same task.

    `stored`: `per_user` of the baseline by task, from an earlier run, for tasks that `results` lacks.
    """
    column = metrics.metric_names().index(PRIMARY_METRIC)
    per_user = dict(stored or {}) | {r.task: r.per_user for r in results if r.model == baseline}
    for result in results:
        if result.model != baseline and result.task in per_user:
            difference = paired_difference(result.per_user[:, column], per_user[result.task][:, column])
            result.baselines[baseline] = difference
