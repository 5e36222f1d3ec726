"""Cold-start models: factors of tracks without plays, predicted from metadata, text or audio, and simple baselines."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array

from jobs.content.config import ContentConfig
from jobs.errors import EvaluationError
from jobs.evaluate.cold_start.data import UNKNOWN, Clips, ColdStartData, ColdStartSplit
from models import content_factors
from models.als_solver import solve, with_gram
from models.clip_network import predict
from models.clip_training import train
from models.content_factors import to_unit
from models.data.clips import mean_by_group
from models.genre_networks import make_config
from models.ials import ALSModel
from models.interactions import confidence_weights
from models.training.targets import EmbeddingRegression
from models.types import F64


@dataclass(frozen=True)
class ColdStartModel:
    """A model's predictions for the H new tracks."""

    name: str
    title: str
    factors: F64
    """[H, F] in the space of the user factors; F = 1: one score for all users."""


@dataclass(frozen=True)
class _Features:
    """Regression data: old tracks are the training data, new tracks the test data."""

    data: ColdStartData
    is_new: np.ndarray
    unit: F64
    """[I - H, F] unit factors of the old tracks."""
    liked: np.ndarray
    """[I - H] True for an old track with factors."""

    def complete(self, values: F64) -> np.ndarray:
        """Return [I - H]: True for an old track with factors and all of these features [I, D]."""
        described = np.asarray(~np.isnan(values).any(1))
        return np.asarray(self.liked & described[~self.is_new])

    def regress(self, *features: tuple[F64, F64], use: np.ndarray | None = None) -> F64:
        """Return factors [H, F] that ridge regression predicts from (old, new) features side by side."""
        train, test = (np.hstack(parts) for parts in zip(*features, strict=True))
        rows = self.liked if use is None else use
        return content_factors.fit(train[rows], self.unit[rows]).predict(test)

    def divide(self, values: F64) -> tuple[F64, F64]:
        """Return the rows [I, D] of old and of new tracks."""
        return values[~self.is_new], values[self.is_new]


def build_models(
    data: ColdStartData, split: ColdStartSplit, model: ALSModel, seed: int
) -> Iterator[ColdStartModel]:
    """Yield every model that has data. `model`: fitted on the old tracks."""
    new, old = split.is_new, ~split.is_new
    unit = to_unit(model.factors.astype(np.float64))
    user_counts = np.asarray((split.train > 0).sum(0)).ravel()  # per old track
    random_factors = np.random.default_rng(seed).normal(size=(int(new.sum()), unit.shape[1]))
    yield ColdStartModel("random", "at random", to_unit(random_factors))
    popularity = mean_by_artist(data.artist[old], user_counts[:, None].astype(np.float64))
    yield ColdStartModel("popularity", "popularity of the artist", look_up(popularity, data.artist[new], 0.0))
    artists = mean_by_artist(data.artist[old], unit)
    artist_means = look_up(artists, data.artist[new], unit.mean(0))
    yield ColdStartModel("artist", "mean of the artist's tracks", to_unit(artist_means))
    features = _Features(data, new, unit, np.asarray(np.linalg.norm(unit, axis=1) > 0.5))
    metadata = _metadata_features(data, new, unit, artists)
    yield ColdStartModel("metadata", "ridge on artist and genre", features.regress(metadata))
    yield from _text_models(features, metadata)
    yield from _audio_models(features, metadata)
    if data.clips is not None:
        factors = predict_by_network(data.clips, new, unit, user_counts * features.liked)
        yield ColdStartModel("network", "clips, by the paper's trunk", factors)
    yield ColdStartModel("own", "its own plays (an upper bound)", fold_in_own_plays(model, split))


def _metadata_features(data: ColdStartData, new: np.ndarray, unit: F64, artists: dict[int, F64]) -> tuple[F64, F64]:
    """Return the features of old and of new tracks: the artist's other tracks, and the genre."""
    # an old track's own factors are left out of its artist's mean, or the regression would see its target
    old_features = np.hstack([other_tracks_of_artist(data.artist[~new], unit), one_hot_genres(data, ~new)])
    artist_known = np.array([[float(int(artist) in artists)] for artist in data.artist[new]]).reshape(-1, 1)
    new_features = np.hstack([look_up(artists, data.artist[new], 0.0), artist_known, one_hot_genres(data, new)])
    return old_features, new_features


def _text_models(features: _Features, metadata: tuple[F64, F64]) -> Iterator[ColdStartModel]:
    if features.data.text.shape[1]:
        text = features.divide(features.data.text)
        yield ColdStartModel("text", "ridge on title, artist, release and tags", features.regress(text))
        yield ColdStartModel("text_metadata", "ridge on text, artist and genre", features.regress(text, metadata))


