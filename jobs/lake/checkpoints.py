"""Where a long computation stands, so that one which died is taken up: a file, named by a digest of what determines the result.

It is a convenience: where it cannot be written or read, the work goes on, or begins anew. What is old of a name goes when the next
one of that name is opened. What was learned from listening names nobody; whoever asks to be forgotten has all of it deleted
(jobs/forget/).
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
from models.protocol import Tensors

LOG = logger(__name__)
FOLDER = "checkpoints"
EVERY = 60.0
"""Seconds of work at least between two checkpoints: what a death costs, at most, beside the step it fell into."""


TRAINING, CLIPS = "genre_train", "training_clips"
"""Names of what is no fit: where a training of a genre model stands, and clips on their way to its processes. They tell of audio
and annotators, of nobody's listening."""
YOUNG = dt.timedelta(hours=1)
"""A checkpoint that was written since may be that of another night at work in this lake, or of one that will run again."""

NONE = dt.timedelta(0)
"""To remove them whatever their age: the result lies where it belongs."""


class Checkpoint:
    """The arrays of `checkpoints/NAME/<digest>.safetensors`. Opening it removes old ones of other digests."""

    def __init__(self, store: FileStore, name: str, determined_by: Mapping[str, Any]) -> None:
        """`determined_by`: all that the result depends on, as JSON holds it."""
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
            LOG.warning("a checkpoint cannot be read; beginning anew", file=self._file, error=str(error))
            return None
        return tensors

    def keep(self, arrays: Tensors) -> None:
        """Put these in the place of the former ones, at once or not at all; does nothing where those are young."""
        if time.monotonic() - self._written < EVERY:
            return
        try:
            self._store.write_bytes(self._file, save(arrays))
        except OSError as error:
            LOG.warning("a checkpoint cannot be written; going on without", file=self._file, error=str(error))
        # behind the writing: a slow store shall not be written to all the time
        self._written = time.monotonic()

    def drop(self) -> None:
        """Remove it: the result lies elsewhere."""
        _remove(self._store, self._file)


def clear(store: FileStore, name: str, but: str = "", older: dt.timedelta | None = None) -> None:
    """Remove the checkpoints of a name that nobody works on, and what a kill has left of them half written.

    `older`: than what; YOUNG, if not given.
    """
    young = dt.datetime.now(dt.UTC) - (YOUNG if older is None else older)
    for file in store.walk(f"{FOLDER}/{name}"):
        if file.name != but and file.changed <= young:
            _remove(store, file.name)


def _remove(store: FileStore, file: str) -> None:
    # another night's fit may have removed it meanwhile
    with suppress(FileNotFoundError):
        store.remove(file)
