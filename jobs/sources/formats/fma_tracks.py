"""FMA's tracks (tracks.csv; Defferrard et al., 2017): a CSV with three header rows and text that spans many lines.

The first header row names the owner of a column (album, artist, set, track), the second its name, the third only
`track_id`. Labels are `track.genre_top` by name, then `track.genres_all` by number, whose names are in genres.csv
(option `genres`: its path relative to the folder of tracks.csv). Without the option only genre_top is a label.
"""

from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from pydantic import Field
from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.errors import SourceError
from jobs.sources.contract import Source
from jobs.sources.event_format import parse_number
from jobs.sources.line_format import LineFormat, Rule, TextSnapshotFormat, explode_labels, table_columns, with_namespace
from jobs.sources.options import Options
from jobs.sources.reading.csv_records import cell, csv_rules, iter_records, read_records
from jobs.sources.reading.files import list_text_files
from jobs.sources.reading.lines import READ_ERRORS

HEADER, HEADER_LINES = "track_id", 3
COLUMNS = ("track.title", "track.duration", "track.genre_top", "track.genres_all",
          "artist.id", "artist.name", "album.title", "album.date_released")  # fmt: skip
MAX_GENRES = 1_000
"""Limit on the rows of genres.csv: it has 163, and its names are part of the query."""


class FmaTracksOptions(Options):
    """Options of FMA's tracks."""

    genres: str | None = Field(None, description="the path of genres.csv, relative to the folder of tracks.csv")


@dataclass(frozen=True)
class FmaTracks(TextSnapshotFormat):
    """A CSV whose columns are found by their two names, so that copies with further columns can be read too."""

    def files(self, source: Source) -> list[str]:
        """Return the one file. Raises SourceError if it is not FMA's tracks.csv, or if `genres` cannot be read."""
        paths = list_text_files(source)
        if len(paths) > 1:
            raise SourceError(f"Source {source.name}: {source.path} is a folder of several files; name its tracks.csv.")
        column_positions(source, paths[0])
        genre_names(source)
        return paths


def column_positions(source: Source, path: str) -> dict[str, int]:
    """Return the index of each of COLUMNS by the first two header rows, and the number of columns (`width`)."""
    rows = [*_first_records(source, path, HEADER_LINES), [], []]
    positions = {f"{owner}.{name}": index for index, (owner, name) in enumerate(zip(rows[0], rows[1], strict=False))}
    if missing := [name for name in COLUMNS if name not in positions]:
        raise SourceError(
            f"Source {source.name}: {path} has no column {missing[0]} in its first two rows; name FMA's tracks.csv."
        )
    return {name: positions[name] for name in COLUMNS} | {"width": len(rows[0])}


def genre_names(source: Source) -> dict[str, str]:
    """Return genre names by number from the option's genres.csv; empty without the option."""
    if "genres" not in source.options:
        return {}
    path = str(Path(source.path).parent / source.options["genres"])
    rows = _first_records(source, path, MAX_GENRES + 1)
    if not rows or rows[0][:1] != ["genre_id"] or len(rows) > MAX_GENRES:
        raise SourceError(f"Source {source.name}: {path} is not FMA's genres.csv; correct `genres`.")
    return {row[0]: row[3] for row in rows[1:] if len(row) > 3}


def line_format(source: Source) -> LineFormat:
    """Return how a record is read. The year is that of the album's release."""
    positions = column_positions(source, list_text_files(source)[0])
    fields = {name: cell(positions[name]) for name in COLUMNS}
    track, seconds = cell(0), parse_number(fields["track.duration"])
    year = F.substring(fields["album.date_released"], 1, 4).try_cast("int")
    return LineFormat(
        parsed={"columns": F.size("cells")},
        is_blank=F.col("line") <= HEADER_LINES,
        rules=(
            *csv_rules(positions["width"]),
            Rule("bad_track", "the track's id is not a number", ~F.coalesce(track.rlike("^[0-9]+$"), F.lit(False))),
        ),
        columns=table_columns(
            "source_tracks",
            track_id=with_namespace(source, track),
            title=fields["track.title"],
            artist_id=with_namespace(source, fields["artist.id"]),
            artist=fields["artist.name"],
            release=fields["album.title"],
            year=F.when(year.between(1000, 9999), year),
            duration_s=F.when(seconds > 0, seconds),
            labels=_labels(source, fields),
        ),
        explode=lambda rows: rows.drop("labels"),
        extra_tables={"genre_labels": explode_labels},
    )


def _labels(source: Source, fields: dict[str, Column]) -> Column:
    """Return the distinct names of the track's genres, genre_top first."""
    pairs = [F.lit(text) for pair in sorted(genre_names(source).items()) for text in pair]
    labels = F.array(fields["track.genre_top"])
    if pairs:
        numbers = F.regexp_extract_all(F.coalesce(fields["track.genres_all"], F.lit("")), F.lit("([0-9]+)"))
        labels = F.concat(labels, F.transform(numbers, lambda genre: F.try_element_at(F.create_map(*pairs), genre)))
    return F.array_distinct(F.array_compact(labels))


def _first_records(source: Source, path: str, limit: int) -> list[list[str]]:
    """Return the fields of a CSV file's first records. Raises SourceError if it cannot be read."""
    try:
        return [record.cells or [] for record in islice(iter_records(path), limit)]
    except READ_ERRORS as error:
        raise SourceError(f"Source {source.name}: {path} cannot be read: {error}.") from None


FORMAT = FmaTracks(
    "source_tracks",
    line_format,
    options=FmaTracksOptions,
    extra_tables=frozenset({"genre_labels"}),
    read=partial(read_records, header=HEADER),
)
