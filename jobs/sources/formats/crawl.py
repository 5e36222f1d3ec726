"""A web crawl: WARC files, plain or gzip, as Nutch exports them. Pages become catalogue rows, audio becomes audio
files.

Records are the lines. A page is good if it describes a MusicRecording or MusicAlbum with schema.org data (JSON-LD or
microdata). Other pages, other types of records and responses other than 200 are blank. A page whose JSON-LD is
malformed, or that has recordings without a name, is rejected, but its valid descriptions are used. A record of more
than 4 MiB (page) or 64 MiB (audio) is rejected. A file that is truncated, damaged or a decompression bomb stops the
night.

Audio is written to the folder of the option `audio_folder`, named by the SHA-256 of its bytes. Without the option audio
is rejected, so that the operator sees it; with `audio_folder = ""` it is skipped.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from jobs.lake.schemas.sources import AUDIO_FILES, SOURCE_TRACKS
from jobs.sources.base import SnapshotFormat
from jobs.sources.contract import Parsed, Source
from jobs.sources.parsing.audio_store import AudioFolder, make_audio_folder, store_audio
from jobs.sources.parsing.crawl_pages import address_digest, page_frames, same_site_address
from jobs.sources.reading.files import list_files
from jobs.sources.reading.independent_counts.warc_records import count_records
from jobs.sources.reading.lines import count_files, distribute_files
from jobs.sources.reading.python_readers import (
    blank_frame,
    merge_frames,
    parsed_from_frames,
    read_parts,
    rejected_frame,
)
from jobs.sources.reading.warc_files import AUDIO_SUFFIXES, WarcRecord, read_warc, url_suffix

SUFFIX_OF_TYPE = {
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
    "application/ogg": ".ogg",
    "audio/flac": ".flac",
    "audio/wav": ".wav",
    "audio/x-wav": ".wav",
    "audio/mp4": ".m4a",
}
AUDIO_ONLY = [field for field in AUDIO_FILES.schema if field.name not in SOURCE_TRACKS.schema.names]
COLUMNS = StructType(
    [*SOURCE_TRACKS.schema, *AUDIO_ONLY, StructField("row_type", StringType()), StructField("link", StringType())]
)
"""`row_type` is null for a catalogue row, `audio` for an audio file, and `link` if a page names the audio at `link` as
its track's.
"""


class Crawl(SnapshotFormat):
    """The track id is the namespace and a digest of the recording's address, or of its page's; it is the same every
    night.
    """

    table = "source_tracks"
    extra_tables = frozenset({"audio_files"})
    options = AudioFolder

    def files(self, source: Source) -> list[str]:
        """List the file, or every .warc and .warc.gz under the folder. Raises SourceError if it cannot write audio."""
        make_audio_folder(source)
        return list_files(source, frozenset({".warc"}))

    def count(self, spark: SparkSession, source: Source, files: list[str]) -> dict[str, int]:
        """Count records with the independent counter."""
        return count_files(spark, files, count_records)

    def parse(self, spark: SparkSession, source: Source, files: list[str]) -> Parsed:
        """Return recordings, audio files linked to their tracks, and rejected records."""
        prefix, folder = source.prefix, source.options.get("audio_folder")

        def read(path: str) -> Iterator[pd.DataFrame]:
            return merge_frames(read_crawl(path, prefix, folder), 500)

        lines = read_parts(distribute_files(spark, files), COLUMNS, read)
        rows = parsed_from_frames(lines.where("row_type IS NULL"), SOURCE_TRACKS).rows
        return replace(
            parsed_from_frames(lines, SOURCE_TRACKS), rows=rows, extra_tables={"audio_files": link_audio(lines)}
        )


def link_audio(lines: DataFrame) -> DataFrame:
    """Return rows of table `audio_files` and `file`. Audio belongs to the track of each page that links it, or is a
    track itself.
    """
    track_id, title = F.col("track_id").alias("linked_track_id"), F.col("title").alias("linked_title")
    links = lines.where("row_type = 'link'").select("link", track_id, title).distinct()
    audio = lines.where("row_type = 'audio'").join(links, "link", "left")
    track_columns = {
        "track_id": F.coalesce("linked_track_id", "track_id"),
        "title": F.coalesce("linked_title", "title"),
    }
    return audio.withColumns(track_columns).select("file", *AUDIO_FILES.schema.names)


def read_crawl(path: str, prefix: str, folder: str | None) -> Iterator[pd.DataFrame]:
    """Yield frames of each record of a file."""
    number = 0
    try:
        for record in read_warc(path):
            number = record.number
            yield from read_record(record, prefix, folder)
    except (
        Exception
    ) as error:  # damage makes warcio raise all kinds of errors; the independent counter rejects such files
        yield rejected_frame("bad_warc", f"the file cannot be read after its record {number}: {error}", [number + 1])


def read_record(record: WarcRecord, prefix: str, folder: str | None) -> Iterator[pd.DataFrame]:
    """Yield frames of one record: a line that is good, rejected or blank, and EXTRA rows."""
    if record.kind == "rejected":
        yield rejected_frame(record.rule, record.reason, [record.number])
    elif record.kind == "page":
        yield from page_frames(record, prefix)
    elif record.kind == "audio" and folder != "":
        yield _audio_frame(record, prefix, folder)
    else:
        yield blank_frame(record.number)


def _audio_frame(record: WarcRecord, prefix: str, folder: str | None) -> pd.DataFrame:
    """Return the audio's row and write its bytes."""
    address = same_site_address(record.url, record.url)
    if address is None or not record.body:
        return rejected_frame(
            "empty_file", f"{record.short_url}: the audio is empty or has no address", [record.number]
        )
    if folder is None:
        reason = "it is audio, and the source has no audio_folder to write it to"
        return rejected_frame("no_audio_folder", reason, [record.number])
    has_audio_suffix = url_suffix(record.url) in AUDIO_SUFFIXES
    suffix = url_suffix(record.url) if has_audio_suffix else SUFFIX_OF_TYPE.get(record.mime, ".audio")
    try:
        file = store_audio(folder, record.body, suffix)
    except OSError as error:
        return rejected_frame(
            "not_written", f"{record.short_url}: its audio cannot be written: {error.strerror}", [record.number]
        )
    title = Path(address.split("?")[0]).stem.replace("_", " ")[:200] or None
    track_id = prefix + address_digest(address)
    row = {"line": record.number, "row_type": "audio", "link": address, "track_id": track_id, "title": title, **file}
    return pd.DataFrame([row])


FORMAT = Crawl()
