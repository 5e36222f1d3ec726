"""A crawl of the web: WARC files, plain or gzip, as Nutch exports them. Pages become catalogue rows, audio becomes audio files.

Records are the lines. A page counts where it describes a MusicRecording or MusicAlbum in schema.org's words (JSON-LD or
microdata); other pages, other kinds of records and answers other than 200 are blank. A page whose JSON-LD is not JSON, or that
has recordings without a name, is rejected, and what it describes soundly is taken all the same. A record of more than 4 MiB
(page) or 64 MiB (audio) is rejected. A file that is cut short, damaged or a bomb stops the night by its name.

Audio is written under the folder of the option `audio_folder`, by the SHA-256 of its bytes. Where the option is missing, audio is
rejected, which tells the operator what to do; with `audio_folder = ""` it is passed over.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from jobs.lake.schemas.sources import AUDIO_FILES, SOURCE_TRACKS
from jobs.sources.base import Snapshot
from jobs.sources.contract import Parsed, Source
from jobs.sources.parsing.audio_store import check_folder, make_folder, store
from jobs.sources.parsing.crawl_pages import address, describe, digest
from jobs.sources.reading.files import listing
from jobs.sources.reading.lines import count_by, spread
from jobs.sources.reading.raw_warc import count_records
from jobs.sources.reading.warcs import AUDIO_SUFFIXES, Record, records, suffix_of
from jobs.sources.reading.whole_files import as_parsed_rows, in_batches, read_parts, reject, skip

SUFFIX_OF_TYPE = {"audio/mpeg": ".mp3", "audio/ogg": ".ogg", "application/ogg": ".ogg", "audio/flac": ".flac", "audio/wav": ".wav",
                  "audio/x-wav": ".wav", "audio/mp4": ".m4a"}  # fmt: skip
AUDIO_ONLY = [field for field in AUDIO_FILES.schema if field.name not in SOURCE_TRACKS.schema.names]
COLUMNS = StructType(
    [*SOURCE_TRACKS.schema, *AUDIO_ONLY, StructField("into", StringType()), StructField("link", StringType())]
)
"""A catalogue row has no `into`; `audio` is an audio file, `link` a page's word that the audio at `link` is its track's."""


class Crawl(Snapshot):
    """Track id = namespace and a digest of the recording's address, or of its page's; the same night after night."""

    table = "source_tracks"
    also = frozenset({"audio_files"})
    options = frozenset({"audio_folder"})

    def check(self, source: Source) -> None:
        """`audio_folder` is an absolute path, or empty, if given."""
        check_folder(source)

    def files(self, source: Source) -> list[str]:
        """The file, or every .warc and .warc.gz under the folder. Raises SourceError where audio cannot be written."""
        make_folder(source)
        return listing(source, frozenset({".warc"}))

    def count(self, spark: SparkSession, source: Source, files: list[str]) -> dict[str, int]:
        """Records by the second reader."""
        return count_by(spark, files, count_records)

    def parse(self, spark: SparkSession, source: Source, files: list[str]) -> Parsed:
        """Recordings, audio files linked to their tracks, rejected records."""
        prefix, folder = source.prefix, source.options.get("audio_folder")
        lines = read_parts(spread(spark, files), COLUMNS, lambda path: in_batches(read_crawl(path, prefix, folder), 500))
        rows = as_parsed_rows(lines.where("into IS NULL"), SOURCE_TRACKS).rows
        return replace(as_parsed_rows(lines, SOURCE_TRACKS), rows=rows, also={"audio_files": linked(lines)})


def linked(lines: DataFrame) -> DataFrame:
    """Rows of table `audio_files`, plus `file`: audio as the track of each page that names its address, else as its own track."""
    links = lines.where("into = 'link'").select("link", F.col("track_id").alias("of"), F.col("title").alias("named")).distinct()
    audio = lines.where("into = 'audio'").join(links, "link", "left")
    told = {"track_id": F.coalesce("of", "track_id"), "title": F.coalesce("named", "title")}
    return audio.withColumns(told).select("file", *AUDIO_FILES.schema.names)


def read_crawl(path: str, prefix: str, folder: str | None) -> Iterator[pd.DataFrame]:
    """Frames of each record of a file."""
    number = 0
    try:
        for record in records(path):
            number = record.number
            yield from read_record(record, prefix, folder)
    except Exception as error:  # warcio raises whatever the damage leads to; the second reader has refused such a file before
        yield reject("bad_warc", f"the file cannot be read after its record {number}: {error}", [number + 1])


def read_record(record: Record, prefix: str, folder: str | None) -> Iterator[pd.DataFrame]:
    """Frames of one record: a line that is good, rejected or blank, and rows that are more."""
    if record.kind == "rejected":
        yield reject(record.rule, record.reason, [record.number])
    elif record.kind == "page":
        yield from describe(record, prefix)
    elif record.kind == "audio" and folder != "":
        yield _audio(record, prefix, folder)
    else:
        yield skip(record.number)


def _audio(record: Record, prefix: str, folder: str | None) -> pd.DataFrame:
    """The audio's row, its bytes written."""
    own = address(record.url, record.url)
    if own is None or not record.body:
        return reject("empty_file", f"{record.shown}: the audio is empty or has no address", [record.number])
    if folder is None:
        return reject("no_audio_folder", "it is audio, and the source names no audio_folder to write it to", [record.number])
    known = suffix_of(record.url) in AUDIO_SUFFIXES
    suffix = suffix_of(record.url) if known else SUFFIX_OF_TYPE.get(record.mime, ".audio")
    try:
        file = store(folder, record.body, suffix)
    except OSError as error:
        return reject("not_written", f"{record.shown}: its audio cannot be written: {error.strerror}", [record.number])
    title = Path(own.split("?")[0]).stem.replace("_", " ")[:200] or None
    row = {"line": record.number, "into": "audio", "link": own, "track_id": prefix + digest(own), "title": title, **file}
    return pd.DataFrame([row])


FORMAT = Crawl()
