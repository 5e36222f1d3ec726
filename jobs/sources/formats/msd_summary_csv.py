"""The MSD's HDF5 fields as CSV with a header, a line per track (msd_2000_tracks.csv, and exports in its manner).

A line is a record: a quoted field may hold commas and doubled quotes. One that holds a line break, which no name of the MSD does,
is rejected line by line.
"""

from collections.abc import Sequence

from pyspark.sql import functions as F

from jobs.errors import SourceError
from jobs.sources.contract import Source
from jobs.sources.layout import Fault, Layout, TextSnapshot, csv_cells, missing, named, or_null
from jobs.sources.listening import number
from jobs.sources.reading.files import text_listing
from jobs.sources.reading.tables import cells, header_lines

FIELDS = {
    "track_id": "track_id",
    "song_id": "song_id",
    "title": "title",
    "artist_id": "artist_id",
    "artist": "artist_name",
    "release": "release",
    "year": "year",
    "duration_s": "duration",
}
"""Our columns and theirs. Others may stand between them, in any order."""


def layout(source: Source) -> Layout:
    """How a line under the files' one header is read. Year 0 and length 0 mean unknown."""
    header = _header(source, text_listing(source))
    names = cells(header, ",")
    said = {ours: F.get(F.col("cells"), names.index(theirs)) for ours, theirs in FIELDS.items()}
    year, seconds = number(said["year"]), number(said["duration_s"])
    bad_year = ~missing(said["year"]) & ~F.coalesce(year.between(0, 9999), F.lit(False))
    return Layout(
        parts={"cells": csv_cells(",", len(names))},
        blank=F.col("text") == header,
        faults=(
            Fault("fields", f"not {len(names)} fields by a comma", F.size("cells") != len(names)),
            Fault("missing_track", "the track is empty", missing(said["track_id"])),
            Fault("missing_song", "the song is empty", missing(said["song_id"])),
            Fault("bad_year", "the year is not a number from 0 to 9999", bad_year),
            Fault("bad_duration", "the duration is not a number", ~missing(said["duration_s"]) & seconds.isNull()),
        ),
        columns={
            "track_id": named(source, said["track_id"]),
            **{name: or_null(said[name]) for name in ("song_id", "title", "artist_id", "artist", "release")},
            "year": F.when(year > 0, year.cast("int")),
            "duration_s": F.when(seconds > 0, seconds),
        },
    )


class SummaryCsv(TextSnapshot):
    """Text lines whose fields the header names."""

    def files(self, source: Source) -> list[str]:
        """Every file under the path. Raises SourceError where a header lacks a field, or two files differ in theirs."""
        found = super().files(source)
        _header(source, found)
        return found


def _header(source: Source, files: Sequence[str]) -> str:
    headers = sorted(header_lines(source, files))
    if len(headers) != 1:
        raise SourceError(f"Source {source.name}: {source.path} has {len(headers)} different headers; give it one.")
    if absent := sorted(set(FIELDS.values()) - set(cells(headers[0], ","))):
        raise SourceError(f"Source {source.name}: the header of {files[0]} has no field {absent[0]}; this is another kind of file.")
    return headers[0]


FORMAT = SummaryCsv("source_tracks", layout)
