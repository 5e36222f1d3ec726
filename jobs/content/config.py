"""Settings of the job `content`. This module loads without torch and Spark."""

from dataclasses import dataclass

from pydantic import PositiveInt

from jobs.lake.feature_sets import FeatureChoice
from models.defaults import NetworkName
from models.mel_presets import ClipPresetName


@dataclass(frozen=True)
class ContentConfig:
    """How many cold-start tracks a list gets, what predicts their factors, and when the prediction is good enough."""

    slots: int = 1
    """Number of cold-start items at the end of each user's overall list; 0: none. One of twenty costs little accuracy."""
    encoder: FeatureChoice | NetworkName = "auto"
    """Ridge regression (seconds) on descriptors, embeddings (of the pretrained network) or both; auto: the features with the
    highest cosine on validation tracks. Or a network that is trained on clips every night for some minutes: genre_cnn (the
    trunk of the paper) or short_chunk."""
    text: bool = False
    """Use text (title, artist, release, tags) in addition to audio. The job text_vectors must have an encoder."""
    preset: ClipPresetName = "pmrs-4s"
    """Mel preset of a network's clips."""
    max_training_tracks: int = 2_000
    """Training tracks of a network, those with most users: three clips each are 0.9 GB on the driver."""
    max_training_clips: int = 16_000
    """Clips over all epochs of a network, at least one epoch: three times those of 2,000 tracks, eight minutes of one core."""
    min_cosine_gain: float = 0.01
    """Required gain of the mean cosine between predicted and real factors of validation tracks over a constant prediction. Below
    it, audio does not predict factors, and nothing is recommended."""
    users_per_task: PositiveInt = 2_000
    """Users per task."""
