"""A folder of audio files. Each file is one track, whose id is the file name.

Examples: GTZAN (blues.00000.wav, flat or in a folder per genre), FMA (000/000002.mp3, track 2 in its tracks.csv), own
files. In a tar archive (GTZAN's genres.tar.gz) the members are the lines, and audio is written to the option
`audio_folder`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath, PurePosixPath
from typing import TYPE_CHECKING, Literal

from pydantic import Field
from pyspark.sql import SparkSession

from jobs.errors import SourceError
from jobs.lake.schemas.sources import AUDIO_FILES
from jobs.sources.base import SnapshotFormat
from jobs.sources.contract import Parsed, Source
from jobs.sources.parsing.audio_store import AudioFolder, make_audio_folder, store_audio
from jobs.sources.parsing.audio_tags import read_tags
from jobs.sources.reading.archives import ARCHIVES, TAR_ERRORS, Member, is_archive, iter_members
from jobs.sources.reading.files import list_files
from jobs.sources.reading.independent_counts.tar_members import count_members
from jobs.sources.reading.lines import count_files
from jobs.sources.reading.python_readers import blank_frame, merge_frames, parse_files, rejected_frame

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = frozenset({".wav", ".mp3", ".ogg", ".oga", ".flac", ".opus", ".m4a", ".aif", ".aiff", ".au"})
MSD_TRACK = re.compile("TR[A-Z0-9]{16}")
NOT_A_NUMBER = "the file's name is not a number, as FMA's are (000002.mp3)"


class AudioTreeOptions(AudioFolder):
    """Options of an audio tree, see `AudioTree`."""

    labels: Literal["prefix", "folder"] | None = Field(
        None, description='"prefix" (blues.00000.wav) or "folder" (blues/00000.wav)'
    )
    ids: Literal["name", "path", "fma"] = Field(
        "name", description='"name", "path" (album/01) or "fma" (000/000002.mp3 is 2)'
    )
    tags: bool = Field(False, description="true or false: whether the files' own tags are read")


class AudioTree(SnapshotFormat):
    """The track id is the namespace and the file stem.

    Options:
    - `ids = "path"`: the path below the folder, for trees with repeated names (album/01.mp3)
    - `ids = "fma"`: the stem as a number without leading zeros
    - `labels`: the genre is before the first dot of the name (`prefix`), or the name of the folder (`folder`)
    - `tags = true`: title, artist, album and year come from the file's tags, and the genre where `labels` gives none
    """

    table = "audio_files"
    options = AudioTreeOptions

    def files(self, source: Source) -> list[str]:
        """List every audio file and archive under the folder. Archives require the option `audio_folder`."""
        paths = list_files(source, SUFFIXES | ARCHIVES)
        archive = next((path for path in paths if is_archive(path)), None)
        if archive and not source.options.get("audio_folder"):
            raise SourceError(
                f'Source {source.name}: {archive} is an archive; set the folder for its audio: audio_folder = "...".'
            )
        make_audio_folder(source)
        return paths

    def count(self, spark: SparkSession, source: Source, files: list[str]) -> dict[str, int]:
        """Count 1 for each file, and the members of an archive with the independent counter."""
        archives = [path for path in files if is_archive(path)]
        return dict.fromkeys(files, 1) | count_files(spark, archives, count_members)

    def parse(self, spark: SparkSession, source: Source, files: list[str]) -> Parsed:
        """Return a row per file with its size and SHA-256. The audio jobs find out later whether it can be decoded."""
        get_id = id_from_path(source)
        ids_by_path = {path: get_id(path_below(path, source.path)) for path in files if not is_archive(path)}
        return parse_files(spark, files, AUDIO_FILES, _reader(source, duplicate_ids(ids_by_path)))


def id_from_path(source: Source) -> Callable[[PurePath], str | None]:
    """Return a function from a file's path (below the folder, or in its archive) to its own id; None if it has none."""
    kind = source.options.get("ids", "name")

    def get_id(inside: PurePath) -> str | None:
        if kind == "fma":
            return str(int(inside.stem)) if re.fullmatch("[0-9]{1,12}", inside.stem) else None
        return inside.with_name(inside.stem).as_posix() if kind == "path" else inside.stem

    return get_id


def path_below(path: str, root: str) -> PurePath:
    """Return a file's path below the source's folder; for a source that is the file itself, with its folder's name."""
    file = PurePath(path)
    return file.relative_to(root) if path != root else PurePath(file.parent.name, file.name)