def _audio_models(features: _Features, metadata: tuple[F64, F64]) -> Iterator[ColdStartModel]:
    data = features.data
    has_both = data.descriptors.shape[1] and data.embeddings.shape[1]
    both = np.hstack([data.descriptors, data.embeddings]) if has_both else np.empty((0, 0))
    named = (
        ("audio", "descriptors", data.descriptors), ("embeddings", "embeddings", data.embeddings),
        ("both", "descriptors and embeddings", both),
    )  # fmt: skip
    for name, title, values in named:
        if values.shape[1] and (use := features.complete(values)).sum() > 1:
            divided = features.divide(values)
            yield ColdStartModel(name, f"ridge on {title}", features.regress(divided, use=use))
            with_metadata = features.regress(divided, metadata, use=use)
            yield ColdStartModel(f"{name}_metadata", f"ridge on {title}, artist and genre", with_metadata)


def predict_by_network(clips: Clips, new: np.ndarray, unit: F64, user_counts: np.ndarray) -> F64:
    """Return factors [H, F] that PMRS's network predicts from clips; zeros for a track without clips.

    The network trains as in the job `content`: on clips of the old tracks with the most users. Raises EvaluationError if
    none of them has a clip. `unit` [I - H, F]: factors of the old tracks; `user_counts` [I - H].
    """
    job = ContentConfig()
    trainable = np.isin(np.flatnonzero(~new), clips.track) & (user_counts > 0)
    top_tracks = np.argsort(-user_counts[trainable], kind="stable")[: job.max_training_tracks]
    targets = np.zeros((len(new), unit.shape[1]), np.float32)
    targets[np.flatnonzero(~new)[trainable][top_tracks]] = unit[trainable][top_tracks]
    in_train = targets[clips.track].any(1)
    if not in_train.any():
        raise EvaluationError(
            "No liked track has clips to train a network on; run the family audio, or omit --network."
        )
    settings = make_config(
        "genre_cnn", n_outputs=unit.shape[1], task="regression", max_clips=job.max_training_clips, threads=1
    )
    objective, tracks = EmbeddingRegression(targets[clips.track[in_train]]), clips.track[in_train]
    network = train(clips.mels[in_train], objective, tracks, settings).model
    is_test = new[clips.track]
    predicted, _ = predict(network, clips.mels[is_test])
    return to_unit(mean_by_group(clips.track[is_test], predicted, len(new))[new])


def mean_by_artist(artist: np.ndarray, values: F64) -> dict[int, F64]:
    """Return the mean of the rows [I, F] of each artist."""
    means: dict[int, F64] = {}
    order = np.argsort(artist, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(artist[order])) + 1):
        if rows.size and artist[rows[0]] != UNKNOWN:
            means[int(artist[rows[0]])] = values[rows].mean(0)
    return means


def look_up(by_artist: dict[int, F64], artist: np.ndarray, default: float | F64) -> F64:
    """Return the rows [N, F] of these artists; `default` for an artist without one."""
    width = len(next(iter(by_artist.values()), np.zeros(1)))
    fallback = np.broadcast_to(default, width) if np.ndim(default) == 0 else np.asarray(default)
    return np.array([by_artist.get(int(number), fallback) for number in artist]).reshape(len(artist), -1)


def other_tracks_of_artist(artist: np.ndarray, unit: F64) -> F64:
    """Return [I, F + 1]: the mean of the artist's other tracks and 1; zeros for an artist without other tracks."""
    numbers = np.where(artist == UNKNOWN, artist.max(initial=UNKNOWN) + 1, artist)
    sums = np.zeros((numbers.max(initial=0) + 1, unit.shape[1]))
    np.add.at(sums, numbers, unit)
    n_others = np.bincount(numbers, minlength=len(sums))[numbers] - 1
    has_others = (n_others > 0) & (artist != UNKNOWN)
    mean = (sums[numbers] - unit) / np.maximum(n_others, 1)[:, None]
    return np.hstack([np.where(has_others[:, None], mean, 0.0), has_others[:, None].astype(np.float64)])


def one_hot_genres(data: ColdStartData, rows: np.ndarray) -> F64:
    """Return the genres [N, G] of these tracks, one-hot; zeros for UNKNOWN."""
    width = int(data.genre.max(initial=UNKNOWN)) + 1
    return np.asarray(np.vstack([np.eye(width), np.zeros((1, width))])[data.genre[rows]])


def fold_in_own_plays(model: ALSModel, split: ColdStartSplit) -> F64:
    """Return factors [H, F] of the new tracks from their own likes, by a half-step of ALS: an upper bound."""
    users = torch.from_numpy(model.fold_in(split.test_inputs))
    likes = confidence_weights(csr_array(split.truth.T), model.min_rating)
    return to_unit(np.asarray(solve(likes, with_gram(users), model.objective), np.float64))
