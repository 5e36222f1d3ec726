"""The genre models that `pmrs evaluate genres` compares, each with a function that fits and predicts a fold."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from jobs.evaluate.genres.data import LabelledTracks
from jobs.lake.feature_sets import FeatureSet
from jobs.training.audio_features import FEATURE_SETS
from models import genre_logreg
from models.clip_network import predict
from models.clip_training import train
from models.data.clips import mean_by_group
from models.genre_logreg import GenreLogRegConfig
from models.genre_networks import make_config
from models.types import F64, I64

C_GRID = (0.1, 1.0, 10.0, 100.0)
"""Inverse regularization strengths (C) of scikit-learn's models, tuned on the training tracks."""
INNER_FOLDS = 4
MIN_PROBABILITY = 1e-6
"""Lower bound of probabilities before a logarithm."""


@dataclass(frozen=True)
class NetworkOutputs:
    """Outputs of a trained network for all tracks: means over a track's clips."""

    probabilities: F64
    """[N, G]"""
    embeddings: F64
    """[N, width]"""


@dataclass
class Fold:
    """Training and test tracks; a network is trained once for all models that use it."""

    data: LabelledTracks
    train: I64
    """Rows of `data`."""
    test: I64
    seed: int
    networks: dict[tuple[str, str], NetworkOutputs] = field(default_factory=dict)

    @property
    def targets(self) -> F64:
        """One-hot genres [train, G]."""
        return np.eye(len(self.data.genres))[self.data.genre[self.train]]

    def network(self, name: str, preset: str) -> NetworkOutputs:
        """Return the outputs of a network (models/genre_networks.py) trained on the preset's clips."""
        if (name, preset) not in self.networks:
            clips, data = self.data.clips[preset], self.data
            in_train = np.isin(clips.track, self.train)
            settings = make_config(name, n_outputs=len(data.genres), seed=self.seed)
            labels, tracks = data.genre[clips.track[in_train]], data.tracks[clips.track[in_train]]
            model = train(clips.mels[in_train], labels, tracks, settings).model
            outputs = [mean_by_group(clips.track, values, len(data.tracks)) for values in predict(model, clips.mels)]
            self.networks[name, preset] = NetworkOutputs(*outputs)
        return self.networks[name, preset]


@dataclass(frozen=True)
class GenreModelSpec:
    """One genre model of the comparison."""

    name: str
    title: str
    fit_predict: Callable[[Fold], F64]
    """Returns the probabilities [test, G] of the fold's test tracks."""
    is_probabilistic: bool = True
    """False: the model returns one-hot predictions."""
    preset: str = ""
    """Preset of its clips; empty: it uses no clips."""
    needs_embeddings: bool = False
    """It is left out if no pretrained network has computed embeddings."""


def _prior(fold: Fold) -> F64:
    return np.tile(fold.targets.mean(0), (len(fold.test), 1))


def _tune(fold: Fold, features: F64, model: Any, parameter: str) -> Any:
    labels = fold.data.genre[fold.train]
    rarest = int(np.unique(labels, return_counts=True)[1].min())
    inner = StratifiedKFold(max(2, min(INNER_FOLDS, rarest)), shuffle=True, random_state=fold.seed)
    search = GridSearchCV(make_pipeline(StandardScaler(), model), {parameter: C_GRID}, cv=inner)
    return search.fit(features[fold.train], labels)


def _mfcc_svm(fold: Fold) -> F64:
    predicted = _tune(fold, fold.data.mfcc, SVC(), "svc__C").predict(fold.data.mfcc[fold.test])
    return np.asarray(np.eye(len(fold.data.genres))[predicted])


def _logistic(fold: Fold) -> F64:
    model = _tune(fold, fold.data.descriptors, LogisticRegression(max_iter=2_000), "logisticregression__C")
    probabilities = np.zeros((len(fold.test), len(fold.data.genres)))
    probabilities[:, model.classes_] = model.predict_proba(fold.data.descriptors[fold.test])
    return probabilities


