"""The genre models that are compared: each is fitted on some tracks and says how probable each genre is of others."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from jobs.evaluate.genres.heard import Heard, Places, Reals
from models import genre_head
from models.clip_network import predict
from models.clip_training import train
from models.clips import mean_by
from models.genre_head import GenreHeadConfig
from models.genre_networks import settings_of

STRENGTHS = (0.1, 1.0, 10.0, 100.0)
"""C of the rivals of others' making, chosen on the tracks they learn from."""
INNER_FOLDS = 4
LEAST = 1e-6
"""Least probability: no logarithm of it runs away."""


@dataclass(frozen=True)
class Network:
    """A network trained on a fold's tracks, and what it says of all: means over a track's clips."""

    probabilities: Reals
    """[N, G]"""
    embeddings: Reals
    """[N, width]"""


@dataclass
class Fold:
    """Some tracks to learn from and some to be asked for; networks are trained once for all contenders that hear with them."""

    heard: Heard
    learned: Places
    """Rows of `heard`."""
    asked: Places
    seed: int
    networks: dict[tuple[str, str], Network] = field(default_factory=dict)

    @property
    def truth(self) -> Reals:
        """[learned, G] 1 where the genre is the track's."""
        return np.eye(len(self.heard.genres))[self.heard.genre[self.learned]]

    def network(self, name: str, preset: str) -> Network:
        """The network of this name (models/genre_networks.py), trained on clips of this preset."""
        if (name, preset) not in self.networks:
            clips, heard = self.heard.clips[preset], self.heard
            own = np.isin(clips.track, self.learned)
            settings = settings_of(name, n_genres=len(heard.genres), seed=self.seed)
            labels, tracks = heard.genre[clips.track[own]], heard.tracks[clips.track[own]]
            model = train(clips.mels[own], labels, tracks, settings).model
            said = [mean_by(clips.track, values, len(heard.tracks)) for values in predict(model, clips.mels)]
            self.networks[name, preset] = Network(*said)
        return self.networks[name, preset]


@dataclass(frozen=True)
class Contender:
    """One way to tell genres."""

    name: str
    title: str
    fit: Callable[[Fold], Reals]
    """Probabilities [asked, G] of the fold's asked tracks."""
    probable: bool = True
    """False: it decides, and says nothing of how sure it is."""
    preset: str = ""
    """Of the clips that it hears; empty: none."""


def _prior(fold: Fold) -> Reals:
    return np.tile(fold.truth.mean(0), (len(fold.asked), 1))


def _tuned(fold: Fold, features: Reals, model: Any, setting: str) -> Any:
    labels = fold.heard.genre[fold.learned]
    rarest = int(np.unique(labels, return_counts=True)[1].min())
    inner = StratifiedKFold(max(2, min(INNER_FOLDS, rarest)), shuffle=True, random_state=fold.seed)
    search = GridSearchCV(make_pipeline(StandardScaler(), model), {setting: STRENGTHS}, cv=inner)
    return search.fit(features[fold.learned], labels)


def _mfcc_svm(fold: Fold) -> Reals:
    found = _tuned(fold, fold.heard.mfcc, SVC(), "svc__C").predict(fold.heard.mfcc[fold.asked])
    return np.asarray(np.eye(len(fold.heard.genres))[found])


def _logistic(fold: Fold) -> Reals:
    model = _tuned(fold, fold.heard.descriptors, LogisticRegression(max_iter=2_000), "logisticregression__C")
    found = np.zeros((len(fold.asked), len(fold.heard.genres)))
    found[:, model.classes_] = model.predict_proba(fold.heard.descriptors[fold.asked])
    return found


def _head(fold: Fold, features: Reals, config: GenreHeadConfig) -> Reals:
    head = genre_head.fit(features[fold.learned], fold.truth, fold.heard.tracks[fold.learned], config)
    return head.predict(features[fold.asked])


def _on_descriptors(fold: Fold) -> Reals:
    return _head(fold, fold.heard.descriptors, GenreHeadConfig())


def _on_embedding(name: str, preset: str) -> Callable[[Fold], Reals]:
    # what a network learned from fits it too well: a head believes it less
    return lambda fold: _head(fold, fold.network(name, preset).embeddings, GenreHeadConfig(regularisation=10.0))


def _network(name: str, preset: str) -> Callable[[Fold], Reals]:
    return lambda fold: fold.network(name, preset).probabilities[fold.asked]


def _both(name: str, preset: str) -> Callable[[Fold], Reals]:
    return lambda fold: together(_on_descriptors(fold), _network(name, preset)(fold))


def together(*said: Reals) -> Reals:
    """The geometric mean of probabilities [N, G] of several models, with rows that sum to 1."""
    mean = np.exp(np.mean([np.log(np.maximum(one, LEAST)) for one in said], axis=0))
    return np.asarray(mean / mean.sum(1, keepdims=True))


FOUR, THIRTY = "pmrs-4s", "spotify-30s"
CONTENDERS = (
    Contender("prior", "how frequent genres are", _prior),
    Contender("mfcc_svm", "MFCC + SVM (scikit-learn)", _mfcc_svm, probable=False),
    Contender("logistic", "logistic regression, all descriptors (scikit-learn)", _logistic),
    Contender("head", "head on all descriptors", _on_descriptors),
    Contender("genre_cnn", "PMRS's CNN", _network("genre_cnn", FOUR), preset=FOUR),
    Contender("genre_cnn_30s", "PMRS's CNN", _network("genre_cnn", THIRTY), preset=THIRTY),
    Contender("short_chunk", "short-chunk CNN", _network("short_chunk", FOUR), preset=FOUR),
    Contender("head_embedding", "head on the short-chunk CNN's embedding", _on_embedding("short_chunk", FOUR), preset=FOUR),
    Contender("both", "head on descriptors and short-chunk CNN together", _both("short_chunk", FOUR), preset=FOUR),
)


def named(names: tuple[str, ...]) -> list[Contender]:
    """The contenders of these names; all where none is given. ValueError names those there are."""
    known = {one.name: one for one in CONTENDERS}
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"there is no genre model {unknown[0]!r}; there are {', '.join(known)}")
    return [one for one in CONTENDERS if not names or one.name in names]
