"""Names of the feature sets of tracks' audio. Imports nothing, so that the settings of jobs load fast."""

from typing import Literal

FeatureSet = Literal["descriptors", "embeddings", "both"]
"""descriptors: table `track_descriptors`; embeddings: of the pretrained network, table `track_embeddings`."""
FeatureChoice = FeatureSet | Literal["auto"]
"""A setting. auto: the feature set with the best validation, among those that the night has."""
