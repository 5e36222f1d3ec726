"""Genre probabilities of every track with audio, by the registered model: `pmrs run genre_score --date D`.

Contents that the model scored on an earlier night are read from the cache.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.content_cache import append_new, cached_rows, program_version
from jobs.context import JobContext
from jobs.genre import logreg
from jobs.genre.config import GenreScoreConfig
from jobs.genre.model import GenreModel, registered_model
from jobs.lake.adapters import audio_features
from jobs.lake.content_keys import KEY
from jobs.lake.partitions import Partitions
from jobs.spark import rows_per_batch
from jobs.training.audio_features import read_features
from jobs.training.clip_inference import build_clip_predictions
from models import clip_network, genre_cnn, genre_logreg, short_chunk


def in_set_order(model: GenreModel, genres: tuple[str, ...]) -> Column:
    """Return the probabilities in the order of the genre set; genres that the model does not know get 0."""
    columns = [
        F.element_at("probabilities", model.genres.index(g) + 1) if g in model.genres else F.lit(0.0) for g in genres
    ]
    return F.array(*[column.cast("float") for column in columns])


def build_scores(clips: DataFrame, model: GenreModel, config: GenreScoreConfig) -> DataFrame:
    """Return `content_hash`, `probabilities` (in the order of the model's genres) and `embedding`.

    Both are means over the clips of a content. `clips`: `content_hash`, `clip`, `mel`.
    """
    card, weights = model.registered.card["network"], model.registered.weights
    means = build_clip_predictions(clips, "content_hash", card, weights, config.clips_per_task)
    rounded = {
        name: F.transform(column, lambda value: F.round(value, config.decimals).cast("float"))
        for name, column in (("probabilities", "outputs"), ("embedding", "embedding"))
    }
    return means.select("content_hash", *[column.alias(name) for name, column in rounded.items()])


def run(ctx: JobContext) -> None:
    """Read the registered model and `track_clips` and `mel` (logreg: `track_descriptors`, `track_embeddings`).

    Write the new contents to `audio_scores`, and `genre_scores` (empty without a model).
    """
    config: GenreScoreConfig = ctx.config  # type: ignore[assignment]
    model = registered_model(ctx, ctx.config_of("genre_train"))
    tracks = _tracks(ctx, model) if model else None
    first = tracks.select("producer_version").first() if tracks is not None else None
    if model is None or tracks is None or first is None:
        ctx.write_empty("genre_scores")
        return
    program = (audio_features, genre_logreg) if model.features else (clip_network, genre_cnn, short_chunk)
    version = program_version(config, program, model.preset, model.registered.digest, first["producer_version"])
    scored = cached_rows(ctx, "audio_scores", version)
    missing = tracks.dropDuplicates([*KEY]).join(scored, "content_hash", "left_anti")
    if not missing.isEmpty():
        if model.features:
            scores = logreg.build_scores(missing, model.features, model, config.batch, config.decimals)
        else:
            scores = _score_clips(ctx, missing, model, config)
        # Arrow's batches are the network's
        with rows_per_batch(ctx.spark, config.batch):
            new_rows = scores.withColumn("producer_version", F.lit(version))
            scored = scored.unionByName(append_new(ctx, "audio_scores", version, new_rows))
    rows = tracks.select("track_id", "content_hash").join(scored, "content_hash")
    ordered = rows.withColumn("probabilities", in_set_order(model, ctx.genres.genres))
    ctx.write("genre_scores", ordered.withColumn("model", F.lit(model.registered.digest)))


def _tracks(ctx: JobContext, model: GenreModel) -> DataFrame:
    """Return `track_id`, KEY and, for a model on features, these."""
    if model.features is None:
        return ctx.read_required("track_clips")
    return read_features(ctx, model.features, required=True)


def _score_clips(ctx: JobContext, missing: DataFrame, model: GenreModel, config: GenreScoreConfig) -> DataFrame:
    mel = ctx.read("mel", Partitions.CACHE).where(F.col("preset") == model.preset)
    clips = mel.join(missing.select(*KEY), [*KEY]).select("content_hash", "clip", "mel")
    return build_scores(clips, model, config)
