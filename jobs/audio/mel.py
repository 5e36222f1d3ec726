"""Convert every audio content once to log-mel clips of the presets: `pmrs run mel --date D`.

A bad file is quarantined with its reason and does not affect others. A content is never decoded twice.
"""

from dataclasses import replace
from functools import partial

from jobs.audio import extraction, mel_clips
from jobs.audio.config import MelConfig
from jobs.audio.mel_clips import extract_clips
from jobs.content_cache import program_version
from jobs.context import JobContext
from jobs.lake.partitions import Partitions


def clip_version(config: MelConfig) -> str:
    """Return the version of these clips: they are computed again if settings, decoder, clip positions or front end
    change.

    Limits on the cost of a file are left out, because files that exceed them are not stored.
    """
    return program_version(replace(config, max_bytes=0, file_seconds=0), (mel_clips,))


def run(ctx: JobContext) -> None:
    """Convert the files of `audio_files`; write new rows of `mel`, `track_clips`, and the unusable files."""
    config: MelConfig = ctx.config  # type: ignore[assignment]
    # a service without audio has no table `audio_files`; the catalogue shows that the night was ingested
    ctx.night.lake.require("tracks", Partitions.DATE, ctx.night.date.isoformat())
    extract = partial(extract_clips, config=config)
    spec = extraction.Extraction("mel", clip_version(config), extract, config.file_seconds)
    result = extraction.run(ctx, ctx.read("audio_files"), spec)
    ctx.write("track_clips", result.usable_tracks.withColumnRenamed("n_outputs", "clips"))
    result.statuses.unpersist()
