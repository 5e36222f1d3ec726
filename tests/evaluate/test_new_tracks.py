"""New tracks: who will like them is found where it lies in what is known of them, and nowhere else."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.metrics import roc_auc_score

from jobs.errors import EvaluationError
from jobs.evaluate.new_tracks.command import METRICS, RIVALS, Config, build, judged
from jobs.evaluate.new_tracks.known import NOBODY, Clips, Known, hold
from jobs.evaluate.new_tracks.ways import others
from models.genre_cnn import GenreCNNConfig

USERS, TRACKS, TASTES = 120, 240, 4


def known() -> Known:
    """Listeners of four tastes, which can be heard in the sound and, half as well, in the artist."""
    rng = np.random.default_rng(2)
    taste = np.arange(TRACKS) % TASTES
    likes = rng.random((USERS, TRACKS)) < np.where((np.arange(USERS) % TASTES)[:, None] == taste, 0.4, 0.02)
    sound = rng.normal(size=(TRACKS, 6)) * 0.5 + 3 * np.eye(6)[taste]
    artist = np.where(rng.random(TRACKS) < 0.5, 100 + taste, rng.integers(0, 8, TRACKS))
    return Known(csr_array(likes.astype(np.float32)), artist.astype(np.int64), np.full(TRACKS, NOBODY), sound)


def quiet(step: str, done: int, total: int) -> None:
    pass


def test_what_can_be_heard_finds_the_listeners() -> None:
    rows, asked = build(known(), Config(), quiet)
    found = {row["model"]: row for row in rows}
    assert asked["new_tracks"] == 48
    assert asked["other_tracks"] == TRACKS - 48
    assert abs(found["random"]["AUC"]["mean"] - 0.5) < 0.05
    assert found["audio"]["AUC"]["mean"] > 0.8  # one like in eight is drawn without regard to taste
    assert found["audio"]["against"]["metadata"]["low"] > 0
    assert found["metadata"]["against"]["random"]["low"] > 0
    assert found["own"]["AUC"]["mean"] >= found["audio"]["AUC"]["mean"] - 0.02
    assert {m for row in rows for m in METRICS if np.isnan(row[m]["mean"])} == set()
    assert all(set(row["against"]) == set(RIVALS) - {row["model"]} for row in rows)


def test_plays_of_the_new_tracks_are_told_to_nobody() -> None:
    """Whatever is played of the new tracks, what is said of them stays, but for the upper bound."""
    one = known()
    new = hold(one, 0.2, 1.0, 7).new
    dense = one.ratings.todense()
    dense[:, new] = np.random.default_rng(5).permutation(dense[:, new])
    other = replace(one, ratings=csr_array(dense))
    before, after = hold(one, 0.2, 1.0, 7), hold(other, 0.2, 1.0, 7)
    assert (before.new == after.new).all()
    np.testing.assert_array_equal(before.everybody.todense(), after.everybody.todense())
    assert (before.truth.todense().sum(0) <= USERS).all()


def test_without_audio_only_what_is_written_is_asked() -> None:
    rows, _ = build(replace(known(), sound=np.empty((TRACKS, 0))), Config(), quiet)
    assert [row["model"] for row in rows] == ["random", "popularity", "artist", "metadata", "own"]


def test_what_is_written_and_what_a_network_hears_find_the_listeners_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Taste can be read, and heard as the height of a band; the artist says half as much."""
    rng, taste = np.random.default_rng(4), np.arange(TRACKS) % TASTES
    text = rng.normal(size=(TRACKS, 6)) * 0.5 + 3 * np.eye(6)[taste]
    mels = rng.normal(0, 0.5, (TRACKS, 599, 128))
    for track, one in enumerate(taste):
        mels[track, :, 32 * one : 32 * one + 32] += 1.0
    small = partial(GenreCNNConfig, conv=(8, 8, 16, 16), dense=32, lr=3e-3)
    monkeypatch.setattr("jobs.evaluate.new_tracks.ways.GenreCNNConfig", small)
    asked = replace(known(), sound=np.empty((TRACKS, 0)), text=text, clips=Clips(mels.astype(np.float16), np.arange(TRACKS)))
    found = {row["model"]: row for row in build(asked, Config(), quiet)[0]}
    for way in ("text", "network"):
        assert found[way]["AUC"]["mean"] > 0.8
        assert found[way]["against"]["metadata"]["low"] > 0
    assert found["text_metadata"]["AUC"]["mean"] > 0.8


def test_only_tracks_with_audio_are_held_out_where_there_is_some() -> None:
    sound = known().sound.copy()
    sound[:200] = np.nan
    assert not hold(replace(known(), sound=sound), 0.5, 1.0, 7).new[:200].any()


def test_nobody_to_ask_is_said() -> None:
    empty = replace(known(), ratings=csr_array((USERS, TRACKS), dtype=np.float32))
    with pytest.raises(EvaluationError, match="use more data"):
        hold(empty, 0.2, 1.0, 7)


def test_a_track_is_not_told_its_own_factors_by_way_of_its_artist() -> None:
    unit = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [0.8, 0.6]])
    found = others(np.array([5, 5, 9, NOBODY]), unit)
    np.testing.assert_allclose(found, [[0, 1, 1], [1, 0, 1], [0, 0, 0], [0, 0, 0]])


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=40))
def test_the_area_is_scikit_learns(pairs: list[tuple[int, bool]]) -> None:
    scores, liked = np.array([[s for s, _ in pairs]], float), np.array([[mine for _, mine in pairs]])
    if liked.all() or not liked.any():
        return
    found = judged(scores, liked)[0]
    assert found[0] == pytest.approx(roc_auc_score(liked[0], scores[0]))
    assert found[1] == np.mean([(scores[0] >= s).sum() <= 20 for s in scores[0][liked[0]]])
