"""Sizes of batches and tasks of clip networks. This module loads without torch and Spark."""

CLIPS_PER_TASK = 256
"""About ten seconds of one core. It also fixes which clips share a batch, so that equal inputs give equal bits."""
BATCH_SIZE = 32
"""Clips per forward pass: 32 x 599 x 128 float32 are 10 MB; larger batches are not faster on a CPU."""