def duplicate_ids(files: Mapping[str, str | None]) -> dict[str, str]:
    """Return the files (path -> own id) whose id an earlier file has: later path -> first path."""
    first: dict[str, str] = {}
    named = ((path, own_id) for path, own_id in sorted(files.items()) if own_id is not None)
    return {path: first[own_id] for path, own_id in named if first.setdefault(own_id, path) != path}


def _reader(source: Source, repeated: dict[str, str]) -> Callable[[str], Iterator[pd.DataFrame]]:
    import pandas as pd

    prefix, get_id = source.prefix, id_from_path(source)

    def read(path: str) -> Iterator[pd.DataFrame]:
        if is_archive(path):
            yield from merge_frames(read_archive(path, source, prefix))
            return
        if path in repeated:
            yield rejected_frame("same_id", f"{repeated[path]} has the same track id")
            return
        inside = path_below(path, source.path)
        if (own_id := get_id(inside)) is None:
            yield rejected_frame("bad_id", NOT_A_NUMBER)
            return
        try:
            size, digest = os.path.getsize(path), _sha256(path)
        except OSError as error:
            yield rejected_frame("unreadable", f"the file cannot be read: {error.strerror}")
            return
        if not size:
            yield rejected_frame("empty_file", "the file is empty")
            return
        row = {"track_id": prefix + own_id, "path": path, "bytes": size, "content_hash": digest}
        yield pd.DataFrame([{**row, **describe_file(source, inside, path)}])

    return read


def read_archive(path: str, source: Source, prefix: str) -> Iterator[pd.DataFrame]:
    """Yield frames of each member. The rest after a damaged member is one rejected row, and leaves the account
    unbalanced.
    """
    number, get_id, seen = 0, id_from_path(source), dict[str, str]()
    try:
        for member in iter_members(path, SUFFIXES):
            number = member.number
            own_id = get_id(PurePosixPath(member.name)) if member.data is not None else None
            yield _member_frame(member, own_id, seen, source, prefix)
    except TAR_ERRORS as error:
        yield rejected_frame(
            "bad_archive", f"the archive cannot be read after its member {number}: {error}", [number + 1]
        )


def _member_frame(
    member: Member, own_id: str | None, seen: dict[str, str], source: Source, prefix: str
) -> pd.DataFrame:
    """Return the row of an archive's member and write its bytes. `seen`: the ids so far, and their members."""
    import pandas as pd

    if member.data is None and not member.rule:
        return blank_frame(member.number)
    if own_id is None or not member.data or seen.setdefault(own_id, member.name) != member.name:
        return rejected_frame(
            *_member_error(member, own_id, None if own_id is None else seen.get(own_id)), [member.number]
        )
    inside = PurePosixPath(member.name)
    try:
        stored = store_audio(source.options["audio_folder"], member.data, inside.suffix.lower())
    except OSError as error:
        return rejected_frame(
            "not_written", f"the member {member.name} cannot be written: {error.strerror}", [member.number]
        )
    description = describe_file(source, inside, stored["path"])
    return pd.DataFrame([{"line": member.number, "track_id": prefix + own_id, **stored, **description}])


def _member_error(member: Member, own_id: str | None, first_name: str | None) -> tuple[str, str]:
    """Return the rule and reason of a member that is no track."""
    if member.rule:
        return member.rule, member.reason
    if own_id is None:
        return "bad_id", f"{member.name}: {NOT_A_NUMBER}"
    if not member.data:
        return "empty_file", f"the member {member.name} is empty"
    return "same_id", f"{member.name}: {first_name} has the same track id"


def describe_file(source: Source, inside: PurePath, path: str) -> dict[str, str | int | None]:
    """Return title, label and, from the tags, artist, release and year. The tags' title precedes that of the name."""
    tags = read_tags(path) if source.options.get("tags") is True else {}
    # a number is no title: FMA's titles are in its tracks.csv
    name = None if source.options.get("ids") == "fma" else title_from_stem(inside.stem)
    label = label_from_path(inside, source.options.get("labels"))
    return {**tags, "title": tags.get("title") or name, "label": label or tags.get("label")}


def title_from_stem(stem: str) -> str | None:
    """Return the file's name as a title, unless it is an MSD track id, whose title is in the catalogue."""
    return None if MSD_TRACK.fullmatch(stem) else stem.replace("_", " ").strip() or None


def label_from_path(inside: PurePath, labels: str | None) -> str | None:
    """Return the genre in the name (`prefix`: blues.00000.wav) or folder; None if there is none."""
    if labels == "folder":
        return inside.parent.name or None
    first, *rest = inside.stem.split(".")
    return first if labels == "prefix" and rest and first else None


def _sha256(path: str) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


FORMAT = AudioTree()
