"""The gate on literal figures: who may replace whom, and what is said where somebody may not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from jobs.errors import EvaluationError
from jobs.evaluate import metrics
from jobs.evaluate.gate import churn_of, judge
from jobs.evaluate.intervals import intervals
from jobs.evaluate.limits import Gate
from jobs.evaluate.promote import candidate
from jobs.evaluate.result import Result
from jobs.lake.model_registry import registry_of

USERS = 400
DRAW = np.random.default_rng(5)
BASE = DRAW.random(USERS) * 0.5


def result(values: NDArray[np.float64], coverage: float = 0.5, lift: float = 0.1, task: str = "discovery") -> Result:
    per_user = np.repeat(values[:, None], len(metrics.names()), axis=1)
    found = dict(zip(metrics.names(), intervals(per_user), strict=True))
    beyond = {"coverage": coverage, "popularity_lift": lift}
    return Result("m", "M", task, len(values), len(values), found, beyond, [], [], 0.0, per_user)


POPULAR = result(BASE - 0.2)


def judged(ours: Result, now: Result, churn: float = 0.5, popular: Result = POPULAR, **gate: Any) -> list[str]:
    """What speaks against it."""
    return judge([ours], [now], [popular], {"discovery": churn}, Gate(**gate), "abc").reasons


def test_a_model_that_is_as_good_passes() -> None:
    noise = DRAW.normal(0, 0.1, USERS)
    assert judged(result(BASE + noise - noise.mean()), result(BASE)) == []


def test_a_worse_model_is_refused_with_the_figures() -> None:
    reasons = judged(result(BASE - 0.02 + DRAW.normal(0, 0.05, USERS)), result(BASE))
    assert len(reasons) == 3, "each of the configured metrics"
    assert "must not be worse" in reasons[0]
    assert "95 % from -0." in reasons[0]


def test_only_the_configured_metrics_are_asked() -> None:
    ours = result(BASE)
    ours.per_user[:, metrics.names().index("MRR@20")] -= 0.1
    assert judged(ours, result(BASE)) == []
    assert len(judged(ours, result(BASE), metrics=("MRR@20",))) == 1


def test_popularity_must_be_beaten_with_the_whole_interval_whatever_ranks_now() -> None:
    noise = DRAW.normal(0, 0.1, USERS)
    level, bad = result(BASE + noise - noise.mean()), result(BASE - 0.3)
    reasons = judged(level, bad, popular=result(BASE))
    assert len(reasons) == 3
    assert "must beat popularity" in reasons[0]
    assert judged(result(BASE + 0.05 + noise), bad, popular=result(BASE)) == []


def test_what_was_not_checked_did_not_pass() -> None:
    assert not judge([], [], [], {}, Gate(), "abc").passed


@pytest.mark.parametrize(
    ("ours", "churn", "said"),
    [
        (result(BASE + 0.1, coverage=0.39), 0.5, "39.0% of the catalogue"),
        (result(BASE + 0.1, lift=0.61), 0.5, "popularity lift +0.61, the other's +0.10"),
        (result(BASE + 0.1), 0.96, "96.0% of the live lists' places"),
    ],
)
def test_a_better_model_is_refused_where_its_lists_pass_a_limit(ours: Result, churn: float, said: str) -> None:
    (reason,) = judged(ours, result(BASE), churn)
    assert said in reason


def test_limits_may_just_be_reached_and_are_configured() -> None:
    assert judged(result(BASE, coverage=0.4, lift=0.6), result(BASE), 0.95) == []
    assert len(judged(result(BASE), result(BASE), 0.5, most_churn=0.4)) == 1


def test_too_few_users_decide_nothing() -> None:
    few = result(BASE[:99])
    (reason,) = judged(result(BASE[:99] + 0.1), few, popular=few)
    assert "99 users were asked, 100 are needed" in reason


def test_every_task_is_asked() -> None:
    def both(values: NDArray[np.float64]) -> list[Result]:
        return [result(values), result(values, task="rest of session")]

    churn = {"discovery": 0.1, "rest of session": 0.1}
    worse = [result(BASE + 0.1), result(BASE - 0.1, task="rest of session")]
    verdict = judge(worse, both(BASE), both(BASE - 0.2), churn, Gate(), "abc")
    assert not verdict.passed
    assert all("rest of session" in reason for reason in verdict.reasons)
    assert {check.what for check in verdict.checks} >= {"users", "NDCG@20", "coverage", "popularity lift", "churn"}


def test_churn_is_the_mean_share_of_places_that_change() -> None:
    assert churn_of([(20, 20), (20, 0), (10, 5)]) == pytest.approx(0.5)
    assert churn_of([]) == 0.0


def test_a_candidate_is_meant_by_its_digest_or_by_its_method(tmp_path: Path) -> None:
    registry = registry_of(str(tmp_path), "small")
    card = {"method": "ease", "registered_at": "2026-11-14T01"}
    older = registry.add("ranking", b"one", card)
    newer = registry.add("ranking", b"two", {**card, "registered_at": "2026-11-14T02"})
    registry.add("ranking", b"three", {**card, "method": "popularity_window"})
    registry.add("cnn", b"four", card)
    assert candidate(registry, older[:6])["digest"] == older
    assert candidate(registry, "ease")["digest"] == newer
    with pytest.raises(EvaluationError, match="last days alone"):
        candidate(registry, "popularity_window")
    registry.point("ranking", newer)
    with pytest.raises(EvaluationError, match="is live already"):
        candidate(registry, "ease")
    for nobody in ("", "als"):
        with pytest.raises(EvaluationError, match=f"no registered recommender {nobody!r}; there are: .*{older}"):
            candidate(registry, nobody)
