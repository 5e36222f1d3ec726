import numpy as np
import pytest

from jobs.evaluate.bootstrap import intervals, paired_difference

RNG = np.random.default_rng(3)


def test_interval_width_matches_the_normal_approximation() -> None:
    values = RNG.normal(0.3, 0.2, (4_000, 1))
    (interval,) = intervals(values)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert interval.mean == pytest.approx(values.mean())
    assert interval.high - interval.low == pytest.approx(2 * half, rel=0.15)
    assert interval.low < interval.mean < interval.high


def test_paired_difference_is_significant_though_intervals_overlap() -> None:
    users = RNG.normal(0.5, 0.3, 2_000)
    model, baseline = users + 0.01 + RNG.normal(0, 0.02, 2_000), users
    (a,), (b,) = intervals(model[:, None]), intervals(baseline[:, None])
    assert a.low < b.high  # they overlap
    difference = paired_difference(model, baseline)
    assert difference.significant
    assert difference.low < 0.01 < difference.high
    assert difference.p < 0.01


def test_equal_means_are_not_significant() -> None:
    values = RNG.normal(0.5, 0.3, 500)
    other = values + RNG.normal(0, 0.1, 500)
    other -= other.mean() - values.mean()
    assert not paired_difference(values, other).significant


def test_equal_values_give_equal_intervals() -> None:
    values = RNG.random((100, 2))
    assert intervals(values) == intervals(values)


def test_bootstrap_without_users_raises() -> None:
    with pytest.raises(ValueError, match="at least one user"):
        intervals(np.empty((0, 1)))
    with pytest.raises(ValueError, match="the same users"):
        paired_difference(np.ones(2), np.ones(3))


def test_sessions_of_equal_positions_have_the_interval_of_sessions() -> None:
    """Ten equal positions a session tell no more than one: the interval is that of 40 values, not of 400."""
    values = np.random.default_rng(4).random((40, 1))
    by_session, by_position = intervals(10 * values, sizes=np.full(40, 10.0)), intervals(np.repeat(values, 10, axis=0))
    (expected,) = intervals(values)
    assert (by_session[0].low, by_session[0].high) == pytest.approx((expected.low, expected.high))
    assert by_session[0].high - by_session[0].low > 2 * (by_position[0].high - by_position[0].low)


def test_long_sessions_weigh_by_their_positions() -> None:
    sums, sizes = np.array([[9.0], [0.0]]), np.array([9.0, 1.0])
    assert intervals(sums, sizes=sizes)[0].mean == 0.9
    assert paired_difference(sums[:, 0], np.zeros(2), sizes=sizes).mean == 0.9
