"""Names of the feature sets of tracks' audio. Imports nothing, so that the settings of jobs load fast."""

from typing import Literal

FeatureSet = Literal["descriptors", "embeddings", "both"]
"""descriptors: table `track_descriptors`; embeddings: of the pretrained network, table `track_embeddings`."""
