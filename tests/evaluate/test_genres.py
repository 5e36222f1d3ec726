"""Cross-validation of genre models on synthetic tracks: no test label leaks, and figures count predictions."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from jobs.evaluate.genres.command import GenresConfig, PredictionStore
from jobs.evaluate.genres.data import Clips, LabelledTracks, _drop_duplicate_audio, assign_folds
from jobs.evaluate.genres.figures import add_differences, metrics_row, track_accuracy
from jobs.evaluate.genres.model_specs import GENRE_MODEL_SPECS, Fold, GenreModelSpec, geometric_mean
from jobs.evaluate.report import Row
from models.types import F64

GENRES = ("Blues", "Disco", "Metal")
TRACKS = 24
ON_NUMBERS = [spec for spec in GENRE_MODEL_SPECS if not spec.preset]
BY_NAME = {spec.name: spec for spec in GENRE_MODEL_SPECS}


def labelled_tracks(genre: np.ndarray | None = None) -> LabelledTracks:
    """Return tracks of three genres that every feature separates; `genre` replaces their labels."""
    rng = np.random.default_rng(3)
    true = np.arange(TRACKS) % len(GENRES)
    descriptors = rng.normal(size=(TRACKS, 8)) + 6 * np.eye(8)[true]
    mels = rng.normal(size=(TRACKS, 599, 128)).astype(np.float16)
    for track in range(TRACKS):
        mels[track, :, 40 * true[track] : 40 * true[track] + 40] += np.float16(3)
    clips = Clips(mels, np.arange(TRACKS), 0.0)
    tracks = np.array([f"t{n:02}" for n in range(TRACKS)])
    labels = true if genre is None else genre
    embeddings = descriptors[:, ::-1] + rng.normal(size=descriptors.shape)
    return LabelledTracks(
        tracks, labels, GENRES, descriptors, embeddings, descriptors[:, :4], {"pmrs-4s": clips, "spotify-30s": clips}, {}
    )


def make_fold(data: LabelledTracks, test: list[int]) -> Fold:
    return Fold(data, np.setdiff1d(np.arange(TRACKS), test), np.array(test), 7)


def test_folds_are_stratified_by_genre() -> None:
    genre = np.array([0] * 12 + [1] * 7 + [2] * 6)
    fold_of_track = assign_folds(genre, 6, seed=0)
    assert np.bincount(fold_of_track).tolist() == [5, 4, 4, 4, 4, 4]
    for index in range(3):
        counts = np.bincount(fold_of_track[genre == index], minlength=6)
        assert counts.max() - counts.min() <= 1
    assert (fold_of_track == assign_folds(genre, 6, seed=0)).all()
    assert (fold_of_track != assign_folds(genre, 6, seed=1)).any()


@pytest.mark.parametrize(
    "spec",
    [*ON_NUMBERS, BY_NAME["genre_cnn"], pytest.param(BY_NAME["both"], marks=pytest.mark.slow)],
    ids=lambda spec: spec.name,
)
def test_predictions_do_not_depend_on_test_labels(spec: GenreModelSpec) -> None:
    test = [0, 1, 2, 3, 4, 5]
    data = labelled_tracks()
    predictions = spec.fit_predict(make_fold(data, test))
    assert predictions.shape == (6, 3)
    np.testing.assert_allclose(predictions.sum(1), 1, atol=1e-5)
    if spec.name != "prior":
        assert (predictions.argmax(1) == data.genre[test]).all()
    wrong_labels = data.genre.copy()
    wrong_labels[test] = (wrong_labels[test] + 1) % 3
    # a network trained twice differs by a little; with leaked labels the predictions would change
    np.testing.assert_allclose(
        spec.fit_predict(make_fold(labelled_tracks(wrong_labels), test)),
        predictions,
        atol=0.02 if spec.preset else 1e-9,
    )


@pytest.mark.parametrize("spec", ON_NUMBERS, ids=lambda spec: spec.name)
def test_genre_without_training_tracks_is_never_predicted(spec: GenreModelSpec) -> None:
    metal = [track for track in range(TRACKS) if track % 3 == 2]
    predictions = spec.fit_predict(make_fold(labelled_tracks(), metal))
    assert predictions.shape == (len(metal), 3)
    assert (predictions.argmax(1) != 2).all()


def test_duplicate_audio_is_dropped() -> None:
    rows = pa.table({"track_id": ["a", "b", "c"], "content_hash": ["2", "1", "2"]})
    assert _drop_duplicate_audio(rows)["track_id"].to_pylist() == ["a", "b"]


@pytest.mark.parametrize(("folds", "min_tracks"), [(2, 4), (3, 3), (6, 6)])
def test_min_tracks_leaves_two_training_tracks_per_genre(folds: int, min_tracks: int) -> None:
    assert GenresConfig(folds=folds).min_tracks == min_tracks


def test_geometric_mean_is_certain_if_both_models_are() -> None:
    mean = geometric_mean(np.array([[0.9, 0.1], [0.5, 0.5]]), np.array([[0.9, 0.1], [0.0, 1.0]]))
    np.testing.assert_allclose(mean[0], [0.9, 0.1])
    assert mean[1, 1] > 0.99


def predictions_of(chosen: list[list[int | None]]) -> F64:
    """[S, N, G] one-hot predictions; None: not tested."""
    return np.array([[[np.nan] * 3 if c is None else np.eye(3)[c] for c in seed] for seed in chosen])


def test_figures_count_tested_tracks_only() -> None:
    data = labelled_tracks()
    predictions = predictions_of([[0, 1, 1] + [None] * 21, [0, 2, 1] + [None] * 21])
    row = metrics_row(BY_NAME["genre_cnn"], data, predictions, 1.0)
    assert row["accuracy"]["mean"] == pytest.approx(0.5)
    assert row["confusion"] == [[2, 0, 0], [0, 1, 1], [0, 2, 0]]
    assert [(g["tested"], g["recall"]) for g in row["genres"]] == [(2, 1.0), (2, 0.5), (2, 0.0)]
    assert row["seed_spread"] == pytest.approx(1 / 3)
    assert track_accuracy(data, predictions)[:4].tolist() == [1.0, 0.5, 0.0, 0.0]
    assert metrics_row(BY_NAME["mfcc_svm"], data, predictions, 1.0)["log_loss"] is None


def test_differences_are_paired_by_track() -> None:
    tracks = np.arange(TRACKS)
    accuracy = {"mfcc_svm": np.zeros(TRACKS), "logreg": np.ones(TRACKS)}
    rows: list[Row] = [{"model": name} for name in accuracy]
    add_differences(rows, accuracy, tracks)
    assert rows[0]["baselines"] == {}
    assert rows[1]["baselines"]["mfcc_svm"]["mean"] == 1
    assert rows[1]["baselines"]["mfcc_svm"]["significant"]


def test_stored_predictions_are_reused_unless_the_tracks_change(tmp_path: Path) -> None:
    fitted: list[int] = []

    def fit_predict(fold: Fold) -> F64:
        fitted.append(fold.seed)
        return np.full((len(fold.test), 3), 1 / 3)

    spec, tracks = GenreModelSpec("own", "own", fit_predict), labelled_tracks()
    store = PredictionStore(tmp_path, tracks, GenresConfig(2, 1))
    store.compute(spec, Fold(tracks, np.arange(12), np.arange(12, 24), 0), 0)
    store.compute(spec, Fold(tracks, np.arange(12), np.arange(12, 24), 0), 0)
    assert fitted == [0]
    predictions, _ = store.load(spec)
    assert np.isnan(predictions[0, :12]).all()
    np.testing.assert_allclose(predictions[0, 12:], 1 / 3)
    other = labelled_tracks((np.arange(TRACKS) + 1) % 3)
    PredictionStore(tmp_path, other, GenresConfig(2, 1)).compute(spec, Fold(other, np.arange(12), np.arange(12, 24), 0), 0)
    assert fitted == [0, 0]
    assert all(json.loads(file.read_text())["probabilities"] for file in tmp_path.rglob("*.json"))
