"""Start positions of clips, for any length of file."""

from itertools import pairwise
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from jobs.audio.clip_positions import clip_starts
from jobs.audio.config import ClipSelection

SELECTIONS = st.sampled_from(get_args(ClipSelection))


@given(st.integers(1, 5_000_000), st.integers(1, 700_000), st.integers(1, 20), SELECTIONS, st.text(max_size=8))
def test_clip_starts_are_sorted_and_inside_the_wave(
    samples: int, clip: int, n_clips: int, selection: ClipSelection, seed: str
) -> None:
    starts = clip_starts(samples, clip, n_clips, selection, seed)
    assert 1 <= len(starts) <= n_clips
    assert starts == sorted(starts)
    assert starts[0] >= 0
    assert starts == [0] if samples <= clip else starts[-1] + clip <= samples
    assert starts == clip_starts(samples, clip, n_clips, selection, seed)
    if selection == "spread":
        assert all(later - start >= clip for start, later in pairwise(starts))


def test_clip_selections_give_the_expected_starts() -> None:
    assert clip_starts(100, 10, 3, "middle", "") == [45]
    assert clip_starts(100, 10, 3, "spread", "") == [17, 45, 72]
    assert clip_starts(25, 10, 3, "spread", "") == [1, 13]
    drawn = clip_starts(10_000, 10, 3, "random", "one")
    assert len(drawn) == 3
    assert drawn != clip_starts(10_000, 10, 3, "random", "another")
