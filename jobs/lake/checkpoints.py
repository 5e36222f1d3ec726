"""Checkpoints, from which killed computations resume: files named by a digest of the inputs of the result.

Checkpoints are optional: if one cannot be written, the computation continues; if one cannot be read, it starts from the beginning.
Opening a checkpoint deletes old ones of its name. Those of fits hold factors trained on users' interactions, by number
and without user ids; a new deletion request deletes all of them (jobs/erasure/registry.py).
"""

import datetime as dt
import hashlib
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load, save

from jobs.lake.files import FileStore
from jobs.log import logger
from models.types import Tensors

LOG = logger(__name__)
FOLDER = "checkpoints"
EVERY = 60.0
"""Minimum seconds between two checkpoints. A kill loses at most this much work, besides the step that it interrupts."""


TRAINING, CLIPS = "genre_train", "training_clips"
"""Names of checkpoints that are not of a fit: the training of a genre model, and clips for its processes.

They depend on audio and annotators, not on any user's interactions."""
YOUNG = dt.timedelta(hours=1)
"""Age up to which a checkpoint may belong to another night that runs on this lake, or to one that will be repeated."""

NONE = dt.timedelta(0)
"""Age for removal of all checkpoints: the result is already stored."""


class Checkpoint:
    """The arrays of `checkpoints/NAME/<digest>.safetensors`. Opening it removes old checkpoints of other digests."""

    def __init__(self, store: FileStore, name: str, determined_by: Mapping[str, Any]) -> None:
        """`determined_by`: everything that the result depends on, as JSON values."""
        digest = hashlib.sha256(json.dumps(determined_by, sort_keys=True).encode()).hexdigest()[:32]
        self._store, self._file = store, f"{FOLDER}/{name}/{digest}.safetensors"
        self._written = time.monotonic()
        clear(store, name, but=self._file)

    def load(self) -> Tensors | None:
        """Return the last checkpoint; None if there is none or it cannot be read."""
        try:
            tensors: Tensors = load(self._store.read_bytes(self._file))
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError) as error:
            LOG.warning("a checkpoint cannot be read; starting from the beginning", file=self._file, error=str(error))
            return None
        return tensors

    def save(self, arrays: Tensors) -> None:
        """Replace the stored arrays atomically; does nothing within EVERY seconds of the last write."""
        if time.monotonic() - self._written < EVERY:
            return
        try:
            self._store.write_bytes(self._file, save(arrays))
        except OSError as error:
            LOG.warning("a checkpoint cannot be written; continuing without it", file=self._file, error=str(error))
        # measured from the end of the write: with a slow store, writes must not take all the time
        self._written = time.monotonic()

    def drop(self) -> None:
        """Remove the checkpoint, because the result is stored elsewhere."""
        _remove(self._store, self._file)


def clear(store: FileStore, name: str, but: str = "", older: dt.timedelta | None = None) -> None:
    """Remove the old checkpoints of a name, and half-written files of killed runs.

    `but`: file to keep. `older`: minimum age of what is removed; default: YOUNG.
    """
    young = dt.datetime.now(dt.UTC) - (YOUNG if older is None else older)
    for file in store.walk(f"{FOLDER}/{name}"):
        if file.name != but and file.changed <= young:
            _remove(store, file.name)


def _remove(store: FileStore, file: str) -> None:
    # another night's fit may have removed it in the meantime
    with suppress(FileNotFoundError):
        store.remove(file)
