"""Prediction of likes of new tracks is accurate with features that carry the planted signal, and not without."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.metrics import roc_auc_score

from jobs.errors import EvaluationError
from jobs.evaluate.cold_start.command import BASELINES, METRICS, ColdStartConfig, auc_and_recall, evaluate_models
from jobs.evaluate.cold_start.data import UNKNOWN, Clips, ColdStartData, hold_out
from jobs.evaluate.cold_start.models import other_tracks_of_artist
from jobs.progress import ignore_progress
from models.genre_networks import make_config

USERS, TRACKS, TASTES = 120, 240, 4


def tasteful_data() -> ColdStartData:
    """Return users of four tastes; the descriptors carry the taste fully, the artist for half of the tracks."""
    rng = np.random.default_rng(2)
    taste = np.arange(TRACKS) % TASTES
    likes = rng.random((USERS, TRACKS)) < np.where((np.arange(USERS) % TASTES)[:, None] == taste, 0.4, 0.02)
    sound = rng.normal(size=(TRACKS, 6)) * 0.5 + 3 * np.eye(6)[taste]
    artist = np.where(rng.random(TRACKS) < 0.5, 100 + taste, rng.integers(0, 8, TRACKS))
    return ColdStartData(csr_array(likes.astype(np.float32)), artist.astype(np.int64), np.full(TRACKS, UNKNOWN), sound)


def test_audio_ranks_new_tracks_better_than_metadata() -> None:
    rows, counts = evaluate_models(tasteful_data(), ColdStartConfig(), ignore_progress)
    by_model = {row["model"]: row for row in rows}
    assert counts["new_tracks"] == 48
    assert counts["other_tracks"] == TRACKS - 48
    assert abs(by_model["random"]["AUC"]["mean"] - 0.5) < 0.05
    assert by_model["audio"]["AUC"]["mean"] > 0.8  # one like in eight is drawn without regard to taste
    assert by_model["audio"]["baselines"]["metadata"]["low"] > 0
    assert by_model["metadata"]["baselines"]["random"]["low"] > 0
    assert by_model["own"]["AUC"]["mean"] >= by_model["audio"]["AUC"]["mean"] - 0.02
    assert {m for row in rows for m in METRICS if np.isnan(row[m]["mean"])} == set()
    assert all(set(row["baselines"]) == set(BASELINES) - {row["model"]} for row in rows)


def test_embeddings_and_both_rank_new_tracks_as_audio_does() -> None:
    data = tasteful_data()
    halves = replace(data, descriptors=data.descriptors[:, :2], embeddings=data.descriptors[:, 2:])
    by_model = {row["model"]: row["AUC"]["mean"] for row in evaluate_models(halves, ColdStartConfig(), ignore_progress)[0]}
    assert by_model["both"] > 0.8
    assert by_model["both"] > max(by_model["audio"], by_model["embeddings"]), "each half shows two of the four tastes"
    assert by_model["both_metadata"] > by_model["metadata"]


def test_plays_of_new_tracks_are_not_in_the_training_data() -> None:
    data = tasteful_data()
    new = hold_out(data, 0.2, 1.0, 7).is_new
    dense = data.ratings.todense()
    dense[:, new] = np.random.default_rng(5).permutation(dense[:, new])
    other = replace(data, ratings=csr_array(dense))
    before, after = hold_out(data, 0.2, 1.0, 7), hold_out(other, 0.2, 1.0, 7)
    assert (before.is_new == after.is_new).all()
    np.testing.assert_array_equal(before.train.todense(), after.train.todense())
    assert (before.truth.todense().sum(0) <= USERS).all()


def test_without_audio_there_are_only_metadata_models() -> None:
    rows, _ = evaluate_models(replace(tasteful_data(), descriptors=np.empty((TRACKS, 0))), ColdStartConfig(), ignore_progress)
    assert [row["model"] for row in rows] == ["random", "popularity", "artist", "metadata", "own"]


def test_text_and_network_rank_new_tracks_better_than_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text embeddings and a frequency band carry the taste; the artist for half of the tracks."""
    rng, taste = np.random.default_rng(4), np.arange(TRACKS) % TASTES
    text = rng.normal(size=(TRACKS, 6)) * 0.5 + 3 * np.eye(6)[taste]
    mels = rng.normal(0, 0.5, (TRACKS, 599, 128))
    for track, one in enumerate(taste):
        mels[track, :, 32 * one : 32 * one + 32] += 1.0
    small = partial(make_config, conv=(8, 8, 16, 16), dense=32, lr=3e-3)
    monkeypatch.setattr("jobs.evaluate.cold_start.models.make_config", small)
    data = replace(
        tasteful_data(),
        descriptors=np.empty((TRACKS, 0)),
        text=text,
        clips=Clips(mels.astype(np.float16), np.arange(TRACKS)),
    )
    by_model = {row["model"]: row for row in evaluate_models(data, ColdStartConfig(), ignore_progress)[0]}
    for name in ("text", "network"):
        assert by_model[name]["AUC"]["mean"] > 0.8
        assert by_model[name]["baselines"]["metadata"]["low"] > 0
    assert by_model["text_metadata"]["AUC"]["mean"] > 0.8


def test_only_tracks_with_audio_are_held_out() -> None:
    sound = tasteful_data().descriptors.copy()
    sound[:200] = np.nan
    assert not hold_out(replace(tasteful_data(), descriptors=sound), 0.5, 1.0, 7).is_new[:200].any()


def test_hold_out_without_likes_raises() -> None:
    empty = replace(tasteful_data(), ratings=csr_array((USERS, TRACKS), dtype=np.float32))
    with pytest.raises(EvaluationError, match="use more data"):
        hold_out(empty, 0.2, 1.0, 7)


def test_artist_features_leave_out_the_track_itself() -> None:
    unit = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [0.8, 0.6]])
    by_model = other_tracks_of_artist(np.array([5, 5, 9, UNKNOWN]), unit)
    np.testing.assert_allclose(by_model, [[0, 1, 1], [1, 0, 1], [0, 0, 0], [0, 0, 0]])


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=40))
def test_auc_and_recall_match_scikit_learn(pairs: list[tuple[int, bool]]) -> None:
    scores, liked = np.array([[s for s, _ in pairs]], float), np.array([[like for _, like in pairs]])
    if liked.all() or not liked.any():
        return
    by_model = auc_and_recall(scores, liked)[0]
    assert by_model[0] == pytest.approx(roc_auc_score(liked[0], scores[0]))
    assert by_model[1] == np.mean([(scores[0] >= s).sum() <= 20 for s in scores[0][liked[0]]])
