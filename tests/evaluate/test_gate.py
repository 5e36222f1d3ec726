"""Promotion checks on literal figures."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from jobs.errors import EvaluationError
from jobs.evaluate import metrics
from jobs.evaluate.bootstrap import intervals
from jobs.evaluate.gate import check_gate, mean_churn
from jobs.evaluate.promote import find_candidate
from jobs.evaluate.promotion_criteria import PromotionCriteria
from jobs.evaluate.result import Result
from jobs.lake.model_registry import registry_of

USERS = 400
RNG = np.random.default_rng(5)
BASE = RNG.random(USERS) * 0.5


def result(values: NDArray[np.float64], coverage: float = 0.5, lift: float = 0.1, task: str = "discovery") -> Result:
    per_user = np.repeat(values[:, None], len(metrics.metric_names()), axis=1)
    metric_intervals = dict(zip(metrics.metric_names(), intervals(per_user), strict=True))
    figures = {"coverage": coverage, "popularity_lift": lift}
    return Result("m", "M", task, len(values), len(values), metric_intervals, figures, [], [], 0.0, per_user)


POPULAR = result(BASE - 0.2)


def failed_checks(
    candidate: Result, live: Result, churn: float = 0.5, popular: Result = POPULAR, **criteria: Any
) -> list[str]:
    """Return the messages of the failed checks."""
    return check_gate(
        [candidate], [live], [popular], {"discovery": churn}, PromotionCriteria(**criteria), "abc"
    ).reasons


def test_equal_candidate_passes() -> None:
    noise = RNG.normal(0, 0.1, USERS)
    assert failed_checks(result(BASE + noise - noise.mean()), result(BASE)) == []


def test_worse_candidate_is_refused_with_figures() -> None:
    reasons = failed_checks(result(BASE - 0.02 + RNG.normal(0, 0.05, USERS)), result(BASE))
    assert len(reasons) == 3, "each of the configured metrics"
    assert "must not be worse" in reasons[0]
    assert "95 % from -0." in reasons[0]


def test_only_the_configured_metrics_are_checked() -> None:
    candidate_result = result(BASE)
    candidate_result.per_user[:, metrics.metric_names().index("MRR@20")] -= 0.1
    assert failed_checks(candidate_result, result(BASE)) == []
    assert len(failed_checks(candidate_result, result(BASE), metrics=("MRR@20",))) == 1


def test_candidate_must_beat_popularity_even_if_the_live_model_is_worse() -> None:
    noise = RNG.normal(0, 0.1, USERS)
    level, bad = result(BASE + noise - noise.mean()), result(BASE - 0.3)
    reasons = failed_checks(level, bad, popular=result(BASE))
    assert len(reasons) == 3
    assert "must beat popularity" in reasons[0]
    assert failed_checks(result(BASE + 0.05 + noise), bad, popular=result(BASE)) == []


def test_verdict_without_checks_does_not_pass() -> None:
    assert not check_gate([], [], [], {}, PromotionCriteria(), "abc").passed


@pytest.mark.parametrize(
    ("candidate_result", "churn", "message"),
    [
        (result(BASE + 0.1, coverage=0.39), 0.5, "39.0% of the catalogue"),
        (result(BASE + 0.1, lift=0.61), 0.5, "popularity lift +0.61, that of the live model +0.10"),
        (result(BASE + 0.1), 0.96, "96.0% of the live lists' slots"),
    ],
)
def test_better_candidate_is_refused_if_its_lists_exceed_a_limit(
    candidate_result: Result, churn: float, message: str
) -> None:
    (reason,) = failed_checks(candidate_result, result(BASE), churn)
    assert message in reason


def test_values_equal_to_a_limit_pass() -> None:
    assert failed_checks(result(BASE, coverage=0.4, lift=0.6), result(BASE), 0.95) == []
    assert len(failed_checks(result(BASE), result(BASE), 0.5, max_churn=0.4)) == 1


def test_too_few_users_refuse_the_candidate() -> None:
    small = result(BASE[:99])
    (reason,) = failed_checks(result(BASE[:99] + 0.1), small, popular=small)
    assert "99 test users, at least 100 are required" in reason


def test_every_task_is_checked() -> None:
    def both(values: NDArray[np.float64]) -> list[Result]:
        return [result(values), result(values, task="rest of session")]

    churn = {"discovery": 0.1, "rest of session": 0.1}
    worse = [result(BASE + 0.1), result(BASE - 0.1, task="rest of session")]
    verdict = check_gate(worse, both(BASE), both(BASE - 0.2), churn, PromotionCriteria(), "abc")
    assert not verdict.passed
    assert all("rest of session" in reason for reason in verdict.reasons)
    assert {check.name for check in verdict.checks} >= {"users", "NDCG@20", "coverage", "popularity lift", "churn"}


def test_churn_is_the_mean_share_of_changed_slots() -> None:
    assert mean_churn([(20, 20), (20, 0), (10, 5)]) == pytest.approx(0.5)
    assert mean_churn([]) == 0.0


def test_candidate_is_selected_by_digest_or_method(tmp_path: Path) -> None:
    registry = registry_of(str(tmp_path), "small")
    card = {"method": "ease", "registered_at": "2026-11-14T01"}
    older = registry.add("ranking", b"one", card)
    newer = registry.add("ranking", b"two", {**card, "registered_at": "2026-11-14T02"})
    registry.add("ranking", b"three", {**card, "method": "popularity_window"})
    registry.add("cnn", b"four", card)
    assert find_candidate(registry, older[:6])["digest"] == older
    assert find_candidate(registry, "ease")["digest"] == newer
    with pytest.raises(EvaluationError, match="plays of the last days"):
        find_candidate(registry, "popularity_window")
    registry.point("ranking", newer)
    with pytest.raises(EvaluationError, match="is live already"):
        find_candidate(registry, "ease")
    for unknown in ("", "als"):
        with pytest.raises(EvaluationError, match=f"no registered recommender {unknown!r}; registered are: .*{older}"):
            find_candidate(registry, unknown)
