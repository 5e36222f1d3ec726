"""Settings of the jobs `genre_train` and `genre_score`. This module loads without torch and Spark."""

from dataclasses import dataclass
from typing import Literal

from pydantic import PositiveInt

from jobs.errors import SourceError
from jobs.lake.feature_sets import FeatureChoice
from jobs.training.config import BATCH_SIZE, CLIPS_PER_TASK
from models.defaults import CLIP_BATCH_SIZE, MAX_CLIPS, NETWORK_NAMES, NetworkName
from models.mel_presets import ClipPresetName

LOGREG = "logreg"
MODELS = (*NETWORK_NAMES, LOGREG)
"""Values of `model` under [jobs.genre_train]: the paper's network and a small modern one, both on clips
(models/genre_networks.py), and logistic regression on features of the audio (models/genre_logreg.py)."""
GenreModelName = NetworkName | Literal["logreg"]


@dataclass(frozen=True)
class GenreTrainConfig:
    """Which model is trained, and on how much; hyper-parameters are in models/."""

    model: GenreModelName = "logreg"
    """logreg, genre_cnn (the paper's network) or short_chunk (MODELS). `pmrs evaluate genres` compares them; logreg is the
    most accurate on GTZAN's genres (docs/results.md)."""
    features: FeatureChoice = "auto"
    """Features of logreg: descriptors, embeddings (of the pretrained network), or both. auto: those with the smallest
    log loss in cross-validation on the training tracks."""
    preset: ClipPresetName = "pmrs-4s"
    """Mel preset of the networks. pmrs-4s: clips of the default sample and of GTZAN fill it (docs/algorithms.md)."""
    workers: int = 0
    """Processes that train a network together with Spark's TorchDistributor, one per GPU or machine. 0: the driver
    alone, which is faster for a few thousand clips than starting processes."""
    min_tracks: PositiveInt = 2
    """Minimal number of labelled tracks of a genre; with four or more, some validate."""
    max_tracks: PositiveInt = 4_000
    """Maximal number of labelled tracks to train a network on, balanced over genres: three clips each are 1.8 GB on the
    driver."""
    max_clips: PositiveInt = MAX_CLIPS
    """Maximal number of clips shown to a network over all epochs (1 to 8): two minutes of two cores. Above 1,400
    training clips that leaves fewer than five epochs, too few to stop early; raise it with a GPU or an hour of time."""

    def check(self) -> None:
        """Raise SourceError for a number of processes that cannot train the model."""
        if self.workers and self.model == LOGREG:
            raise SourceError(
                f"workers = {self.workers} under [jobs.genre_train] is invalid for {self.model}; set 0, or the number of "
                "processes that train a network."
            )
        if self.workers and CLIP_BATCH_SIZE % self.workers:
            raise SourceError(
                f"workers = {self.workers} under [jobs.genre_train] cannot share a batch of {CLIP_BATCH_SIZE} clips evenly; "
                "set a divisor of it."
            )


@dataclass(frozen=True)
class GenreScoreConfig:
    """Batches and rounding; the configuration of genre_train names the model."""

    batch: PositiveInt = BATCH_SIZE
    """Clips per forward pass."""
    clips_per_task: PositiveInt = CLIPS_PER_TASK
    """Clips per Spark task."""
    decimals: int = 4
    """Digits of probabilities and embeddings: rounding hides differences in the last bits between machines."""
