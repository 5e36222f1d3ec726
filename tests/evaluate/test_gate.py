"""The gate on literal figures: who may replace whom, and what is said where somebody may not."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from jobs.evaluate import metrics
from jobs.evaluate.gate import Gate, churn_of, judge
from jobs.evaluate.intervals import intervals
from jobs.evaluate.result import Result

USERS = 400
DRAW = np.random.default_rng(5)
BASE = DRAW.random(USERS) * 0.5


def result(values: NDArray[np.float64], coverage: float = 0.5, lift: float = 0.1, task: str = "discovery") -> Result:
    per_user = np.repeat(values[:, None], len(metrics.names()), axis=1)
    found = dict(zip(metrics.names(), intervals(per_user), strict=True))
    beyond = {"coverage": coverage, "popularity_lift": lift}
    return Result("m", "M", task, len(values), len(values), found, beyond, [], [], 0.0, per_user)


def judged(ours: Result, theirs: Result, churn: float = 0.5, live: str = "abc", **gate: Any) -> list[str]:
    """What speaks against it."""
    return judge([ours], [theirs], {"discovery": churn}, Gate(**gate), live).reasons


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


def test_a_first_model_must_be_ahead_of_popularity_with_its_whole_interval() -> None:
    noise = DRAW.normal(0, 0.1, USERS)
    level = result(BASE + noise - noise.mean())
    verdict = judge([level], [result(BASE)], {}, Gate())
    assert not verdict.passed
    assert verdict.against == "popularity"
    assert "a first model must beat popularity" in verdict.reasons[0]
    ahead = judge([result(BASE + 0.05 + noise)], [result(BASE)], {}, Gate())
    assert ahead.passed


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
    (reason,) = judged(result(BASE[:99] + 0.1), result(BASE[:99]))
    assert "99 users were asked, 100 are needed" in reason


def test_every_task_is_asked() -> None:
    worse = result(BASE - 0.1, task="rest of session")
    good, theirs = result(BASE + 0.1), [result(BASE), result(BASE, task="rest of session")]
    verdict = judge([good, worse], theirs, {"discovery": 0.1, "rest of session": 0.1}, Gate(), "abc")
    assert not verdict.passed
    assert {check.what for check in verdict.checks} >= {"users", "NDCG@20", "coverage", "popularity lift", "churn"}


def test_churn_is_the_mean_share_of_places_that_change() -> None:
    assert churn_of([(20, 20), (20, 0), (10, 5)]) == pytest.approx(0.5)
    assert churn_of([]) == 0.0
