"""The MSD's HDF5 fields as CSV with a header, a line per track (msd_2000_tracks.csv, and similar exports).

A line is a record: a quoted field may contain commas and doubled quotes. A record with a line break, which no name of
the MSD has, is rejected line by line.
"""

from collections.abc import Sequence

from pyspark.sql import functions as F

from jobs.errors import SourceError
from jobs.sources.contract import Source
from jobs.sources.event_format import parse_number
from jobs.sources.line_format import (
    LineFormat,
    Rule,
    TextSnapshotFormat,
    csv_cells,
    empty_to_null,
    is_missing,
    with_namespace,
)
from jobs.sources.reading.files import list_text_files
from jobs.sources.reading.tables import header_lines, split_cells

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
"""Our columns and those of the file. Other columns may be between them, in any order."""


def line_format(source: Source) -> LineFormat:
    """Return how a line below the files' common header is read. Year 0 and length 0 mean unknown."""
    header = _header(source, list_text_files(source))
    names = split_cells(header, ",")
    fields = {column: F.get(F.col("cells"), names.index(field)) for column, field in FIELDS.items()}
    year, seconds = parse_number(fields["year"]), parse_number(fields["duration_s"])
    bad_year = ~is_missing(fields["year"]) & ~F.coalesce(year.between(0, 9999), F.lit(False))
    return LineFormat(
        parsed={"cells": csv_cells(",", len(names))},
        is_blank=F.col("text") == header,
        rules=(
            Rule("fields", f"not {len(names)} comma-separated fields", F.size("cells") != len(names)),
            Rule("missing_track", "the track is empty", is_missing(fields["track_id"])),
            Rule("missing_song", "the song is empty", is_missing(fields["song_id"])),
            Rule("bad_year", "the year is not a number from 0 to 9999", bad_year),
            Rule("bad_duration", "the duration is not a number", ~is_missing(fields["duration_s"]) & seconds.isNull()),
        ),
        columns={
            "track_id": with_namespace(source, fields["track_id"]),
            **{name: empty_to_null(fields[name]) for name in ("song_id", "title", "artist_id", "artist", "release")},
            "year": F.when(year > 0, year.cast("int")),
            "duration_s": F.when(seconds > 0, seconds),
        },
    )


class SummaryCsv(TextSnapshotFormat):
    """Text lines whose fields the header names."""

    def files(self, source: Source) -> list[str]:
        """List every file under the path. Raises SourceError if a header lacks a field, or headers differ."""
        paths = super().files(source)
        _header(source, paths)
        return paths


def _header(source: Source, files: Sequence[str]) -> str:
    headers = sorted(header_lines(source, files))
    if len(headers) != 1:
        raise SourceError(f"Source {source.name}: {source.path} has {len(headers)} different headers; one is required.")
    if absent := sorted(set(FIELDS.values()) - set(split_cells(headers[0], ","))):
        raise SourceError(
            f"Source {source.name}: the header of {files[0]} has no field {absent[0]}; this is another kind of file."
        )
    return headers[0]


FORMAT = SummaryCsv("source_tracks", line_format)
