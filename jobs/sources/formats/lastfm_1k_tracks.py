"""The catalogue that lies in Last.fm-1K's listening: names of artists and titles, from the same file as the plays.

Each line describes its track again; the repeats are dropped when they are written.
"""

from dataclasses import replace

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.formats.lastfm_1k import base, track_id
from jobs.sources.layout import Fault, Layout, TextSnapshot, filled, named, or_null


def layout(source: Source) -> Layout:
    """Artists keep their MusicBrainz id behind the namespace; those without one have only their name."""
    plays = base()
    artist_id, artist, _, title = (F.get(F.col("fields"), n) for n in range(2, 6))
    unnamed = Fault("missing_track", "there is no track id, and artist or title is empty, too", track_id().isNull())
    return replace(
        plays,
        faults=(*plays.faults, unnamed),
        columns=filled(
            "source_tracks",
            track_id=named(source, track_id()),
            title=or_null(title),
            artist_id=named(source, or_null(artist_id)),
            artist=or_null(artist),
        ),
    )


FORMAT = TextSnapshot("source_tracks", layout)
