"""Every audio file once decoded, as log-mel clips of both presets: `pmrs run mel --date D`.

A bad file is quarantined with its reason and never hurts its neighbours.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import torch
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from jobs.audio.decode import Unusable, clip_starts, decode
from jobs.context import JobContext
from jobs.errors import SourceError
from jobs.sources.contract import QUARANTINE_LIMIT
from models.mel import PRESETS, fit_clip, log_mel


@dataclass(frozen=True)
class Config:
    """Which clips are cut from a file."""

    presets: tuple[str, ...] = ("pmrs-4s", "spotify-30s")
    """Presets of models/mel.py to compute; both, because which one serves better is measured, not assumed."""
    clips: int = 3
    """Most clips per file and preset, spread evenly: three 4 s clips cover a 12 s preview."""
    max_seconds: float = 90.0
    """Seconds decoded around the middle: room for three 30 s clips, and a bound on an hour-long file."""
    max_bytes: int = 500_000_000
    """Larger files are quarantined unread; an hour of 44.1 kHz stereo wav is 635 MB."""
    files_per_task: int = 16
    """About a second of work: a poisoned task costs little, and progress moves."""


OUTPUT = pa.schema(
    [
        ("track_id", pa.string()),
        ("content_hash", pa.string()),
        ("preset", pa.string()),
        ("clip", pa.int32()),
        ("tiled", pa.bool_()),
        ("mel", pa.binary()),
        ("path", pa.string()),
        ("rule", pa.string()),
        ("reason", pa.string()),
    ]
)
"""A clip, or (with rule and reason) a file that gave none."""


def clips_of_file(file: dict[str, str], config: Config) -> list[dict[str, object]]:
    """All clips of one file as OUTPUT rows; a single row with rule and reason where the file is unusable."""
    try:
        wave = decode(file["path"], PRESETS[config.presets[0]].sample_rate, config.max_seconds, config.max_bytes)
    except Unusable as why:
        return [{**file, "rule": why.rule, "reason": why.reason}]
    rows: list[dict[str, object]] = []
    for name in config.presets:
        preset = PRESETS[name]
        starts = clip_starts(len(wave), preset.clip_samples, config.clips)
        fitted = [fit_clip(wave[start:], preset) for start in starts]
        mels = log_mel(torch.stack([torch.from_numpy(clip) for clip, _ in fitted]), preset)
        for number, (mel, (_, tiled)) in enumerate(zip(mels, fitted, strict=True)):
            rows.append({**file, "preset": name, "clip": number, "tiled": tiled, "mel": mel.half().numpy().tobytes()})
    return rows


def build_clips(files: DataFrame, config: Config) -> DataFrame:
    """OUTPUT rows for all files, dealt out by content so that large and small ones mix."""

    def per_task(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        torch.set_num_threads(1)  # Spark runs one task per core already
        for batch in batches:
            for file in batch.to_pylist():
                yield pa.RecordBatch.from_pylist(clips_of_file(file, config), OUTPUT)

    tasks = max(1, -(-files.count() // config.files_per_task))
    dealt = files.select("track_id", "content_hash", "path").repartition(tasks, F.xxhash64("content_hash"))
    return dealt.mapInArrow(per_task, from_arrow_schema(OUTPUT))


def refused(clips: DataFrame) -> DataFrame:
    """Rows of table `quarantine` for unusable files."""
    bad = clips.where("rule IS NOT NULL").select("path", "rule", "reason")
    empty = F.lit(None)
    return bad.select(
        F.lit("audio").alias("source"), F.col("path").alias("file"), empty.cast("long").alias("line"),
        "rule", "reason", empty.cast("string").alias("raw"),
    )


def run(ctx: JobContext) -> None:
    """Reads `audio_files`; writes `mel` and the refused files. Raises SourceError where too many are unusable."""
    config: Config = ctx.config  # type: ignore[assignment]
    # a service without audio has no such table; that the night was ingested, its catalogue tells
    ctx.night.lake.require("tracks", "on", ctx.night.date.isoformat())
    files = ctx.read("audio_files")
    clips = build_clips(files, config).persist(StorageLevel.DISK_ONLY)
    ctx.write("mel", clips.where("rule IS NULL"))
    bad = ctx.write("quarantine/mel", refused(clips))
    clips.unpersist()
    total, unusable = files.count(), bad.count()
    if unusable > QUARANTINE_LIMIT * total:
        first = bad.orderBy("file").first()
        raise SourceError(
            f"{unusable} of {total} audio files are unusable, more than {QUARANTINE_LIMIT:.0%}; the first is "
            f"{first['file'] if first else ''}: {first['reason'] if first else ''}. Mend or remove them and run again."
        )
