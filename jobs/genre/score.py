"""Genre probabilities of every track with audio, by the model that genre_train registered: `pmrs run genre_score --date D`.

What the model has heard on any night it is not asked again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, FloatType, StructField, StructType

from jobs.content_cache import append_new, cached_rows, program_version
from jobs.context import JobContext
from jobs.genre import head
from jobs.genre.model import HEAD, GenreModel, registered_model
from jobs.lake.adapters.batches import joined
from jobs.lake.content_keys import KEY
from jobs.lake.partitions import Partitions
from jobs.spark import rows_per_batch
from models import clip_network, genre_cnn, genre_logreg, short_chunk
from models.genre_networks import from_card

PREDICTED = StructType(
    [StructField("probabilities", ArrayType(FloatType())), StructField("embedding", ArrayType(FloatType()))]
)


@dataclass(frozen=True)
class Config:
    """How clips are scored. Which model is asked, the configuration of genre_train says."""

    batch: int = 32
    """Clips per forward pass; 32 x 599 x 128 float32 are 10 MB, and larger batches gain nothing on a CPU."""
    clips_per_task: int = 256
    """About ten seconds of one core; also fixes which clips share a batch, so that equal inputs give equal bits."""
    decimals: int = 4
    """Digits kept of probabilities and embeddings: differences in the last bits between machines vanish."""


def predictor(model: GenreModel, weights: Any) -> Callable[[], Callable[[NDArray[Any]], dict[str, NDArray[np.float32]]]]:
    """For `predict_batch_udf`: loads the network once per worker. `weights`: a broadcast of safetensors bytes."""
    network_card = model.registered.card["network"]

    def make() -> Callable[[NDArray[Any]], dict[str, NDArray[np.float32]]]:
        import torch

        from models.clip_network import predict
        from models.genre_networks import from_bytes

        if not torch.cuda.is_available():
            torch.set_num_threads(1)  # Spark runs one task per core already
        network = from_bytes(from_card(network_card), weights.value)
        network.to("cuda" if torch.cuda.is_available() else "cpu")

        def score(blobs: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
            mels = np.stack([np.frombuffer(blob, np.float16).reshape(599, 128) for blob in blobs.reshape(-1)])
            probabilities, embeddings = predict(network, mels, batch_size=len(mels))
            return {"probabilities": probabilities, "embedding": embeddings}

        return score

    return make


def means(decimals: int) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """For `mapInArrow`, of rows `content_hash`, `p` (struct of vectors) in the order of contents and clips, each content in
    one task: the mean over a content's clips. Summed in that order, so that equal inputs give equal bits; as expressions of Spark
    it took a sixth of the whole.
    """

    def over(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for rows in joined(batches):
            contents = rows["content_hash"].combine_chunks()
            starts = np.append(0, np.flatnonzero(pc.not_equal(contents[1:], contents[:-1]).to_numpy(zero_copy_only=False)) + 1)
            counts = np.diff(starts, append=len(contents))[:, None]
            columns = [contents.take(pa.array(starts))]
            for part in rows["p"].combine_chunks().flatten():
                values = pc.list_flatten(part).to_numpy().reshape(len(part), -1).astype(np.float64)
                mean = (np.add.reduceat(values, starts) / counts).round(decimals).astype(np.float32)
                columns.append(pa.FixedSizeListArray.from_arrays(mean.ravel(), mean.shape[1]).cast(pa.list_(pa.float32())))
            yield pa.RecordBatch.from_arrays(columns, ["content_hash", *PREDICTED.names])

    return over


def in_set_order(model: GenreModel, genres: tuple[str, ...]) -> Column:
    """Probabilities from the head's order into the genre set's; genres that the model does not know get 0."""
    places = [F.element_at("probabilities", model.genres.index(g) + 1) if g in model.genres else F.lit(0.0) for g in genres]
    return F.array(*[place.cast("float") for place in places])


def build_scores(clips: DataFrame, model: GenreModel, config: Config) -> DataFrame:
    """`content_hash`, `probabilities` (in the order of the model's head), `embedding`: the mean over the clips of each content.

    `clips`: `content_hash`, `clip`, `mel`.
    """
    weights = clips.sparkSession.sparkContext.broadcast(model.registered.weights)
    score = predict_batch_udf(predictor(model, weights), return_type=PREDICTED, batch_size=config.batch)
    tasks = max(1, -(-clips.count() // config.clips_per_task))
    fixed = clips.repartition(tasks, "content_hash").sortWithinPartitions("content_hash", "clip")
    scored = fixed.select("content_hash", score("mel").alias("p"))
    return scored.mapInArrow(means(config.decimals), "content_hash string, probabilities array<float>, embedding array<float>")


def run(ctx: JobContext) -> None:
    """Reads the registered model and, for a network, `track_clips` and `mel`, for the head `track_descriptors`; writes
    `audio_scores` of what is new, and `genre_scores` (empty where there is no model).
    """
    config: Config = ctx.config  # type: ignore[assignment]
    chosen = ctx.config_of("genre_train")
    on_descriptors = chosen.model == HEAD
    model = registered_model(ctx, chosen.model, chosen.preset)
    tracks = ctx.read_required("track_descriptors" if on_descriptors else "track_clips")
    first = tracks.select("producer_version").first()
    if model is None or first is None:
        ctx.write_empty("genre_scores")
        return
    program = (head, genre_logreg) if on_descriptors else (clip_network, genre_cnn, short_chunk)
    producer_version = program_version(config, program, model.preset, model.registered.digest, first["producer_version"])
    known = cached_rows(ctx, "audio_scores", producer_version)
    fresh = tracks.dropDuplicates([*KEY]).join(known, "content_hash", "left_anti")
    if not fresh.isEmpty():
        scored = _of_descriptors(fresh, model, config) if on_descriptors else _of_clips(ctx, fresh, model, config)
        # the next batch is read while one is heard
        with rows_per_batch(ctx.spark, config.batch):
            fresh = scored.withColumn("producer_version", F.lit(producer_version))
            known = known.unionByName(append_new(ctx, "audio_scores", producer_version, fresh))
    scores = tracks.select("track_id", "content_hash").join(known, "content_hash")
    ordered = scores.withColumn("probabilities", in_set_order(model, ctx.genres.genres))
    ctx.write("genre_scores", ordered.withColumn("model", F.lit(model.registered.digest)))


def _of_clips(ctx: JobContext, fresh: DataFrame, model: GenreModel, config: Config) -> DataFrame:
    mel = ctx.read("mel", Partitions.CACHE).where(F.col("preset") == model.preset)
    return build_scores(mel.join(fresh.select(*KEY), [*KEY]).select("content_hash", "clip", "mel"), model, config)


def _of_descriptors(fresh: DataFrame, model: GenreModel, config: Config) -> DataFrame:
    return head.build_scores(fresh, model, config.batch, config.decimals)
