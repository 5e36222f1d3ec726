"""Genre models asked fold by fold: nobody knows the answers beforehand, and figures say what was answered."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from jobs.evaluate.genres.command import Answers, Config
from jobs.evaluate.genres.contenders import CONTENDERS, Contender, Fold, together
from jobs.evaluate.genres.heard import Clips, Heard, Reals, _once, folds
from jobs.evaluate.genres.judged import Row, compare, hits, judged

GENRES = ("Blues", "Disco", "Metal")
TRACKS = 24
ON_NUMBERS = [one for one in CONTENDERS if not one.preset]
BY_NAME = {one.name: one for one in CONTENDERS}


def heard(genre: np.ndarray | None = None) -> Heard:
    """Three genres that lie apart in every feature; those of other tracks can be named."""
    rng = np.random.default_rng(3)
    true = np.arange(TRACKS) % len(GENRES)
    descriptors = rng.normal(size=(TRACKS, 8)) + 6 * np.eye(8)[true]
    mels = rng.normal(size=(TRACKS, 599, 128)).astype(np.float16)
    for track in range(TRACKS):
        mels[track, :, 40 * true[track] : 40 * true[track] + 40] += np.float16(3)
    clips = Clips(mels, np.arange(TRACKS), 0.0)
    tracks = np.array([f"t{n:02}" for n in range(TRACKS)])
    told = true if genre is None else genre
    return Heard(tracks, told, GENRES, descriptors, descriptors[:, :4], {"pmrs-4s": clips, "spotify-30s": clips}, {})


def fold_of(found: Heard, asked: list[int]) -> Fold:
    return Fold(found, np.setdiff1d(np.arange(TRACKS), asked), np.array(asked), 7)


def test_every_track_is_asked_once_and_every_genre_in_all_folds() -> None:
    genre = np.array([0] * 12 + [1] * 7 + [2] * 6)
    found = folds(genre, 6, seed=0)
    assert np.bincount(found).tolist() == [5, 4, 4, 4, 4, 4]
    for one in range(3):
        counts = np.bincount(found[genre == one], minlength=6)
        assert counts.max() - counts.min() <= 1
    assert (found == folds(genre, 6, seed=0)).all()
    assert (found != folds(genre, 6, seed=1)).any()


@pytest.mark.parametrize("one", [*ON_NUMBERS, BY_NAME["genre_cnn"], BY_NAME["both"]], ids=lambda one: one.name)
def test_a_contender_learns_what_it_is_told_and_not_what_it_is_asked(one: Contender) -> None:
    asked = [0, 1, 2, 3, 4, 5]
    found = heard()
    said = one.fit(fold_of(found, asked))
    assert said.shape == (6, 3)
    np.testing.assert_allclose(said.sum(1), 1, atol=1e-5)
    if one.name != "prior":
        assert (said.argmax(1) == found.genre[asked]).all()
    lied = found.genre.copy()
    lied[asked] = (lied[asked] + 1) % 3
    # a network trained twice differs by a little; one that knew the answers would have changed its mind
    np.testing.assert_allclose(one.fit(fold_of(heard(lied), asked)), said, atol=0.02 if one.preset else 1e-9)


@pytest.mark.parametrize("one", ON_NUMBERS, ids=lambda one: one.name)
def test_a_genre_that_is_only_asked_for_is_possible_and_not_likely(one: Contender) -> None:
    metal = [track for track in range(TRACKS) if track % 3 == 2]
    said = one.fit(fold_of(heard(), metal))
    assert said.shape == (len(metal), 3)
    assert (said.argmax(1) != 2).all()


def test_equal_audio_of_two_ids_is_asked_once() -> None:
    rows = pa.table({"track_id": ["a", "b", "c"], "content_hash": ["2", "1", "2"]})
    assert _once(rows)["track_id"].to_pylist() == ["a", "b"]


@pytest.mark.parametrize(("folds", "fewest"), [(2, 4), (3, 3), (6, 6)])
def test_of_each_genre_two_tracks_are_left_to_learn_from(folds: int, fewest: int) -> None:
    assert Config(folds=folds).fewest == fewest


def test_together_is_sure_where_both_are() -> None:
    found = together(np.array([[0.9, 0.1], [0.5, 0.5]]), np.array([[0.9, 0.1], [0.0, 1.0]]))
    np.testing.assert_allclose(found[0], [0.9, 0.1])
    assert found[1, 1] > 0.99


def answers_of(chosen: list[list[int | None]]) -> Reals:
    """[S, N, G] sure answers; None: not asked."""
    return np.array([[[np.nan] * 3 if c is None else np.eye(3)[c] for c in seed] for seed in chosen])


def test_figures_are_of_what_was_asked() -> None:
    found = heard()
    said = answers_of([[0, 1, 1] + [None] * 21, [0, 2, 1] + [None] * 21])
    row = judged(BY_NAME["genre_cnn"], found, said, 1.0)
    assert row["accuracy"]["mean"] == pytest.approx(0.5)
    assert row["confusion"] == [[2, 0, 0], [0, 1, 1], [0, 2, 0]]
    assert [(g["asked"], g["recall"]) for g in row["genres"]] == [(2, 1.0), (2, 0.5), (2, 0.0)]
    assert row["seed_spread"] == pytest.approx(1 / 3)
    assert hits(found, said)[:4].tolist() == [1.0, 0.5, 0.0, 0.0]
    assert judged(BY_NAME["mfcc_svm"], found, said, 1.0)["log_loss"] is None


def test_differences_are_paired_by_track() -> None:
    asked = np.arange(TRACKS)
    right = {"mfcc_svm": np.zeros(TRACKS), "head": np.ones(TRACKS)}
    rows: list[Row] = [{"model": name} for name in right]
    compare(rows, right, asked)
    assert rows[0]["against"] == {}
    assert rows[1]["against"]["mfcc_svm"]["mean"] == 1
    assert rows[1]["against"]["mfcc_svm"]["significant"]


def test_what_was_answered_is_not_asked_again_unless_the_tracks_are_others(tmp_path: Path) -> None:
    asked: list[int] = []

    def fit(fold: Fold) -> Reals:
        asked.append(fold.seed)
        return np.full((len(fold.asked), 3), 1 / 3)

    one, found = Contender("own", "own", fit), heard()
    answers = Answers(tmp_path, found, Config(2, 1))
    answers.ask(one, Fold(found, np.arange(12), np.arange(12, 24), 0), 0)
    answers.ask(one, Fold(found, np.arange(12), np.arange(12, 24), 0), 0)
    assert asked == [0]
    said, _ = answers.of(one)
    assert np.isnan(said[0, :12]).all()
    np.testing.assert_allclose(said[0, 12:], 1 / 3)
    other = heard((np.arange(TRACKS) + 1) % 3)
    Answers(tmp_path, other, Config(2, 1)).ask(one, Fold(other, np.arange(12), np.arange(12, 24), 0), 0)
    assert asked == [0, 0]
    assert all(json.loads(file.read_text())["said"] for file in tmp_path.rglob("*.json"))
