"""`pmrs track`: a track's details on the terminal and as a page."""

import datetime as dt
from pathlib import Path

from rich.table import Table
from rich.text import Text

from jobs.atomic_io import write_atomic
from jobs.cli.show import console
from jobs.context import JobContext, Night
from jobs.job_config import NoSettings
from jobs.lake.files import FileStore
from jobs.lake.format import require_format
from jobs.report import track
from jobs.report_paths import track_file
from jobs.settings import Settings
from jobs.sources.config import load_sources, newest_date
from jobs.spark import session


def write_track_page(
    settings: Settings, track_id: str, date: dt.date | None, html: Path | None
) -> tuple[track.TrackDetails, Path]:
    """Write a track's page, and return the details and the path.

    Raises LakeError for an unknown track or night. `date`: None for the newest in the data; `html`: None for the folder of
    the night's reports.
    """
    sources = load_sources(settings.sources_file)
    night_date = date or newest_date(sources)
    require_format(FileStore(f"{settings.lake_root}/{sources.name}"))
    spark = session(f"pmrs track {night_date}", settings)
    night = Night(night_date, "track", sources, settings, spark)
    details = track.read_details(JobContext(night, "track", NoSettings()), track_id)
    path = html or track_file(settings, sources.name, details.date, track_id)
    write_atomic(path, track.render(details))
    return details, path


def print_track(details: track.TrackDetails, page: Path) -> None:
    """Print the genre and its origin, the probabilities, the descriptors, and the path of the page."""
    out, row, genre = console(), details.track, details.genre
    artist = f" by {row['artist']}" if row["artist"] else ""
    out.print(Text(f"{row['title'] or row['track_id']}{artist} ({row['track_id']}), night {details.date}"))
    probability = f", probability {genre['confidence']:.0%}" if genre["genre"] else ""
    out.print(Text(f"Genre: {genre['genre'] or 'unknown'}{probability}; origin: {track.SOURCES[genre['source']]}"))
    for note in (track.calibration_note(details), track.no_audio_note(details)):
        if note:
            out.print(Text(note))
    if tags := track.top_tags(details):
        out.print(Text(f"Tags of its audio: {', '.join(f'{tag} {probability:.0%}' for tag, probability in tags)}"))
    probabilities = Table("genre", "probability")
    for name, share in sorted(details.probabilities, key=lambda pair: -pair[1]):
        probabilities.add_row(name, f"{share:.1%}")
    descriptors = Table("descriptor", "value", "quantile")
    for descriptor in track.descriptor_rows(details):
        descriptors.add_row(descriptor["display_name"], descriptor["value"], descriptor["quantile"])
    for table in (probabilities, descriptors):
        if table.row_count:
            out.print(table)
    print(f"Page: {page}")
