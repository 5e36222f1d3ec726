"""The MSD's HDF5 files: single tracks, folders of them, summary files, and tar archives of any of these (.tar, .tar.gz, .tgz).

In an archive the members are the lines. Folders and files that are no HDF5 are blank: the MSD's own archives hold its text and
SQLite files too, which have formats of their own. Links, devices, and names that lead out of the archive are rejected, as are
members of more than 256 MiB; an archive that is cut short, damaged or a bomb stops the night by its name.
"""

import io
from collections.abc import Iterator

import pandas as pd
from pyspark.sql import SparkSession

from jobs.lake.schemas.sources import SOURCE_TRACKS
from jobs.sources.base import Snapshot
from jobs.sources.contract import Parsed, Source
from jobs.sources.parsing.track_h5 import count_tracks, read_tracks
from jobs.sources.reading.archives import ARCHIVES, TAR_FAULTS, Member, is_archive, members
from jobs.sources.reading.files import listing
from jobs.sources.reading.lines import count_by
from jobs.sources.reading.raw_tar import count_members
from jobs.sources.reading.whole_files import MORE, in_batches, parse_files, reject, skip

HDF5 = frozenset({".h5", ".hdf5"})


class MsdH5(Snapshot):
    """Title, artist, release, year and length from metadata/songs, analysis/songs and musicbrainz/songs."""

    table = "source_tracks"

    def files(self, source: Source) -> list[str]:
        """The file, or every HDF5 file and tar archive under the folder."""
        return listing(source, HDF5 | ARCHIVES)

    def count(self, spark: SparkSession, source: Source, files: list[str]) -> dict[str, int]:
        """Length of each file's tables, 1 for a file that is rejected as a whole; an archive's members, by the second reader."""
        return count_by(spark, files, lambda path: count_members(path) if is_archive(path) else count_tracks(path))

    def parse(self, spark: SparkSession, source: Source, files: list[str]) -> Parsed:
        """A row per track, read in slices on the executors."""
        def read(path: str) -> Iterator[pd.DataFrame]:
            return in_batches(read_archive(path, source.prefix)) if is_archive(path) else read_tracks(path, source.prefix)

        return parse_files(spark, files, SOURCE_TRACKS, read)


def read_archive(path: str, prefix: str) -> Iterator[pd.DataFrame]:
    """Frames of each member; what follows a damaged place is one rejected row, and leaves the account unbalanced."""
    number = 0
    try:
        for member in members(path, HDF5):
            number = member.number
            yield from read_member(member, prefix)
    except TAR_FAULTS as error:
        yield reject("bad_archive", f"the archive cannot be read after its member {number}: {error}", [number + 1])


def read_member(member: Member, prefix: str) -> Iterator[pd.DataFrame]:
    """A member's tracks. It counts as one line: a rejected one where any of its rows is bad, although the good ones are taken."""
    if member.rule:
        yield reject(member.rule, member.reason, [member.number])
        return
    if member.data is None:
        yield skip(member.number)
        return
    first: pd.DataFrame | None = None
    bad: list[pd.DataFrame] = []
    for frame in read_tracks(io.BytesIO(member.data), prefix):
        if "rule" in frame.columns:
            bad.append(frame)
            continue
        start = 1 if first is None else 0
        first = frame[:1] if start and len(frame) else first
        yield frame[start:].assign(kind=MORE)
    if first is not None:
        yield first.assign(line=member.number, kind=MORE if bad else "good")
    if bad or first is None:
        yield reject(*_fault(member, bad), [member.number])


def _fault(member: Member, bad: list[pd.DataFrame]) -> tuple[str, str]:
    """Rule and reason of a member with rejected rows, or without any."""
    if not bad:
        return "no_track", f"the member {member.name} holds no track"
    rule, reason = bad[0].iloc[0][["rule", "reason"]]
    rows = sum(map(len, bad))
    return rule, f"the member {member.name}: {reason}" + (f" (and {rows - 1} more of its rows)" if rows > 1 else "")


FORMAT = MsdH5()
