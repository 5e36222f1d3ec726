"""Where clips begin, for any length of file."""

from itertools import pairwise
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from jobs.audio.cutting import Choice, clip_starts

CHOICES = st.sampled_from(get_args(Choice))


@given(st.integers(1, 5_000_000), st.integers(1, 700_000), st.integers(1, 20), CHOICES, st.text(max_size=8))
def test_clips_lie_within_the_wave_in_order(samples: int, clip: int, most: int, choice: Choice, seed: str) -> None:
    starts = clip_starts(samples, clip, most, choice, seed)
    assert 1 <= len(starts) <= most
    assert starts == sorted(starts)
    assert starts[0] >= 0
    assert starts == [0] if samples <= clip else starts[-1] + clip <= samples
    assert starts == clip_starts(samples, clip, most, choice, seed)
    if choice == "spread":
        assert all(later - start >= clip for start, later in pairwise(starts))


def test_choices_are_what_they_are_called() -> None:
    assert clip_starts(100, 10, 3, "middle", "") == [45]
    assert clip_starts(100, 10, 3, "spread", "") == [17, 45, 72]
    assert clip_starts(25, 10, 3, "spread", "") == [1, 13]
    drawn = clip_starts(10_000, 10, 3, "random", "one")
    assert len(drawn) == 3
    assert drawn != clip_starts(10_000, 10, 3, "random", "another")
