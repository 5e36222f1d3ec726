"""What a partition was made of, and whether that has changed since: so that a night reads only what is new."""

import hashlib
import json
import os
from collections.abc import Sequence

from jobs.errors import SourceError
from jobs.sources.contract import Source
from jobs.sources.reading.lines import fingerprint

Inputs = dict[str, str]
"""A manifest's inputs: `options|` how the sources file says to read, `stat|` names, sizes and times of the files (to see
quickly that nothing changed), and `file|path` each one's SHA-256."""


def inputs_of(source: Source, files: Sequence[str]) -> Inputs:
    """Inputs of a partition that is made of these files. Raises SourceError naming one that cannot be read."""
    return _quick(source, files) | {f"file|{path}": fingerprint(path) for path in files}


def unchanged(old: Inputs, source: Source, files: Sequence[str]) -> Inputs | None:
    """None where the files are those of `old`, to be read in the same way; else their inputs.

    A file of the same size and time of change is taken for the same; one that was only touched is read for its digest, not
    ingested again.
    """
    quick = _quick(source, files)
    if all(old.get(label) == value for label, value in quick.items()):
        return None
    inputs = quick | {f"file|{path}": fingerprint(path) for path in files}
    return None if {**old, "stat|": ""} == {**inputs, "stat|": ""} else inputs


def _quick(source: Source, files: Sequence[str]) -> Inputs:
    how = [source.format, source.namespace, source.truncated, source.as_of, dict(source.options)]
    said = json.dumps(how, sort_keys=True, default=str)
    return {"options|": _digest(said), "stat|": _digest(json.dumps([_stat(path) for path in sorted(files)]))}


def _stat(path: str) -> list[str | int]:
    try:
        found = os.stat(path)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from None
    return [path, found.st_size, found.st_mtime_ns]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
