"""The MSD's HDF5 files: single tracks, folders of them, summary files, and tar archives of any of these (.tar, .tar.gz,
.tgz).

In an archive the members are the lines. Folders and files that are no HDF5 are blank: the MSD's own archives contain
its text and SQLite files too, which have their own formats. Links, devices and names that lead out of the archive are
rejected, and so are members of more than 256 MiB. An archive that is truncated, damaged or a decompression bomb stops
the night.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pyspark.sql import SparkSession

from jobs.lake.schemas.sources import SOURCE_TRACKS
from jobs.sources.base import SnapshotFormat
from jobs.sources.contract import Parsed, Source
from jobs.sources.parsing.track_h5 import count_tracks, read_tracks
from jobs.sources.reading.archives import ARCHIVES, TAR_ERRORS, Member, is_archive, iter_members
from jobs.sources.reading.files import list_files
from jobs.sources.reading.independent_counts.tar_members import count_members
from jobs.sources.reading.lines import count_files
from jobs.sources.reading.python_readers import EXTRA, blank_frame, merge_frames, parse_files, rejected_frame

if TYPE_CHECKING:
    import pandas as pd

HDF5 = frozenset({".h5", ".hdf5"})


class MsdH5(SnapshotFormat):
    """Title, artist, release, year and length from metadata/songs, analysis/songs and musicbrainz/songs."""

    table = "source_tracks"

    def files(self, source: Source) -> list[str]:
        """List the file, or every HDF5 file and tar archive under the folder."""
        return list_files(source, HDF5 | ARCHIVES)

    def count(self, spark: SparkSession, source: Source, files: list[str]) -> dict[str, int]:
        """Count the rows of each file (1 if it is rejected as a whole), and an archive's members with the independent
        counter.
        """
        return count_files(spark, files, lambda path: count_members(path) if is_archive(path) else count_tracks(path))

    def parse(self, spark: SparkSession, source: Source, files: list[str]) -> Parsed:
        """Return a row per track, read in slices on the executors."""

        def read(path: str) -> Iterator[pd.DataFrame]:
            return (
                merge_frames(read_archive(path, source.prefix))
                if is_archive(path)
                else read_tracks(path, source.prefix)
            )

        return parse_files(spark, files, SOURCE_TRACKS, read)


def read_archive(path: str, prefix: str) -> Iterator[pd.DataFrame]:
    """Yield frames of each member. The rest after a damaged member is one rejected row, and leaves the account
    unbalanced.
    """
    number = 0
    try:
        for member in iter_members(path, HDF5):
            number = member.number
            yield from read_member(member, prefix)
    except TAR_ERRORS as error:
        yield rejected_frame(
            "bad_archive", f"the archive cannot be read after its member {number}: {error}", [number + 1]
        )


def read_member(member: Member, prefix: str) -> Iterator[pd.DataFrame]:
    """Yield the tracks of a member. It counts as one line, rejected if any of its rows is bad; its good rows are used
    anyway.
    """
    if member.rule:
        yield rejected_frame(member.rule, member.reason, [member.number])
        return
    if member.data is None:
        yield blank_frame(member.number)
        return
    first: pd.DataFrame | None = None
    bad: list[pd.DataFrame] = []
    for frame in read_tracks(io.BytesIO(member.data), prefix):
        if "rule" in frame.columns:
            bad.append(frame)
            continue
        start = 1 if first is None else 0
        first = frame[:1] if start and len(frame) else first
        yield frame[start:].assign(kind=EXTRA)
    if first is not None:
        yield first.assign(line=member.number, kind=EXTRA if bad else "good")
    if bad or first is None:
        yield rejected_frame(*_member_error(member, bad), [member.number])


def _member_error(member: Member, bad: list[pd.DataFrame]) -> tuple[str, str]:
    """Return the rule and reason of a member with rejected rows, or without any rows."""
    if not bad:
        return "no_track", f"the member {member.name} has no track"
    rule, reason = bad[0].iloc[0][["rule", "reason"]]
    rows = sum(map(len, bad))
    return rule, f"the member {member.name}: {reason}" + (f" (and {rows - 1} more of its rows)" if rows > 1 else "")


FORMAT = MsdH5()
