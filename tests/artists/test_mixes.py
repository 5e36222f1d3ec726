"""A user's daily mixes: clusters of liked tracks, similar unseen tracks, and names."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from jobs.artists.config import ArtistsConfig
from jobs.artists.mixes import MixInputs, mixes_of


def mix_inputs(vectors: np.ndarray, nearest: list[list[int]], genre: list[int], artist: list[int]) -> MixInputs:
    neighbors = np.array(nearest, np.int32)
    score, modality = np.where(neighbors >= 0, 0.5, 0).astype(np.float32), np.zeros(neighbors.shape, np.int8)
    ids = pa.array([f"t{n}" for n in range(len(nearest))])
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    names = (np.array(genre), pa.array(["Rock", "Trance"]), np.array(artist), pa.array(["Ann", "Bob", "Cid"]))
    return MixInputs(ids, unit, neighbors, score, modality, *names)


@pytest.mark.parametrize(
    ("genre", "artist", "theme"),
    [
        ([0, 0, 0, 1], [0, 0, 0, 0], ("Rock", None)),
        ([0, 0, 1, 1], [1, 1, 2, 0], ("Bob", "Bob")),
        ([-1] * 4, [0, 1, 2, -1], ("Mix 1", None)),
    ],
)
def test_mix_is_named_by_its_genre_else_a_repeated_artist_else_its_number(
    genre: list[int], artist: list[int], theme: tuple[str, str | None]
) -> None:
    """t4 is similar to all tracks and unseen. t5 was skipped."""
    inputs = mix_inputs(np.ones((6, 2)), [[4, 5]] * 6, [*genre, 0, 0], [*artist, 0, 0])
    seen, ratings = np.array([0, 1, 2, 3, 5]), np.array([1, 3, 1, 1, 0], np.float32)
    (mix,) = mixes_of(seen, ratings, inputs, ArtistsConfig(min_likes_per_mix=4))
    assert (mix.theme, mix.anchor_artist) == theme
    assert mix.track.tolist() == [1, 4, 0, 2, 3]
    assert mix.reason.tolist() == [-1, 0, -1, -1, -1]
    assert mixes_of(seen, ratings, inputs, ArtistsConfig(min_likes_per_mix=5)) == []


def test_second_mix_of_a_genre_is_named_by_an_artist() -> None:
    vectors = np.array([[1, 0]] * 5 + [[0, 1]] * 4 + [[1, 0.1], [0.1, 1]])
    inputs = mix_inputs(vectors, [[9]] * 5 + [[10]] * 4 + [[-1], [-1]], [0] * 11, [0] * 5 + [2] * 4 + [0, 0])
    mixes = mixes_of(np.arange(9), np.ones(9, np.float32), inputs, ArtistsConfig(min_likes_per_mix=4))
    assert [(mix.theme, mix.track.tolist()) for mix in mixes] == [("Rock", [0, 9, 1, 2, 3, 4]), ("Cid", [5, 10, 6, 7, 8])]


def test_mix_number_that_is_an_artists_name_is_skipped() -> None:
    vectors = np.array([[1, 0]] * 5 + [[0, 1]] * 4 + [[1, 0.1], [0.1, 1]])
    inputs = mix_inputs(vectors, [[9]] * 5 + [[10]] * 4 + [[-1], [-1]], [-1] * 11, [0] * 5 + [-1] * 6)
    inputs = replace(inputs, artists=pa.array(["Mix 2", "Bob", "Cid"]))
    mixes = mixes_of(np.arange(9), np.ones(9, np.float32), inputs, ArtistsConfig(min_likes_per_mix=4))
    assert [(mix.theme, mix.anchor_artist) for mix in mixes] == [("Mix 2", "Mix 2"), ("Mix 3", None)]