def _fit_logreg(fold: Fold, features: F64, config: GenreLogRegConfig) -> F64:
    model = genre_logreg.fit(features[fold.train], fold.targets, fold.data.tracks[fold.train], config)
    return model.predict(features[fold.test])


def _logreg(features: FeatureSet) -> Callable[[Fold], F64]:
    return lambda fold: _fit_logreg(fold, fold.data.features(features), GenreLogRegConfig())


def _default(fold: Fold) -> F64:
    """Choose the features in cross-validation on the training tracks, as the job genre_train does."""
    matrices: dict[FeatureSet, F64] = {name: values for name in FEATURE_SETS if (values := fold.data.features(name)).shape[1]}
    training = {name: values[fold.train] for name, values in matrices.items()}
    model, best = genre_logreg.fit_best(training, fold.targets, fold.data.tracks[fold.train], GenreLogRegConfig())
    return np.asarray(model.predict(matrices[best][fold.test]))


def _logreg_network_embedding(name: str, preset: str) -> Callable[[Fold], F64]:
    # a network's embedding overfits its own training tracks, so that the regression needs more regularization
    return lambda fold: _fit_logreg(fold, fold.network(name, preset).embeddings, GenreLogRegConfig(regularization=10.0))


def _network(name: str, preset: str) -> Callable[[Fold], F64]:
    return lambda fold: fold.network(name, preset).probabilities[fold.test]


def _logreg_and_network(name: str, preset: str) -> Callable[[Fold], F64]:
    return lambda fold: geometric_mean(_logreg("descriptors")(fold), _network(name, preset)(fold))


def geometric_mean(*probabilities: F64) -> F64:
    """Return the geometric mean of several models' probabilities [N, G], with rows that sum to 1."""
    mean = np.exp(np.mean([np.log(np.maximum(p, MIN_PROBABILITY)) for p in probabilities], axis=0))
    return np.asarray(mean / mean.sum(1, keepdims=True))


SHORT, LONG = "pmrs-4s", "spotify-30s"
GENRE_MODEL_SPECS = (
    GenreModelSpec("prior", "genre frequencies", _prior),
    GenreModelSpec("mfcc_svm", "MFCC + SVM (scikit-learn)", _mfcc_svm, is_probabilistic=False),
    GenreModelSpec("logistic", "logistic regression, all descriptors (scikit-learn)", _logistic),
    GenreModelSpec("logreg", "calibrated logistic regression on descriptors", _logreg("descriptors")),
    GenreModelSpec(
        "logreg_embeddings", "calibrated logistic regression on embeddings", _logreg("embeddings"), needs_embeddings=True
    ),
    GenreModelSpec(
        "logreg_both", "calibrated logistic regression on descriptors and embeddings", _logreg("both"), needs_embeddings=True
    ),
    GenreModelSpec("default", "calibrated logistic regression, features chosen in the folds", _default),
    GenreModelSpec("genre_cnn", "PMRS's CNN", _network("genre_cnn", SHORT), preset=SHORT),
    GenreModelSpec("genre_cnn_30s", "PMRS's CNN", _network("genre_cnn", LONG), preset=LONG),
    GenreModelSpec("short_chunk", "short-chunk CNN", _network("short_chunk", SHORT), preset=SHORT),
    GenreModelSpec(
        "logreg_short_chunk",
        "calibrated logistic regression on the short-chunk CNN's embedding",
        _logreg_network_embedding("short_chunk", SHORT),
        preset=SHORT,
    ),
    GenreModelSpec(
        "both",
        "calibrated logistic regression and short-chunk CNN",
        _logreg_and_network("short_chunk", SHORT),
        preset=SHORT,
    ),
)


def select_genre_models(names: tuple[str, ...]) -> list[GenreModelSpec]:
    """Return the specs of these names; all of them without names. Raises ValueError that lists the available ones."""
    available = [spec.name for spec in GENRE_MODEL_SPECS]
    if unknown := [name for name in names if name not in available]:
        raise ValueError(f"there is no genre model {unknown[0]!r}; available are {', '.join(available)}")
    return [spec for spec in GENRE_MODEL_SPECS if not names or spec.name in names]
