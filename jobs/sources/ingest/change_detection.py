"""Detect whether the inputs of a partition have changed since it was written, so that a night reads only new files.

The files belong to the feed: they may be packed, moved or deleted after they were read. Their events stay, see
`inputs_to_read`.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from jobs.errors import PmrsError, SourceError
from jobs.lake.inputs import OPTIONS, READER, STAT, file_digests, file_input
from jobs.log import logger
from jobs.sources.contract import Source
from jobs.sources.ingest.reader_version import reader_version
from jobs.sources.reading.lines import file_digest
from jobs.sources.reading.raw_bytes import gunzip_chunks, is_gzip
from jobs.sources.reading.tables import parquet_error

LOG = logger(__name__)
Inputs = dict[str, str]
"""Digests of a partition's inputs by label, as its manifest records them: OPTIONS, STAT, READER and each file."""
InputsByDate = dict[str, Inputs]
"""Received date (ISO) -> inputs of its partition."""
INFORMATIVE = frozenset({STAT.label(), READER.label()})
"""Labels whose change alone does not make a partition outdated: a touched file, a changed program."""


def compute_inputs(source: Source, files: Sequence[str]) -> Inputs:
    """Return the inputs of a partition made of these files. Raises SourceError for a file that cannot be read."""
    return _with_digests(source, _cheap_inputs(source, files), files)


def changed_inputs(previous: Inputs, source: Source, files: Sequence[str]) -> Inputs | None:
    """Return the inputs if files or settings differ from `previous`, otherwise None.

    A file with the same size and modification time counts as the same. A file that was only touched is read for its
    digest, but not ingested again.
    """
    cheap = _cheap_inputs(source, files)
    if all(previous.get(label) == value for label, value in cheap.items()):
        return None
    inputs = _with_digests(source, cheap, files)
    return None if _decisive(previous) == _decisive(inputs) else inputs


def inputs_to_read(
    previous: Inputs | None, source: Source, files: Sequence[str], what: str, force: bool
) -> Inputs | None:
    """Return the inputs that have to be read, or None if the events stay as they are.

    `previous`: inputs of the existing events, if any. `what`: describes the events in messages.

    If files are gone and the others are unchanged, the events stay, with a warning. If others are new or changed,
    reading them would lose the events of the files that are gone: this raises SourceError, unless `force` is given.
    """
    if previous is None:
        return compute_inputs(source, files)
    if not (missing := missing_files(previous, files)):
        return compute_inputs(source, files) if force else changed_inputs(previous, source, files)
    gone = {file_input(path).label() for path in missing}
    remaining = {label: value for label, value in previous.items() if label not in gone}
    inputs = changed_inputs(remaining, source, files)
    names = abbreviate(missing)
    if inputs is None:
        LOG.warning("files that were read no longer exist; their events are kept", source=source.name, of=what, files=names)
    elif force:
        message = "files that were read no longer exist; --force drops their events"
        LOG.warning(message, source=source.name, of=what, files=names)
    else:
        raise SourceError(
            f"Source {source.name}, {what}: {names} was read and no longer exists, while other files or settings have changed; "
            "reading these now would lose its events. "
            "Put it back, or drop its events: `pmrs run events --date D --force`."
        )
    return inputs


def missing_files(previous: Inputs, files: Sequence[str]) -> list[str]:
    """Return the paths of the files of `previous` that are gone: not there, not renamed and not packed."""
    digests = file_digests(previous)
    absent = {path: digest for path, digest in digests.items() if path not in set(files)}
    if not absent:
        return []
    new = [path for path in files if digests.get(path) != file_digest(path)]
    existing = {file_digest(path) for path in files} | {_unpacked_digest(path) for path in new}
    return sorted(path for path, digest in absent.items() if digest not in existing)


def abbreviate(names: Iterable[str], limit: int = 3) -> str:
    """Return the first names in order, and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - limit} more" if len(ordered) > limit else ""
    return ", ".join(ordered[:limit]) + more


@contextmanager
def detect_changes(source: Source, files: Sequence[str]) -> Iterator[None]:
    """Turn errors inside the block into a SourceError that names the file that changed, vanished or is damaged."""
    before = [_stat(path) for path in files]
    try:
        yield
    except Exception as error:
        for path, stat in zip(files, before, strict=True):
            if not os.path.exists(path) or _stat(path) != stat:
                message = f"Source {source.name}: {path} was changed or removed while it was read; run again."
                raise SourceError(message) from error
        if isinstance(error, PmrsError):
            raise
        for path in files:
            if damage := parquet_error(path):
                message = (
                    f"Source {source.name}: {path} cannot be read to its end ({damage}); fetch it again, or remove it."
                )
                raise SourceError(message) from error
        raise


def _unpacked_digest(path: str) -> str | None:
    """Return the SHA-256 of the content of a .gz: the digest of the file before it was packed; None for other files."""
    digest = hashlib.sha256()
    try:
        for chunk in gunzip_chunks(path) if is_gzip(path) else ():
            digest.update(chunk)
    except (OSError, EOFError, zlib.error):
        return None
    return digest.hexdigest() if is_gzip(path) else None


def _with_digests(source: Source, cheap: Inputs, files: Sequence[str]) -> Inputs:
    of_files = {file_input(path).label(): file_digest(path) for path in files}
    return cheap | of_files | {READER.label(): reader_version(source.format)}


def _decisive(inputs: Inputs) -> Inputs:
    return {label: value for label, value in inputs.items() if label not in INFORMATIVE}


def _cheap_inputs(source: Source, files: Sequence[str]) -> Inputs:
    settings = [source.format, source.namespace, source.truncated, source.as_of, dict(source.options)]
    text = json.dumps(settings, sort_keys=True, default=str)
    stat = json.dumps([_stat(path) for path in sorted(files)])
    return {OPTIONS.label(): _digest(text), STAT.label(): _digest(stat)}


def _stat(path: str) -> list[str | int]:
    try:
        stat = os.stat(path)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from None
    return [path, stat.st_size, stat.st_mtime_ns]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
