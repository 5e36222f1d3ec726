"""FMA's tracks (tracks.csv; Defferrard et al., 2017): a CSV with three header rows, and text that runs over many lines.

The first header says whose a column is (album, artist, set, track), the second its name, the third only `track_id`.
Genres: `track.genre_top` first, by name; then those of `track.genres_all`, by number, whose names stand in genres.csv
(option `genres`: its path, from the folder of tracks.csv on). Without the option only genre_top is a label.
"""

from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.errors import SourceError
from jobs.sources.contract import Source
from jobs.sources.layout import Fault, Layout, TextSnapshot, filled, named, rows_of_labels
from jobs.sources.listening import number
from jobs.sources.reading.files import text_listing
from jobs.sources.reading.lines import READ_FAULTS
from jobs.sources.reading.records import cell, not_csv, read_records, records

HEADER, HEADER_LINES = "track_id", 3
WANTED = ("track.title", "track.duration", "track.genre_top", "track.genres_all",
          "artist.id", "artist.name", "album.title", "album.date_released")  # fmt: skip
MOST_GENRES = 1_000
"""Rows that genres.csv may have: it has 163, and its names travel with the query."""


@dataclass(frozen=True)
class FmaTracks(TextSnapshot):
    """A CSV whose columns are found by their two names, so that a copy with other columns beside is read as well."""

    def check(self, source: Source) -> None:
        """`genres` is a path, if given."""
        if not isinstance(source.options.get("genres", ""), str):
            raise SourceError(f'Source {source.name}: genres is the path of genres.csv, from the folder of {source.path} on.')

    def files(self, source: Source) -> list[str]:
        """The one file. Raises SourceError where it is not FMA's tracks.csv, or where `genres` cannot be read."""
        found = text_listing(source)
        if len(found) > 1:
            raise SourceError(f"Source {source.name}: {source.path} is a folder of several files; name its tracks.csv.")
        places(source, found[0])
        genre_names(source)
        return found


def places(source: Source, path: str) -> dict[str, int]:
    """Where the WANTED columns stand, by the first two header rows, and how many there are (`width`)."""
    rows = [*_head(source, path, HEADER_LINES), [], []]
    found = {f"{owner}.{name}": index for index, (owner, name) in enumerate(zip(rows[0], rows[1], strict=False))}
    if lacking := [name for name in WANTED if name not in found]:
        raise SourceError(f"Source {source.name}: {path} has no column {lacking[0]} in its first two rows; name FMA's tracks.csv.")
    return {name: found[name] for name in WANTED} | {"width": len(rows[0])}


def genre_names(source: Source) -> dict[str, str]:
    """Names by number from the option's genres.csv; empty without the option."""
    if "genres" not in source.options:
        return {}
    path = str(Path(source.path).parent / source.options["genres"])
    rows = _head(source, path, MOST_GENRES + 1)
    if not rows or rows[0][:1] != ["genre_id"] or len(rows) > MOST_GENRES:
        raise SourceError(f"Source {source.name}: {path} is not FMA's genres.csv; correct `genres`.")
    return {row[0]: row[3] for row in rows[1:] if len(row) > 3}


def layout(source: Source) -> Layout:
    """The year is that of the album's release."""
    place = places(source, text_listing(source)[0])
    said = {name: cell(place[name]) for name in WANTED}
    track, seconds, year = cell(0), number(said["track.duration"]), F.substring(said["album.date_released"], 1, 4).try_cast("int")
    return Layout(
        parts={"columns": F.size("cells")},
        blank=F.col("line") <= HEADER_LINES,
        faults=(
            *not_csv(place["width"]),
            Fault("bad_track", "the track's id is not a number", ~F.coalesce(track.rlike("^[0-9]+$"), F.lit(False))),
        ),
        columns=filled(
            "source_tracks",
            track_id=named(source, track),
            title=said["track.title"],
            artist_id=named(source, said["artist.id"]),
            artist=said["artist.name"],
            release=said["album.title"],
            year=F.when(year.between(1000, 9999), year),
            duration_s=F.when(seconds > 0, seconds),
            labels=_labels(source, said),
        ),
        expand=lambda rows: rows.drop("labels"),
        also={"genre_labels": rows_of_labels},
    )


def _labels(source: Source, said: dict[str, Column]) -> Column:
    """Names of the track's genres, each once, genre_top first."""
    pairs = [F.lit(text) for pair in sorted(genre_names(source).items()) for text in pair]
    labels = F.array(said["track.genre_top"])
    if pairs:
        numbers = F.regexp_extract_all(F.coalesce(said["track.genres_all"], F.lit("")), F.lit("([0-9]+)"))
        labels = F.concat(labels, F.transform(numbers, lambda genre: F.try_element_at(F.create_map(*pairs), genre)))
    return F.array_distinct(F.array_compact(labels))


def _head(source: Source, path: str, most: int) -> list[list[str]]:
    """The fields of a CSV file's first records; raises SourceError where it cannot be read."""
    try:
        return [record.cells or [] for record in islice(records(path), most)]
    except READ_FAULTS as error:
        raise SourceError(f"Source {source.name}: {path} cannot be read: {error}.") from None


FORMAT = FmaTracks(
    "source_tracks",
    layout,
    options=frozenset({"genres"}),
    also=frozenset({"genre_labels"}),
    read=partial(read_records, header=HEADER),
)
