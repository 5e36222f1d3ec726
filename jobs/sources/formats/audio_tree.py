"""A folder of audio files: one track each, named by its file name.

GTZAN (blues.00000.wav, flat or in a folder per genre), FMA (000/000002.mp3, whose tracks.csv calls it 2), your own files. In a
tar archive (GTZAN's genres.tar.gz) the members are the lines, and audio is written to the folder of the option `audio_folder`.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath, PurePosixPath

import pandas as pd
from pyspark.sql import SparkSession

from jobs.errors import SourceError
from jobs.lake.schemas.sources import AUDIO_FILES
from jobs.sources.base import Snapshot
from jobs.sources.contract import Parsed, Source
from jobs.sources.parsing.audio_store import check_folder, make_folder, store
from jobs.sources.parsing.audio_tags import read_tags
from jobs.sources.reading.archives import ARCHIVES, TAR_FAULTS, Member, is_archive, members
from jobs.sources.reading.files import listing
from jobs.sources.reading.lines import count_by
from jobs.sources.reading.raw_tar import count_members
from jobs.sources.reading.whole_files import in_batches, parse_files, reject, skip

SUFFIXES = frozenset({".wav", ".mp3", ".ogg", ".oga", ".flac", ".opus", ".m4a", ".aif", ".aiff", ".au"})
LABELS = ("prefix", "folder")
IDS = ("name", "path", "fma")
MSD_TRACK = re.compile("TR[A-Z0-9]{16}")
NO_NUMBER = "the file's name is no number, as FMA's are (000002.mp3)"


class AudioTree(Snapshot):
    """Track id = namespace and file stem; with `ids = "path"` the path below the folder, for trees in which names come twice
    (album/01.mp3), with `ids = "fma"` the stem as a number without leading zeros.

    `labels`: the genre stands before the first dot of the name, or is the folder. `tags = true`: title, artist, album, year and,
    where no label is had from name or folder, genre are what the file's tags tell.
    """

    table = "audio_files"
    options = frozenset({"labels", "ids", "tags", "audio_folder"})

    def check(self, source: Source) -> None:
        """`labels` is prefix or folder, `ids` name, path or fma, `tags` true or false, where they are given."""
        if source.options.get("labels", "prefix") not in LABELS:
            raise SourceError(f'Source {source.name}: labels is "prefix" (blues.00000.wav) or "folder" (blues/00000.wav).')
        if source.options.get("ids", "name") not in IDS:
            raise SourceError(f'Source {source.name}: ids is "name", "path" (album/01) or "fma" (000/000002.mp3 is 2).')
        if not isinstance(source.options.get("tags", False), bool):
            raise SourceError(f"Source {source.name}: tags is true or false: whether the files' own tags are read.")
        check_folder(source)

    def files(self, source: Source) -> list[str]:
        """Every file with an audio suffix under the folder, and every archive, for which `audio_folder` must be named."""
        found = listing(source, SUFFIXES | ARCHIVES)
        packed = next((path for path in found if is_archive(path)), None)
        if packed and not source.options.get("audio_folder"):
            raise SourceError(
                f'Source {source.name}: {packed} is an archive; say where its audio is to be written: audio_folder = "...".'
            )
        make_folder(source)
        return found

    def count(self, spark: SparkSession, source: Source, files: list[str]) -> dict[str, int]:
        """1 for each file; an archive's members, by the second reader."""
        archives = [path for path in files if is_archive(path)]
        return dict.fromkeys(files, 1) | count_by(spark, archives, count_members)

    def parse(self, spark: SparkSession, source: Source, files: list[str]) -> Parsed:
        """A row per file with its size and SHA-256; whether it can be decoded is found out later, by the audio jobs."""
        identity = namer(source)
        own = {path: identity(below(path, source.path)) for path in files if not is_archive(path)}
        return parse_files(spark, files, AUDIO_FILES, _reader(source, same_id(own)))


def namer(source: Source) -> Callable[[PurePath], str | None]:
    """What tells a file's own id from its path below the folder, or in its archive; None where the path tells none."""
    kind = source.options.get("ids", "name")

    def identity(inside: PurePath) -> str | None:
        if kind == "fma":
            return str(int(inside.stem)) if re.fullmatch("[0-9]{1,12}", inside.stem) else None
        return inside.with_name(inside.stem).as_posix() if kind == "path" else inside.stem

    return identity


