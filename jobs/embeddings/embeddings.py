"""Embeddings and tags of every track with audio, by a pretrained network: `pmrs run embeddings --date D`.

The network (models/musicnn.py) computes vectors for patches of 3 s. Contents of earlier nights are read from the cache. Without
a registered network the table is empty.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema

from jobs.content_cache import append_new, cached_rows, program_version
from jobs.context import JobContext
from jobs.embeddings import clip_embedding
from jobs.embeddings.clip_embedding import embed_clip
from jobs.embeddings.config import EmbeddingsConfig
from jobs.errors import LakeError
from jobs.lake.adapters import mels
from jobs.lake.content_keys import KEY
from jobs.lake.inputs import model_input
from jobs.lake.model_registry import RegisteredModel
from jobs.lake.partitions import Partitions
from jobs.lake.schemas import table
from jobs.log import logger
from jobs.spark import rows_per_batch
from jobs.training.broadcast_weights import BroadcastWeights, broadcast_weights
from jobs.training.pretrained import registry_name
from models import musicnn
from models.mel_presets import PRESETS

LOG = logger(__name__)
PRESET = PRESETS["musicnn"]
CLIPS_PER_BATCH = 16
"""Clips per Arrow batch: 6 MB. The network takes one clip at a time, so that no bit depends on the batch."""


def run(ctx: JobContext) -> None:
    """Read the registered network, `track_clips` and `mel`; write new `audio_embeddings`, and `track_embeddings`."""
    config: EmbeddingsConfig = ctx.config  # type: ignore[assignment]
    tracks = ctx.read_required("track_clips")
    has_clips = PRESET.name in ctx.config_of("mel").presets
    if config.network != "none" and not has_clips:
        LOG.warning("No embeddings: `presets` under [jobs.mel] lacks musicnn.")
    network = _registered_network(ctx, config) if has_clips else None
    first = tracks.select("producer_version").first() if network else None
    if network is None or first is None:
        ctx.write_empty("track_embeddings")
        return
    settings = replace(config, clips_per_task=1)  # how clips are distributed changes no row
    version = program_version(settings, (clip_embedding, mels), network.digest, first["producer_version"])
    embeddings = cached_rows(ctx, "audio_embeddings", version)
    missing = tracks.select(*KEY).distinct().join(embeddings, "content_hash", "left_anti")
    if not missing.isEmpty():
        mel = ctx.read("mel", Partitions.CACHE).where(F.col("preset") == PRESET.name)
        clips = mel.join(missing, [*KEY]).select("content_hash", "mel")
        with rows_per_batch(ctx.spark, CLIPS_PER_BATCH):
            new_rows = build_embeddings(clips, network.weights, version, config)
            embeddings = embeddings.unionByName(append_new(ctx, "audio_embeddings", version, new_rows))
    ctx.write("track_embeddings", tracks.select("track_id", "content_hash").join(embeddings, "content_hash"))


def _registered_network(ctx: JobContext, config: EmbeddingsConfig) -> RegisteredModel | None:
    if config.network == "none":
        return None
    name = registry_name(config.network)
    ctx.record(model_input(name), ctx.night.models.digest(name) or "")
    try:
        return ctx.night.models.load(name)
    except LakeError as error:
        LOG.warning(f"No embeddings: {error}")
        return None


def build_embeddings(clips: DataFrame, weights: bytes, version: str, config: EmbeddingsConfig) -> DataFrame:
    """Return rows of table `audio_embeddings` for clips `content_hash`, `mel`, one of each content."""
    shared = broadcast_weights(clips.sparkSession, weights)
    columns = table("audio_embeddings")
    schema = to_arrow_schema(columns.schema)

    def embed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        network = _load_network(shared)
        for batch in batches:
            clips = (mels.to_mel(mel, PRESET.n_mels) for mel in batch["mel"].to_pylist())
            rows = [
                {"content_hash": content, "producer_version": version, **embed_clip(clip, network, config)}
                for content, clip in zip(batch["content_hash"].to_pylist(), clips, strict=True)
            ]
            yield pa.RecordBatch.from_pylist(rows, schema)

    # a multiple of the cores: three equal tasks on two cores take as long as four
    cores = clips.sparkSession.sparkContext.defaultParallelism
    tasks = cores * max(1, -(-clips.count() // (config.clips_per_task * cores)))
    return clips.repartition(tasks, "content_hash").mapInArrow(embed, columns.schema)


@lru_cache(maxsize=1)
def _load_network(weights: BroadcastWeights) -> musicnn.Musicnn:
    """Return the network on the best device; it is loaded once per Python worker."""
    import torch

    from models.torch_device import best_device

    device = best_device()
    if device.type == "cpu":
        torch.set_num_threads(1)  # Spark runs one task per core already
    return musicnn.from_bytes(weights.value).to(device)
