"""A folder of audio files: one track each, named by its file name."""

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
from jobs.sources.contract import Parsed, Source
from jobs.sources.files import listing
from jobs.sources.whole_files import parse_files, reject

SUFFIXES = frozenset({".wav", ".mp3", ".ogg", ".oga", ".flac", ".opus", ".m4a", ".aif", ".aiff", ".au"})
LABELS = ("prefix", "folder")
MSD_TRACK = re.compile("TR[A-Z0-9]{16}")


class AudioTree:
    """Track id = namespace and file stem. `labels`: the genre stands before the first dot of the name, or is the folder."""

    table = "audio_files"
    dated = False
    also: frozenset[str] = frozenset()
    options = frozenset({"labels"})

    def check(self, source: Source) -> None:
        """`labels` is prefix or folder, if given."""
        if source.options.get("labels", "prefix") not in LABELS:
            raise SourceError(f'Source {source.name}: labels is "prefix" (blues.00000.wav) or "folder" (blues/00000.wav).')

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
        return parse_files(spark, files, AUDIO_FILES, _reader(source, same_id(files)))


def same_id(files: Sequence[str]) -> dict[str, str]:
    """Files whose stem an earlier one (by path) has already: the later path -> the first. They would be one track."""
    first: dict[str, str] = {}
    return {path: first[Path(path).stem] for path in sorted(files) if first.setdefault(Path(path).stem, path) != path}


def _reader(source: Source, repeated: dict[str, str]) -> Callable[[str], Iterator[pd.DataFrame]]:
    labels, prefix = source.options.get("labels"), f"{source.namespace}:" if source.namespace else ""
    root = source.path

    def read(path: str) -> Iterator[pd.DataFrame]:
        if path in repeated:
            yield reject("same_id", f"{repeated[path]} gives the same track id")
            return
        try:
            size, digest = os.path.getsize(path), _sha256(path)
        except OSError as error:
            yield reject("unreadable", f"the file cannot be read: {error.strerror}")
            return
        if not size:
            yield reject("empty_file", "the file is empty")
            return
        stem = Path(path).stem
        row = {"track_id": prefix + stem, "path": path, "bytes": size, "content_hash": digest}
        yield pd.DataFrame([{**row, "title": title_of(stem), "label": label_of(path, root, labels)}])

    return read


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