def below(path: str, root: str) -> PurePath:
    """A file's path below the source's folder; where the source is the file itself, with its folder's name."""
    file = PurePath(path)
    return file.relative_to(root) if path != root else PurePath(file.parent.name, file.name)


def same_id(files: Mapping[str, str | None]) -> dict[str, str]:
    """Files (path -> own id) whose id an earlier one has already: the later path -> the first. They would be one track."""
    first: dict[str, str] = {}
    named = ((path, own) for path, own in sorted(files.items()) if own is not None)
    return {path: first[own] for path, own in named if first.setdefault(own, path) != path}


def _reader(source: Source, repeated: dict[str, str]) -> Callable[[str], Iterator[pd.DataFrame]]:
    prefix, identity = source.prefix, namer(source)

    def read(path: str) -> Iterator[pd.DataFrame]:
        if is_archive(path):
            yield from in_batches(read_archive(path, source, prefix))
            return
        if path in repeated:
            yield reject("same_id", f"{repeated[path]} gives the same track id")
            return
        inside = below(path, source.path)
        if (own := identity(inside)) is None:
            yield reject("bad_id", NO_NUMBER)
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
        yield pd.DataFrame([{**row, **describe(source, inside, path)}])

    return read


def read_archive(path: str, source: Source, prefix: str) -> Iterator[pd.DataFrame]:
    """Frames of each member; what follows a damaged place is one rejected row, and leaves the account unbalanced."""
    number, identity, seen = 0, namer(source), dict[str, str]()
    try:
        for member in members(path, SUFFIXES):
            number = member.number
            own = identity(PurePosixPath(member.name)) if member.data is not None else None
            yield _member(member, own, seen, source, prefix)
    except TAR_FAULTS as error:
        yield reject("bad_archive", f"the archive cannot be read after its member {number}: {error}", [number + 1])


def _member(member: Member, own: str | None, seen: dict[str, str], source: Source, prefix: str) -> pd.DataFrame:
    """The row of an archive's member, its bytes written. `seen`: the ids so far, and whose they are."""
    if member.data is None and not member.rule:
        return skip(member.number)
    if own is None or not member.data or seen.setdefault(own, member.name) != member.name:
        return reject(*_fault(member, own, None if own is None else seen.get(own)), [member.number])
    inside = PurePosixPath(member.name)
    try:
        stored = store(source.options["audio_folder"], member.data, inside.suffix.lower())
    except OSError as error:
        return reject("not_written", f"the member {member.name} cannot be written: {error.strerror}", [member.number])
    told = describe(source, inside, stored["path"])
    return pd.DataFrame([{"line": member.number, "track_id": prefix + own, **stored, **told}])


def _fault(member: Member, own: str | None, other: str | None) -> tuple[str, str]:
    """Rule and reason of a member that is no track of its own."""
    if member.rule:
        return member.rule, member.reason
    if own is None:
        return "bad_id", f"{member.name}: {NO_NUMBER}"
    if not member.data:
        return "empty_file", f"the member {member.name} is empty"
    return "same_id", f"{member.name}: {other} gives the same track id"


def describe(source: Source, inside: PurePath, path: str) -> dict[str, str | int | None]:
    """Title, label and, from the tags, artist, release and year: the tags' title goes before the name's."""
    tags = read_tags(path) if source.options.get("tags") is True else {}
    # a number is no title: FMA's own are in its tracks.csv
    name = None if source.options.get("ids") == "fma" else title_of(inside.stem)
    label = label_of(inside, source.options.get("labels"))
    return {**tags, "title": tags.get("title") or name, "label": label or tags.get("label")}


def title_of(stem: str) -> str | None:
    """The file's name as a title, unless it is an MSD track id, whose title the catalogue knows."""
    return None if MSD_TRACK.fullmatch(stem) else stem.replace("_", " ").strip() or None


def label_of(inside: PurePath, labels: str | None) -> str | None:
    """The genre that name (`prefix`: blues.00000.wav) or folder tells; None where it tells none."""
    if labels == "folder":
        return inside.parent.name or None
    first, *rest = inside.stem.split(".")
    return first if labels == "prefix" and rest and first else None


def _sha256(path: str) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


FORMAT = AudioTree()
