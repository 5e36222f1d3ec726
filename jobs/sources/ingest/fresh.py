"""What a partition was made of, and whether that has changed since: so that a night reads only what is new.

Files are the feed's: they may be packed, moved or cleaned away after they were read. What was accepted from them stays (`news`).
"""

import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from jobs.errors import PmrsError, SourceError
from jobs.log import logger
from jobs.sources.contract import Source
from jobs.sources.ingest.reader import reader_version
from jobs.sources.reading.lines import fingerprint
from jobs.sources.reading.raw import is_gzip, unzipped
from jobs.sources.reading.tables import damage

LOG = logger(__name__)
Inputs = dict[str, str]
"""A manifest's inputs: `options|` how the sources file says to read, `stat|` names, sizes and times of the files (to see
quickly that nothing changed), `file|path` each one's SHA-256, and `reader|` which program read them."""
Days = dict[str, Inputs]
"""Received date -> what it is made of."""
TOLD_ONLY = ("stat|", "reader|")
"""Inputs that make a partition no other one: a file that was only touched, a program that was only changed."""


def inputs_of(source: Source, files: Sequence[str]) -> Inputs:
    """Inputs of a partition that is made of these files. Raises SourceError naming one that cannot be read."""
    return _whole(source, _quick(source, files), files)


def unchanged(old: Inputs, source: Source, files: Sequence[str]) -> Inputs | None:
    """None where the files are those of `old`, to be read in the same way; else their inputs.

    A file of the same size and time of change is taken for the same; one that was only touched is read for its digest, not
    ingested again.
    """
    quick = _quick(source, files)
    if all(old.get(label) == value for label, value in quick.items()):
        return None
    inputs = _whole(source, quick, files)
    return None if _what_counts(old) == _what_counts(inputs) else inputs


def news(old: Inputs | None, source: Source, files: Sequence[str], what: str, force: bool) -> Inputs | None:
    """What accepted events are to be made of anew, or None where they stay; `old`: what they were made of, if there are any.

    Files that are gone since take nothing with them: where the others are as they were, the events stay, with a warning. Where
    others are new or changed, reading them would lose the events of those that are gone: SourceError, unless `force` says so.
    `what`: what the events are of, for a person.
    """
    if old is None:
        return inputs_of(source, files)
    if not (gone := lost(old, files)):
        return inputs_of(source, files) if force else unchanged(old, source, files)
    inputs = unchanged({label: value for label, value in old.items() if label not in gone}, source, files)
    names = some(label.removeprefix("file|") for label in gone)
    if inputs is None:
        LOG.warning("files that were read are gone; their events are kept", source=source.name, of=what, files=names)
    elif force:
        LOG.warning("events of files that are gone are given up, by --force", source=source.name, of=what, files=names)
    else:
        raise SourceError(
            f"Source {source.name}, {what}: {names} was read and is gone, while others are new, changed or to be read in another "
            "way; reading these now would lose its events. Put it back, or give its events up: `pmrs run events --date D --force`."
        )
    return inputs


def lost(old: Inputs, files: Sequence[str]) -> list[str]:
    """Labels of the files of `old` that are gone: neither there, nor there under another name, nor packed since."""
    known = {label: digest for label, digest in old.items() if label.startswith("file|")}
    gone = {label: digest for label, digest in known.items() if label not in {f"file|{path}" for path in files}}
    if not gone:
        return []
    new = [path for path in files if known.get(f"file|{path}") != fingerprint(path)]
    there = {fingerprint(path) for path in files} | {_unpacked(path) for path in new}
    return sorted(label for label, digest in gone.items() if digest not in there)


def some(names: Iterable[str], most: int = 3) -> str:
    """The first of many names, and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - most} more" if len(ordered) > most else ""
    return ", ".join(ordered[:most]) + more


@contextmanager
def steady(source: Source, files: Sequence[str]) -> Iterator[None]:
    """While files are read: whatever fails because one was changed, taken away or is damaged is a SourceError that names it."""
    before = [_stat(path) for path in files]
    try:
        yield
    except Exception as error:
        for path, old in zip(files, before, strict=True):
            if not os.path.exists(path) or _stat(path) != old:
                what = f"Source {source.name}: {path} was changed or taken away while it was read"
                raise SourceError(f"{what}; run again.") from error
        if isinstance(error, PmrsError):
            raise
        for path in files:
            if fault := damage(path):
                what = f"Source {source.name}: {path} cannot be read to its end ({fault})"
                raise SourceError(f"{what}; fetch it again, or take it away.") from error
        raise


def _unpacked(path: str) -> str | None:
    """SHA-256 of what a .gz holds: of the file that it was before it was packed. None: no .gz, or not whole."""
    whole = hashlib.sha256()
    try:
        for piece in unzipped(path) if is_gzip(path) else ():
            whole.update(piece)
    except (OSError, EOFError, zlib.error):
        return None
    return whole.hexdigest() if is_gzip(path) else None


def _whole(source: Source, quick: Inputs, files: Sequence[str]) -> Inputs:
    return quick | {f"file|{path}": fingerprint(path) for path in files} | {"reader|": reader_version(source.format)}


def _what_counts(inputs: Inputs) -> Inputs:
    return {label: value for label, value in inputs.items() if label not in TOLD_ONLY}


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
