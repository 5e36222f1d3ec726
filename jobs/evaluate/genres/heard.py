"""Labelled tracks as genre models hear them, and how they are divided: whole tracks, every genre over all folds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.errors import EvaluationError
from jobs.lake.adapters.descriptors import NAMES, ROW_BYTES, matrix
from jobs.lake.adapters.mels import MEL_BYTES, clips_of, to_mels
from jobs.lake.collect import collect_arrow

Reals = NDArray[np.float64]
Places = NDArray[np.int64]

HEARD = ("track_clips", "track_descriptors")
MFCC = ("mfcc", "mfcc_std")


@dataclass(frozen=True)
class Clips:
    """Log-mel clips of the tracks in one preset."""

    mels: NDArray[np.float16]
    """[C, 599, 128]"""
    track: Places
    """[C] rows of `Heard`."""
    tiled: float
    """Share of the clips whose audio was shorter than the preset's clip and was repeated."""


@dataclass(frozen=True)
class Heard:
    """N tracks with one genre each, in order of their ids."""

    tracks: NDArray[np.str_]
    """[N]"""
    genre: Places
    """[N] places in `genres`."""
    genres: tuple[str, ...]
    """Those of the run's genre set that have enough tracks, in its order."""
    descriptors: Reals
    """[N, D] all of table `track_descriptors`."""
    mfcc: Reals
    """[N, 40] its MFCC alone: means and deviations."""
    clips: dict[str, Clips]
    """By preset."""
    left_out: dict[str, int]
    """Labelled tracks by genre, where there are fewer than asked for."""
    producer_version: tuple[str, ...] = ()
    """By what clips and descriptors were computed."""


def read(ctx: JobContext, presets: Sequence[str], fewest: int) -> Heard:
    """What the night holds of labelled tracks; genres of fewer than `fewest` tracks are left out.

    Raises EvaluationError where fewer than two genres stay.
    """
    labels = ctx.read_required("tracks").where("label_genre IS NOT NULL").select("track_id", F.col("label_genre").alias("genre"))
    # the same audio under two ids would be learned from and asked for
    described = labels.join(ctx.read_required("track_descriptors"), "track_id").orderBy("track_id")
    known = _once(collect_arrow(described, ROW_BYTES, "described tracks"))
    counts = {genre: known["genre"].to_pylist().count(genre) for genre in ctx.genres.genres}
    genres = tuple(genre for genre, count in counts.items() if count >= fewest)
    if len(genres) < 2:
        told = ", ".join(f"{genre}: {count}" for genre, count in counts.items() if count) or "none"
        raise EvaluationError(
            f"Two genres with {fewest} labelled sound files or more are needed, and there are {told} (set {ctx.genres.name}); "
            "add labelled audio, name another genre set, or ask for fewer --folds."
        )
    known = known.filter(pa.compute.is_in(known["genre"], pa.array(genres)))
    tracks = np.array(known["track_id"].to_pylist())
    return Heard(
        tracks,
        np.array([genres.index(genre) for genre in known["genre"].to_pylist()]),
        genres,
        matrix(known, NAMES),
        matrix(known, MFCC),
        {preset: _clips(ctx, preset, tracks) for preset in presets},
        {genre: count for genre, count in counts.items() if 0 < count < fewest},
        tuple(sorted(_versions(ctx))),
    )


def _once(known: pa.Table) -> pa.Table:
    """The first track of each content."""
    _, first = np.unique(np.array(known["content_hash"].to_pylist(), str), return_index=True)
    return known.take(pa.array(np.sort(first)))


def _clips(ctx: JobContext, preset: str, tracks: NDArray[np.str_]) -> Clips:
    wanted = F.broadcast(ctx.spark.createDataFrame([(track,) for track in tracks.tolist()], "track_id string"))
    clips = clips_of(ctx, preset).join(wanted, "track_id")
    ordered = clips.select("track_id", "clip", "tiled", "mel").orderBy("track_id", "clip")
    rows = collect_arrow(ordered, MEL_BYTES, f"clips of {preset}")
    place = {track: row for row, track in enumerate(tracks.tolist())}
    track = np.array([place[name] for name in rows["track_id"].to_pylist()], np.int64)
    return Clips(to_mels(rows["mel"]), track, float(np.mean(rows["tiled"].to_pylist())))


def folds(genre: Places, number: int, seed: int) -> Places:
    """[N] the fold in which each track is asked for: drawn by the seed, as evenly as can be within every genre."""
    drawn = np.random.default_rng(seed).permutation(len(genre))
    dealt = drawn[np.argsort(genre[drawn], kind="stable")]
    found = np.empty(len(genre), np.int64)
    found[dealt] = np.arange(len(genre)) % number
    return found


def _versions(ctx: JobContext) -> set[str]:
    return {row[0] for name in HEARD for row in ctx.read_required(name).select("producer_version").distinct().collect()}
