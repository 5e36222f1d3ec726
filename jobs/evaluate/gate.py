"""Check a candidate against the promotion criteria. Pure: figures in, a verdict with its checks out."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from jobs.evaluate import metrics
from jobs.evaluate.bootstrap import paired_difference
from jobs.evaluate.promotion_criteria import PromotionCriteria
from jobs.evaluate.result import Result


@dataclass(frozen=True)
class Check:
    """One criterion, checked."""

    name: str
    passed: bool
    message: str
    """A sentence with the figures."""


@dataclass(frozen=True)
class Verdict:
    """All checks of one candidate against the live model."""

    baseline: str
    """The live model's digest, or the default method's name."""
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """True if there are checks and all of them passed."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def reasons(self) -> list[str]:
        """Messages of the failed checks."""
        return [check.message for check in self.checks if not check.passed]

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as a model card has it."""
        return {"baseline": self.baseline, "passed": self.passed, "checks": [asdict(check) for check in self.checks]}


def check_gate(
    candidate: Sequence[Result],
    live: Sequence[Result],
    popularity: Sequence[Result],
    churn: dict[str, float],
    criteria: PromotionCriteria,
    live_name: str,
) -> Verdict:
    """Check the candidate's results against those of the live model and of popularity, task by task.

    The candidate must always beat popularity: a row of promotions that are each "not worse" cannot end below it.
    `churn`: by task, see `mean_churn`.
    """
    checks: list[Check] = []
    for result in candidate:
        live_result, popular = (next(r for r in results if r.task == result.task) for results in (live, popularity))
        checks.append(_check_users(result, criteria))
        checks += _check_metrics(result, popular, criteria, must_beat=True)
        checks += _check_metrics(result, live_result, criteria, must_beat=False)
        checks += [_check_coverage(result, live_result, criteria), _check_lift(result, live_result, criteria)]
        checks.append(_check_churn(result.task, churn[result.task], criteria))
    return Verdict(live_name, tuple(checks))


def _check_users(result: Result, criteria: PromotionCriteria) -> Check:
    message = f"{result.task}: {result.users:,} test users, at least {criteria.min_users:,} are required"
    return Check("users", result.users >= criteria.min_users, message)


def _check_metrics(result: Result, baseline: Result, criteria: PromotionCriteria, must_beat: bool) -> Iterator[Check]:
    columns = metrics.metric_names()
    for name in criteria.metrics:
        column = columns.index(name)
        delta = paired_difference(result.per_user[:, column], baseline.per_user[:, column])
        means = f"{result.metrics[name].mean:.4f} against {baseline.metrics[name].mean:.4f}"
        interval = f"{delta.mean:+.4f}, 95 % from {delta.low:+.4f} to {delta.high:+.4f}"
        requirement = "must beat popularity" if must_beat else "must not be worse than the live model"
        passed = delta.low > 0 if must_beat else delta.high >= 0
        yield Check(name, passed, f"{result.task}, {name}: {means} ({interval}); {requirement}")


def _check_coverage(result: Result, live: Result, criteria: PromotionCriteria) -> Check:
    coverage, live_coverage = result.beyond_accuracy["coverage"], live.beyond_accuracy["coverage"]
    shares = f"its lists cover {coverage:.1%} of the catalogue, those of the live model {live_coverage:.1%}"
    message = f"{result.task}: {shares}; at least {criteria.min_coverage_ratio:.0%} of that is required"
    return Check("coverage", coverage >= criteria.min_coverage_ratio * live_coverage, message)


def _check_lift(result: Result, live: Result, criteria: PromotionCriteria) -> Check:
    lift, live_lift = (r.beyond_accuracy.get("popularity_lift", float("nan")) for r in (result, live))
    lifts = f"popularity lift {lift:+.2f}, that of the live model {live_lift:+.2f}"
    message = f"{result.task}: {lifts}; at most {criteria.max_lift_increase:.2f} more is allowed"
    # without common tracks there is no lift; a NaN passes
    return Check("popularity lift", not lift > live_lift + criteria.max_lift_increase, message)


def _check_churn(task: str, churn: float, criteria: PromotionCriteria) -> Check:
    message = f"{task}: {churn:.1%} of the live lists' slots would change; at most {criteria.max_churn:.0%} is allowed"
    return Check("churn", churn <= criteria.max_churn, message)


def mean_churn(shared: Sequence[tuple[int, int]]) -> float:
    """Return the mean over lists of the share of slots that change.

    `shared`: per list of the live model its length and the number of its tracks that are in the candidate's list too.
    """
    counts = np.array(shared, dtype=np.float64)
    return float(1 - (counts[:, 1] / counts[:, 0]).mean()) if len(counts) else 0.0
