"""One model's figures on one task, and how they compare."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.evaluate import metrics
from jobs.evaluate.intervals import Difference, Interval, difference

JUDGED_BY = "NDCG@20"
"""The metric by which settings are chosen and models compared: order counts, at the length of the overall list."""


@dataclass
class Result:
    """One model on one task."""

    model: str
    title: str
    task: str
    queries: int
    users: int
    metrics: dict[str, Interval]
    beyond: dict[str, float]
    """What the first places hold, by the names of `jobs/evaluate/beyond.py`."""
    segments: list[dict[str, Any]]
    confidence: list[dict[str, Any]]
    """PMRS's confidence score per genre."""
    seed_spread: float
    """Largest less smallest NDCG@20 over the seeds."""
    per_user: NDArray[np.float64]
    """[users, metrics] in the order of user ids and of `metrics.names()`, means over queries and seeds."""
    settings: dict[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    fit_seconds: float = 0.0
    list_seconds: float = 0.0
    """For all queries of the task; both are means over the seeds."""
    against: dict[str, Difference] = field(default_factory=dict)
    """Paired difference of NDCG@20 from other models, by their names."""

    def to_json(self) -> dict[str, Any]:
        """Without the users; NaN, which JSON does not know, as null."""
        plain = asdict(self)
        del plain["per_user"]
        plain["beyond"] = {name: None if math.isnan(value) else value for name, value in self.beyond.items()}
        return plain


def compare(results: Sequence[Result], reference: str, stored: Mapping[str, NDArray[np.float64]] | None = None) -> None:
    """Add to `against` of every result with its paired difference from the model `reference` on the same task.

    `stored`: by task, `per_user` of the reference from an earlier run, for tasks of which `results` has none.
    """
    place = metrics.names().index(JUDGED_BY)
    theirs = dict(stored or {}) | {r.task: r.per_user for r in results if r.model == reference}
    for result in results:
        if result.model != reference and result.task in theirs:
            result.against[reference] = difference(result.per_user[:, place], theirs[result.task][:, place])
