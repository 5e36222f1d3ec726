"""What is known of tracks on the day they come out (artist, genre, sound), and of listeners: what they rated."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql import functions as F
from scipy.sparse import csr_array

from jobs.context import JobContext
from jobs.errors import EvaluationError
from jobs.evaluate import listening
from jobs.lake.adapters import texts
from jobs.lake.adapters.descriptors import NAMES, ROW_BYTES, matrix
from jobs.lake.adapters.mels import MEL_BYTES, clips_of, to_mels
from jobs.lake.collect import collect_arrow
from jobs.recommenders.training_data import learn
from models.top_n import Floats

Reals = NDArray[np.float64]
Places = NDArray[np.int64]
TRACK_BYTES = 200
NOBODY = -1


@dataclass(frozen=True)
class Clips:
    """Log-mel clips of tracks."""

    mels: NDArray[np.float16]
    """[C, 599, 128]"""
    track: Places
    """[C] numbers of their tracks, rising."""


@dataclass(frozen=True)
class Known:
    """I tracks that somebody has rated, and U listeners."""

    ratings: csr_array
    """[U, I]"""
    artist: Places
    """[I] number of the artist; NOBODY: not known."""
    genre: Places
    """[I] place in the genre set, by label or the artist's terms; NOBODY: not known."""
    sound: Reals
    """[I, D] descriptors; NaN where there is no audio. D may be 0."""
    text: Reals = field(default_factory=lambda: np.empty((0, 0)))
    """[I, E] what is written about it, as an encoder reads it (job text_vectors); zeros: nothing is. E = 0: there is no encoder."""
    clips: Clips | None = None
    """Those of the tracks, where a network is to hear them."""


def read(ctx: JobContext, preset: str = "") -> Known:
    """What the night may use; with clips of this preset.

    Raises LakeError where nothing was ingested, or it passes the driver's bound.
    """
    history = listening.read(ctx).history
    learned = learn(listening.ratings_of(history).where("rating > 0"), None, None, ())
    mine = F.broadcast(history.select("track_id").distinct())
    facts = ctx.read_required("tracks").select(
        "track_id", F.coalesce("artist_id", "artist").alias("artist"), F.coalesce("label_genre", "terms_genre").alias("genre")
    )
    rows = collect_arrow(facts.join(mine, "track_id"), TRACK_BYTES, "the rated tracks")
    place = dict(zip(rows["track_id"].to_pylist(), range(rows.num_rows), strict=True))
    if missing := [track for track in learned.tracks if track not in place]:
        raise EvaluationError(f"Track {missing[0]} is rated and not in the catalogue; run `pmrs run prepare` again.")
    rows = rows.take([place[track] for track in learned.tracks])
    artists = pc.fill_null(rows["artist"].combine_chunks().dictionary_encode().indices, NOBODY).to_numpy()
    genres = [NOBODY if genre is None else ctx.genres.genres.index(genre) for genre in rows["genre"].to_pylist()]
    places, tracks = np.array(genres, np.int64), learned.tracks
    clips = _clips(ctx, preset, tracks) if preset else None
    return Known(learned.ratings, artists.astype(np.int64), places, _sound(ctx, tracks), _text(ctx, tracks), clips)


def _sound(ctx: JobContext, tracks: tuple[str, ...]) -> Reals:
    rows = collect_arrow(ctx.read("track_descriptors").select("track_id", *NAMES), ROW_BYTES, "described tracks")
    return _placed(rows, tracks, matrix(rows), np.nan) if rows.num_rows else np.empty((len(tracks), 0))


def _text(ctx: JobContext, tracks: tuple[str, ...]) -> Reals:
    rows = collect_arrow(texts.track_vectors(ctx), texts.ROW_BYTES, "tracks of which anything is written")
    return _placed(rows, tracks, texts.vectors_in(rows), 0.0) if rows.num_rows else np.empty((len(tracks), 0))


def _placed(rows: pa.Table, tracks: tuple[str, ...], values: Floats | Reals, otherwise: float) -> Reals:
    """[I, D] the values [N, D] of the rows' tracks; `otherwise` where a track has no row. Without any: [I, 0]."""
    place = {track: row for row, track in enumerate(tracks)}
    known = [(place[track], row) for row, track in enumerate(rows["track_id"].to_pylist()) if track in place]
    if not known:
        return np.empty((len(tracks), 0))
    found = np.full((len(tracks), values.shape[1]), otherwise)
    at, of = np.array(known).T
    found[at] = values[of]
    return found


def _clips(ctx: JobContext, preset: str, tracks: tuple[str, ...]) -> Clips:
    wanted = F.broadcast(ctx.spark.createDataFrame(pa.table({"track_id": pa.array(tracks), "place": pa.array(range(len(tracks)))})))
    clips = clips_of(ctx, preset).join(wanted, "track_id").select("place", "clip", "mel").orderBy("place", "clip")
    rows = collect_arrow(clips, MEL_BYTES, "clips of rated tracks")
    return Clips(to_mels(rows["mel"]), rows["place"].to_numpy().astype(np.int64))


@dataclass(frozen=True)
class Held:
    """The question: tracks that are new, and listeners who will like some of them."""

    new: NDArray[np.bool_]
    """[I]"""
    likes: csr_array
    """[Q, I - H] what each listener who is asked about has rated of the other tracks."""
    everybody: csr_array
    """[U, I - H] ratings to learn from."""
    truth: csr_array
    """[Q, H] likes of new tracks; every row has one at least."""


def hold(known: Known, share: float, least: float, seed: int) -> Held:
    """A drawn share of the tracks is new, with everything that anybody has rated of them.

    Where there is audio, only tracks that have some are held out: of the others a model that listens says nothing.
    Raises EvaluationError where nobody likes both a new track and one of the others.
    """
    heard = ~np.isnan(known.sound).any(1) if known.sound.shape[1] else np.ones(known.ratings.shape[1], bool)
    drawn = np.random.default_rng(seed).permutation(np.flatnonzero(heard))[: round(share * int(heard.sum()))]
    new = np.zeros(known.ratings.shape[1], bool)
    new[drawn] = True
    liked = known.ratings.copy()
    liked.data = (liked.data >= least).astype(np.float32)
    liked.eliminate_zeros()
    truth, rest = csr_array(liked[:, new]), csr_array(known.ratings[:, ~new])
    asked = (np.diff(truth.indptr) > 0) & (np.diff(csr_array(liked[:, ~new]).indptr) > 0)
    if not asked.any():
        raise EvaluationError(f"Of {int(new.sum())} tracks held out, nobody who likes another track likes one; use more data.")
    return Held(new, csr_array(rest[asked]), rest, csr_array(truth[asked]))


def dense(rows: csr_array) -> Floats:
    """[Q, H] of a block of rows."""
    return np.asarray(rows.todense(), np.float32)
