"""Genre probabilities of every track with audio, by the registered CNN: `pmrs run genre_score --date D`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, FloatType, StructField, StructType

from jobs.context import JobContext
from jobs.genre.model import DEFAULT_PRESET, GenreModel, registered_model

PREDICTED = StructType(
    [StructField("probabilities", ArrayType(FloatType())), StructField("embedding", ArrayType(FloatType()))]
)


@dataclass(frozen=True)
class Config:
    """How clips are scored."""

    preset: str = DEFAULT_PRESET
    """Mel preset of the model."""
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

        from models.genre_cnn import from_bytes, from_card, predict

        if not torch.cuda.is_available():
            torch.set_num_threads(1)  # Spark runs one task per core already
        network = from_bytes(from_card(network_card), weights.value)
        network.to("cuda" if torch.cuda.is_available() else "cpu")

        def score(blobs: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
            mels = np.stack([np.frombuffer(blob, np.float16).reshape(599, 128) for blob in blobs.reshape(-1)])
            probabilities, embeddings = predict(network, mels, batch=len(mels))
            return {"probabilities": probabilities, "embedding": embeddings}

        return score

    return make


def mean_over(clips: str, part: str, size: int, decimals: int) -> Column:
    """Mean vector over an array of structs ordered by clip: summed in that order, so that equal inputs give equal bits."""
    total = f"aggregate({clips}, 0D, (sum, x) -> sum + x.{part}[i])"
    return F.expr(
        f"transform(sequence(0, {size - 1}), i -> cast(round({total} / size({clips}), {decimals}) as float))"
    )


def in_set_order(model: GenreModel, genres: tuple[str, ...]) -> Column:
    """Probabilities from the head's order into the genre set's; genres that the model does not know get 0."""
    places = [F.element_at("probabilities", model.genres.index(g) + 1) if g in model.genres else F.lit(0.0) for g in genres]
    return F.array(*[place.cast("float") for place in places])


def build_scores(mel: DataFrame, model: GenreModel, genres: tuple[str, ...], config: Config) -> DataFrame:
    """Table `genre_scores`: the mean over each track's clips, in the genre set's order."""
    weights = mel.sparkSession.sparkContext.broadcast(model.registered.weights)
    score = predict_batch_udf(predictor(model, weights), return_type=PREDICTED, batch_size=config.batch)
    clips = mel.where(F.col("preset") == config.preset).select("track_id", "clip", "mel")
    tasks = max(1, -(-clips.count() // config.clips_per_task))
    fixed = clips.repartition(tasks, "track_id").sortWithinPartitions("track_id", "clip")
    scored = fixed.select("track_id", F.struct("clip", score("mel").alias("p")).alias("one"))
    flat = F.struct("one.clip", "one.p.probabilities", "one.p.embedding")
    grouped = scored.groupBy("track_id").agg(F.sort_array(F.collect_list(flat)).alias("clips"))
    size = model.registered.card["network"]["dense"]
    means = grouped.select(
        "track_id",
        mean_over("clips", "probabilities", len(model.genres), config.decimals).alias("probabilities"),
        mean_over("clips", "embedding", size, config.decimals).alias("embedding"),
    )
    ordered = means.withColumn("probabilities", in_set_order(model, genres))
    return ordered.withColumn("model", F.lit(model.registered.digest))


def run(ctx: JobContext) -> None:
    """Reads `mel` and the registered model, writes `genre_scores` (empty where there is no model)."""
    config: Config = ctx.config  # type: ignore[assignment]
    model, mel = registered_model(ctx, config.preset), ctx.need("mel")
    if model is None:
        empty = "track_id string, probabilities array<float>, embedding array<float>, model string"
        ctx.write("genre_scores", ctx.spark.createDataFrame([], empty))
        return
    ctx.write("genre_scores", build_scores(mel, model, ctx.genres.genres, config))
