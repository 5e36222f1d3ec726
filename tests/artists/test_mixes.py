"""A user's daily mixes: clusters of likes, what is near them, and what they are called."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from jobs.artists.config import Config
from jobs.artists.mixes import MixInputs, mixes_of


def mixing(vectors: np.ndarray, near: list[list[int]], genre: list[int], artist: list[int]) -> MixInputs:
    places = np.array(near, np.int32)
    score, carried = np.where(places >= 0, 0.5, 0).astype(np.float32), np.zeros(places.shape, np.int8)
    ids = pa.array([f"t{n}" for n in range(len(near))])
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    names = (np.array(genre), pa.array(["Rock", "Trance"]), np.array(artist), pa.array(["Ann", "Bob", "Cid"]))
    return MixInputs(ids, unit, places, score, carried, *names)


@pytest.mark.parametrize(
    ("genre", "artist", "theme"),
    [
        ([0, 0, 0, 1], [0, 0, 0, 0], ("Rock", None)),
        ([0, 0, 1, 1], [1, 1, 2, 0], ("Bob", "Bob")),
        ([-1] * 4, [0, 1, 2, -1], ("Mix 1", None)),
    ],
)
def test_a_mix_is_named_after_its_genre_else_an_artist_of_several_else_its_number(
    genre: list[int], artist: list[int], theme: tuple[str, str | None]
) -> None:
    """t4 is near to all, and nobody has heard it; t5 was skipped."""
    world = mixing(np.ones((6, 2)), [[4, 5]] * 6, [*genre, 0, 0], [*artist, 0, 0])
    heard, ratings = np.array([0, 1, 2, 3, 5]), np.array([1, 3, 1, 1, 0], np.float32)
    (mix,) = mixes_of(heard, ratings, world, Config(min_likes_per_mix=4))
    assert (mix.theme, mix.anchor_artist) == theme
    assert mix.track.tolist() == [1, 4, 0, 2, 3]
    assert mix.reason.tolist() == [-1, 0, -1, -1, -1]
    assert mixes_of(heard, ratings, world, Config(min_likes_per_mix=5)) == []


def test_of_two_mixes_of_one_genre_the_first_takes_its_name() -> None:
    vectors = np.array([[1, 0]] * 5 + [[0, 1]] * 4 + [[1, 0.1], [0.1, 1]])
    world = mixing(vectors, [[9]] * 5 + [[10]] * 4 + [[-1], [-1]], [0] * 11, [0] * 5 + [2] * 4 + [0, 0])
    made = mixes_of(np.arange(9), np.ones(9, np.float32), world, Config(min_likes_per_mix=4))
    assert [(mix.theme, mix.track.tolist()) for mix in made] == [("Rock", [0, 9, 1, 2, 3, 4]), ("Cid", [5, 10, 6, 7, 8])]


def test_an_artist_whose_name_is_a_mixs_number_takes_it_from_none() -> None:
    vectors = np.array([[1, 0]] * 5 + [[0, 1]] * 4 + [[1, 0.1], [0.1, 1]])
    world = mixing(vectors, [[9]] * 5 + [[10]] * 4 + [[-1], [-1]], [-1] * 11, [0] * 5 + [-1] * 6)
    world = replace(world, artists=pa.array(["Mix 2", "Bob", "Cid"]))
    made = mixes_of(np.arange(9), np.ones(9, np.float32), world, Config(min_likes_per_mix=4))
    assert [(mix.theme, mix.anchor_artist) for mix in made] == [("Mix 2", "Mix 2"), ("Mix 3", None)]
