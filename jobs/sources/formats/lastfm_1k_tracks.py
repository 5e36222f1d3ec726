"""The catalogue in Last.fm-1K's plays: names of artists and titles, from the same file.

Each line describes its track again; duplicates are dropped when the rows are written.
"""

from dataclasses import replace

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.formats.lastfm_1k import play_line_format, track_id
from jobs.sources.line_format import LineFormat, Rule, TextSnapshotFormat, empty_to_null, table_columns, with_namespace


def line_format(source: Source) -> LineFormat:
    """Return how a line is read. Artists have their MusicBrainz id with the namespace, or else only their name."""
    plays = play_line_format()
    artist_id, artist, _, title = (F.get(F.col("fields"), n) for n in range(2, 6))
    missing_track = Rule("missing_track", "the track id and the artist or title are empty", track_id().isNull())
    return replace(
        plays,
        rules=(*plays.rules, missing_track),
        columns=table_columns(
            "source_tracks",
            track_id=with_namespace(source, track_id()),
            title=empty_to_null(title),
            artist_id=with_namespace(source, empty_to_null(artist_id)),
            artist=empty_to_null(artist),
        ),
    )


FORMAT = TextSnapshotFormat("source_tracks", line_format)
