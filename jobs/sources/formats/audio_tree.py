"""A folder of audio files: one track each, named by its file name.

GTZAN (blues.00000.wav, flat or in a folder per genre), FMA (000/000002.mp3, whose tracks.csv calls it 2), your own files.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path

import pandas as pd
from pyspark.sql import DataFrame, SparkSession

from jobs.errors import SourceError
from jobs.lake.schemas.sources import AUDIO_FILES
from jobs.sources.audio_tags import read_tags
from jobs.sources.contract import Parsed, Source
from jobs.sources.files import listing
from jobs.sources.whole_files import parse_files, reject

SUFFIXES = frozenset({".wav", ".mp3", ".ogg", ".oga", ".flac", ".opus", ".m4a", ".aif", ".aiff", ".au"})
LABELS = ("prefix", "folder")
IDS = ("name", "path", "fma")
MSD_TRACK = re.compile("TR[A-Z0-9]{16}")


class AudioTree:
    """Track id = namespace and file stem; with `ids = "path"` the path below the folder, for trees in which names come twice
    (album/01.mp3), with `ids = "fma"` the stem as a number without leading zeros.

    `labels`: the genre stands before the first dot of the name, or is the folder. `tags = true`: title, artist, album, year and,
    where no label is had from name or folder, genre are what the file's tags tell.
    """

    table = "audio_files"
    dated = False
    also: frozenset[str] = frozenset()
    options = frozenset({"labels", "ids", "tags"})

    def check(self, source: Source) -> None:
        """`labels` is prefix or folder, `ids` name, path or fma, `tags` true or false, where they are given."""
        if source.options.get("labels", "prefix") not in LABELS:
            raise SourceError(f'Source {source.name}: labels is "prefix" (blues.00000.wav) or "folder" (blues/00000.wav).')
        if source.options.get("ids", "name") not in IDS:
            raise SourceError(f'Source {source.name}: ids is "name", "path" (album/01) or "fma" (000/000002.mp3 is 2).')
        if not isinstance(source.options.get("tags", False), bool):
            raise SourceError(f"Source {source.name}: tags is true or false: whether the files' own tags are read.")

    def newest(self, source: Source) -> date | None:
        """The stated `as_of`: audio has no dates."""
        return source.as_of

    def received(self, path: str) -> date | None:
        """None: audio has no date of receipt."""
        return None

    def files(self, source: Source) -> list[str]:
        """Every file with an audio suffix under the folder."""
        return listing(source, SUFFIXES)

    def count(self, spark: SparkSession, source: Source, files: list[str]) -> DataFrame:
        """1 for each file."""
        return spark.createDataFrame([(path, 1) for path in files], "file string, lines_in long")

    def parse(self, spark: SparkSession, source: Source, files: list[str]) -> Parsed:
        """A row per file with its size and SHA-256; whether it can be decoded is found out later, by the audio jobs."""
        return parse_files(spark, files, AUDIO_FILES, _reader(source, same_id(files, namer(source))))


def namer(source: Source) -> Callable[[str], str | None]:
    """What tells a file's own id from its path; None where the path tells none."""
    kind, root = source.options.get("ids", "name"), Path(source.path)

    def identity(path: str) -> str | None:
        stem = Path(path).stem
        if kind == "fma":
            return str(int(stem)) if re.fullmatch("[0-9]{1,12}", stem) else None
        inside = kind == "path" and Path(path) != root
        return Path(path).relative_to(root).with_name(stem).as_posix() if inside else stem

    return identity


def same_id(files: Sequence[str], identity: Callable[[str], str | None]) -> dict[str, str]:
    """Files whose id an earlier one (by path) has already: the later path -> the first. They would be one track."""
    first: dict[str, str] = {}
    named = ((path, own) for path in sorted(files) if (own := identity(path)) is not None)
    return {path: first[own] for path, own in named if first.setdefault(own, path) != path}


def _reader(source: Source, repeated: dict[str, str]) -> Callable[[str], Iterator[pd.DataFrame]]:
    prefix, identity = f"{source.namespace}:" if source.namespace else "", namer(source)

    def read(path: str) -> Iterator[pd.DataFrame]:
        if path in repeated:
            yield reject("same_id", f"{repeated[path]} gives the same track id")
            return
        own = identity(path)
        if own is None:
            yield reject("bad_id", "the file's name is no number, as FMA's are (000002.mp3)")
            return
        try:
            size, digest = os.path.getsize(path), _sha256(path)
        except OSError as error:
            yield reject("unreadable", f"the file cannot be read: {error.strerror}")
            return
        if not size:
            yield reject("empty_file", "the file is empty")
            return
        row = {"track_id": prefix + own, "path": path, "bytes": size, "content_hash": digest}
        yield pd.DataFrame([{**row, **describe(source, path)}])

    return read


def describe(source: Source, path: str) -> dict[str, str | int | None]:
    """Title, label and, from the tags, artist, release and year: the tags' title goes before the name's."""
    tags = read_tags(path) if source.options.get("tags") is True else {}
    # a number is no title: FMA's own are in its tracks.csv
    name = None if source.options.get("ids") == "fma" else title_of(Path(path).stem)
    label = label_of(path, source.path, source.options.get("labels"))
    return {**tags, "title": tags.get("title") or name, "label": label or tags.get("label")}


def title_of(stem: str) -> str | None:
    """The file's name as a title, unless it is an MSD track id, whose title the catalogue knows."""
    return None if MSD_TRACK.fullmatch(stem) else stem.replace("_", " ").strip() or None


def label_of(path: str, root: str, labels: str | None) -> str | None:
    """The genre that name (`prefix`: blues.00000.wav) or folder tells; None where it tells none."""
    if labels == "folder":
        parent = Path(path).parent
        return parent.name if parent != Path(root) else None
    first, *rest = Path(path).stem.split(".")
    return first if labels == "prefix" and rest and first else None


def _sha256(path: str) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


FORMAT = AudioTree()
