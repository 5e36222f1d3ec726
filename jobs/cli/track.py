"""`pmrs track`: one track as a night knows it, on the terminal and as a page."""

import datetime as dt
from pathlib import Path

from rich.table import Table
from rich.text import Text

from jobs.atomic_io import write_whole
from jobs.cli.show import console
from jobs.context import JobContext, Night
from jobs.report import track
from jobs.report_paths import track_file
from jobs.settings import Settings
from jobs.sources.config import load_sources, newest_date
from jobs.spark import session


def one_track(settings: Settings, track_id: str, date: dt.date | None, html: Path | None) -> tuple[track.Known, Path]:
    """Return the details of a track on a date (None: the newest in the data), and write its page.

    Raises LakeError for a track, or a night, that is not there.
    """
    sources = load_sources(settings.sources_file)
    night = date or newest_date(sources)
    spark = session(f"pmrs track {night}", settings)
    found = track.known(JobContext(Night(night, "track", sources, settings, spark), "track", track.Config()), track_id)
    place = html or track_file(settings, sources.name, found.date, track_id)
    write_whole(place, track.render(found))
    return found, place


def print_track(found: track.Known, page: Path) -> None:
    """Its genre and where that comes from, the probabilities, the descriptors, and where the page lies."""
    out, name = console(), found.track["title"] or found.track["track_id"]
    by = f" by {found.track['artist']}" if found.track["artist"] else ""
    out.print(Text(f"{name}{by} ({found.track['track_id']}), night {found.date}"))
    sure = f", {found.genre['confidence']:.0%} sure" if found.genre["genre"] else ""
    out.print(Text(f"Genre: {found.genre['genre'] or 'unknown'}{sure}; from {track.SOURCES[found.genre['source']]}"))
    for note in (track.trusted(found), track.without_sound(found)):
        if note:
            out.print(Text(note))
    likely = Table("genre", "probability")
    for genre, share in sorted(found.probabilities, key=lambda one: -one[1]):
        likely.add_row(genre, f"{share:.1%}")
    described = Table("descriptor", "value", "more than")
    for row in track.descriptors(found):
        described.add_row(row["words"], row["value"], row["among"])
    for table in (likely, described):
        if table.row_count:
            out.print(table)
    print(f"Page: {page}")
