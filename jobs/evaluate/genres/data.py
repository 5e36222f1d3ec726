"""Labelled tracks with the inputs of genre models, and their folds: whole tracks, stratified by genre."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.errors import EvaluationError
from jobs.lake.adapters.audio_features import COLUMNS, ROW_BYTES
from jobs.lake.adapters.descriptors import matrix
from jobs.lake.adapters.mels import MEL_BYTES, build_clips, to_mels
from jobs.lake.collect import collect_arrow
from jobs.lake.feature_sets import FeatureSet
from jobs.lake.partitions import Partitions
from jobs.training.audio_features import available_sets, read_features
from models.types import F16, F64, I64

MFCC = ("mfcc", "mfcc_std")


@dataclass(frozen=True)
class Clips:
    """C log-mel clips of the tracks in one preset."""

    mels: F16
    """[C, 599, 128]"""
    track: I64
    """[C] rows of `LabelledTracks`."""
    tiled: float
    """Share of the clips whose audio was shorter than the preset's clip and was repeated."""


@dataclass(frozen=True)
class LabelledTracks:
    """N tracks with one genre each, ordered by id."""

    tracks: NDArray[np.str_]
    """[N] ids."""
    genre: I64
    """[N] indices into `genres`."""
    genres: tuple[str, ...]
    """Genres of the run's genre set that have enough tracks, in its order."""
    descriptors: F64
    """[N, D] all columns of table `track_descriptors`."""
    embeddings: F64
    """[N, E] embeddings of the pretrained network; E is 0 if there is none."""
    mfcc: F64
    """[N, 40] its MFCC alone: means and standard deviations."""
    clips: dict[str, Clips]
    """By preset."""
    left_out: dict[str, int]
    """Number of labelled tracks of each genre that has too few."""
    producer_versions: tuple[str, ...] = ()
    """Versions of the programs that computed clips, descriptors and embeddings."""

    def features(self, name: FeatureSet) -> F64:
        """Return the features [N, D] of a set; D is 0 without embeddings, except of descriptors."""
        if name == "both":
            n = len(self.tracks)
            return np.hstack([self.descriptors, self.embeddings]) if self.embeddings.shape[1] else np.empty((n, 0))
        return self.descriptors if name == "descriptors" else self.embeddings


def read(ctx: JobContext, presets: Sequence[str], min_tracks: int) -> LabelledTracks:
    """Read the night's labelled tracks; genres of fewer than `min_tracks` tracks are left out.

    Raises EvaluationError if fewer than two genres remain.
    """
    labels = (
        ctx.read_required("tracks")
        .where("label_genre IS NOT NULL")
        .select("track_id", F.col("label_genre").alias("genre"))
    )
    features = available_sets(ctx, "auto")[0]
    described = labels.join(read_features(ctx, features, required=True), "track_id").orderBy("track_id")
    rows = _drop_duplicate_audio(collect_arrow(described, ROW_BYTES, "tracks with descriptors"))
    counts = {genre: rows["genre"].to_pylist().count(genre) for genre in ctx.genres.genres}
    genres = tuple(genre for genre, count in counts.items() if count >= min_tracks)
    if len(genres) < 2:
        counted = ", ".join(f"{genre}: {count}" for genre, count in counts.items() if count) or "none"
        raise EvaluationError(
            f"At least two genres with {min_tracks} or more labelled audio files are required; counted: {counted} "
            f"(genre set {ctx.genres.name}). Add labelled audio, name another genre set, or use fewer --folds."
        )
    rows = rows.filter(pa.compute.is_in(rows["genre"], pa.array(genres)))
    tracks = np.array(rows["track_id"].to_pylist())
    clip_versions = ctx.read("track_clips").select("producer_version").distinct().collect()
    return LabelledTracks(
        tracks,
        np.array([genres.index(genre) for genre in rows["genre"].to_pylist()]),
        genres,
        matrix(rows, COLUMNS["descriptors"]),
        matrix(rows, COLUMNS["embeddings"]) if features == "both" else np.empty((len(tracks), 0)),
        matrix(rows, MFCC),
        {preset: _read_clips(ctx, preset, tracks) for preset in presets},
        {genre: count for genre, count in counts.items() if 0 < count < min_tracks},
        tuple(sorted({*rows["producer_version"].to_pylist(), *(row[0] for row in clip_versions)})),
    )


def _drop_duplicate_audio(rows: pa.Table) -> pa.Table:
    """Return the first track of each content, so that no audio is in training and test data under two ids."""
    _, first = np.unique(np.array(rows["content_hash"].to_pylist(), str), return_index=True)
    return rows.take(pa.array(np.sort(first)))


def _read_clips(ctx: JobContext, preset: str, tracks: NDArray[np.str_]) -> Clips:
    labelled = F.broadcast(ctx.spark.createDataFrame([(track,) for track in tracks.tolist()], "track_id string"))
    mel, track_clips = ctx.read("mel", Partitions.CACHE), ctx.read("track_clips")
    clips = build_clips(mel, track_clips, preset).join(labelled, "track_id")
    rows = collect_arrow(
        clips.select("track_id", "clip", "tiled", "mel").orderBy("track_id", "clip"), MEL_BYTES, f"clips of {preset}"
    )
    row_of = {track: row for row, track in enumerate(tracks.tolist())}
    track = np.array([row_of[track_id] for track_id in rows["track_id"].to_pylist()], np.int64)
    return Clips(to_mels(rows["mel"]), track, float(np.mean(rows["tiled"].to_pylist())))


def assign_folds(genre: I64, n_folds: int, seed: int) -> I64:
    """Return the test fold [N] of each track: random by seed, as even as possible within every genre."""
    shuffled = np.random.default_rng(seed).permutation(len(genre))
    by_genre = shuffled[np.argsort(genre[shuffled], kind="stable")]
    fold = np.empty(len(genre), np.int64)
    fold[by_genre] = np.arange(len(genre)) % n_folds
    return fold
