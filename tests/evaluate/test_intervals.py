import numpy as np
import pytest

from jobs.evaluate.intervals import difference, intervals

DRAW = np.random.default_rng(3)


def test_an_interval_is_as_wide_as_the_theory_of_means_says() -> None:
    values = DRAW.normal(0.3, 0.2, (4_000, 1))
    (found,) = intervals(values)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert found.mean == pytest.approx(values.mean())
    assert found.high - found.low == pytest.approx(2 * half, rel=0.15)
    assert found.low < found.mean < found.high


def test_a_paired_difference_sees_what_two_intervals_cannot() -> None:
    users = DRAW.normal(0.5, 0.3, 2_000)
    ours, theirs = users + 0.01 + DRAW.normal(0, 0.02, 2_000), users
    (a,), (b,) = intervals(ours[:, None]), intervals(theirs[:, None])
    assert a.low < b.high  # they overlap
    found = difference(ours, theirs)
    assert found.significant
    assert found.low < 0.01 < found.high
    assert found.p < 0.01


def test_no_difference_is_called_none() -> None:
    values = DRAW.normal(0.5, 0.3, 500)
    other = values + DRAW.normal(0, 0.1, 500)
    other -= other.mean() - values.mean()
    assert not difference(values, other).significant


def test_the_same_values_give_the_same_interval() -> None:
    values = DRAW.random((100, 2))
    assert intervals(values) == intervals(values)


def test_nobody_to_draw_from_is_an_error() -> None:
    with pytest.raises(ValueError, match="nobody"):
        intervals(np.empty((0, 1)))
    with pytest.raises(ValueError, match="same users"):
        difference(np.ones(2), np.ones(3))
