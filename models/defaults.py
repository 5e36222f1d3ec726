"""Names and defaults that models share with the settings of jobs. Imports no torch, so that settings load fast."""

from typing import Literal, get_args

NetworkName = Literal["genre_cnn", "short_chunk"]
NETWORK_NAMES: tuple[str, ...] = get_args(NetworkName)
"""Networks on clips; models/genre_networks.py builds them."""
MAX_CLIPS = 7_000
"""Clips shown to a network over all epochs: bounds CPU time (about 60 clips/s on 2 idle cores)."""
CLIP_BATCH_SIZE = 16
"""Clips per training step of a network, over all ranks."""
VAL_SHARE = 0.15
"""Share of each genre's tracks that validates a genre model; the others train it."""
MAX_TOKENS = 64
"""Longer texts are truncated. Title, artist, release and ten tags have about forty tokens."""
