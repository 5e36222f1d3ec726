"""Ways to say who will like a track that nobody has played: its factors from what is known of it, or one score for everybody."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array

from jobs.content import features
from jobs.errors import EvaluationError
from jobs.evaluate.new_tracks.known import NOBODY, Clips, Held, Known, Reals
from models import content_factors
from models.als_rows import fixed, solve, strengths
from models.clip_network import FACTORS, predict
from models.clip_training import train
from models.clips import mean_by
from models.content_factors import to_unit
from models.genre_cnn import GenreCNNConfig
from models.implicit_factors import ImplicitFactors
from models.training_goals import Factors


@dataclass(frozen=True)
class Way:
    """What one way says of the H new tracks."""

    name: str
    title: str
    factors: Reals
    """[H, F]; F = 1: one score for everybody."""


def ways(known: Known, held: Held, model: ImplicitFactors, seed: int) -> Iterator[Way]:
    """Every way that has something to go by. `model`: fitted on the tracks that are not new."""
    new, old = held.new, ~held.new
    unit = to_unit(model.factors.astype(np.float64))
    played = np.asarray((held.everybody > 0).sum(0)).ravel()  # of the old tracks, by listeners
    drawn = np.random.default_rng(seed).normal(size=(int(new.sum()), unit.shape[1]))
    yield Way("random", "at random", to_unit(drawn))
    by_artist = of_artists(known.artist[old], played[:, None].astype(np.float64))
    yield Way("popularity", "popularity of the artist", looked_up(by_artist, known.artist[new], 0.0))
    artists = of_artists(known.artist[old], unit)
    nothing = unit.mean(0)
    yield Way("artist", "mean of the artist's tracks", to_unit(looked_up(artists, known.artist[new], nothing)))
    # a track's own factors must not stand in what its artist is said to be like
    metadata_old = np.hstack([others(known.artist[old], unit), genres(known, old)])
    metadata_new = np.hstack([looked_up(artists, known.artist[new], 0.0), known_artist(artists, known, new), genres(known, new)])
    liked = np.asarray(np.linalg.norm(unit, axis=1) > 0.5)
    yield Way("metadata", "artist and genre, learned", _learned(metadata_old, unit, liked, metadata_new))
    if known.text.shape[1]:
        yield Way("text", "title, artist, release and tags, read", _learned(known.text[old], unit, liked, known.text[new]))
        both = np.hstack([known.text[old], metadata_old]), np.hstack([known.text[new], metadata_new])
        yield Way("text_metadata", "the same, artist and genre, learned", _learned(both[0], unit, liked, both[1]))
    heard = np.asarray(~np.isnan(known.sound).any(1))
    if known.sound.shape[1] and (liked & heard[old]).sum() > 1:
        use = liked & heard[old]
        yield Way("audio", "sound, learned", _learned(known.sound[old], unit, use, known.sound[new]))
        both = np.hstack([known.sound[old], metadata_old]), np.hstack([known.sound[new], metadata_new])
        yield Way("audio_metadata", "sound, artist and genre, learned", _learned(both[0], unit, use, both[1]))
    if known.clips is not None:
        yield Way("network", "clips, by the paper's trunk", by_network(known.clips, new, unit, played * liked))
    yield Way("own", "its own plays (an upper bound)", own(model, held))


def by_network(clips: Clips, new: np.ndarray, unit: Reals, played: np.ndarray) -> Reals:
    """[H, F] by the trunk of PMRS's network as the job `content` trains it: on clips of those of the old tracks `unit` [I - H, F]
    that most have `played` [I - H]; zeros: there is no clip.

    Raises EvaluationError where none of them has a clip.
    """
    own = features.Config()
    there = np.isin(np.flatnonzero(~new), clips.track) & (played > 0)
    first = np.argsort(-played[there], kind="stable")[: own.learn_from]
    factors = np.zeros((len(new), unit.shape[1]), np.float32)
    factors[np.flatnonzero(~new)[there][first]] = unit[there][first]
    learns = factors[clips.track].any(1)
    if not learns.any():
        raise EvaluationError("No liked track has clips that a network could learn from; run the family audio, or omit --network.")
    settings = GenreCNNConfig(n_genres=unit.shape[1], says=FACTORS, max_clips=own.shown, threads=1)
    goal, tracks = Factors(factors[clips.track[learns]]), clips.track[learns]
    model = train(clips.mels[learns], goal, tracks, settings).model
    asked = new[clips.track]
    said, _ = predict(model, clips.mels[asked])
    return to_unit(mean_by(clips.track[asked], said, len(new))[new])


def _learned(old: Reals, unit: Reals, use: np.ndarray, new: Reals) -> Reals:
    return content_factors.fit(old[use], unit[use]).predict(new)


def of_artists(artist: np.ndarray, values: Reals) -> dict[int, Reals]:
    """Mean of the rows [I, F] of each artist."""
    found: dict[int, Reals] = {}
    order = np.argsort(artist, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(artist[order])) + 1):
        if rows.size and artist[rows[0]] != NOBODY:
            found[int(artist[rows[0]])] = values[rows].mean(0)
    return found


def looked_up(by_artist: dict[int, Reals], artist: np.ndarray, otherwise: float | Reals) -> Reals:
    """[N, F] the rows of these artists; `otherwise` for those unknown."""
    width = len(next(iter(by_artist.values()), np.zeros(1)))
    nothing = np.broadcast_to(otherwise, width) if np.ndim(otherwise) == 0 else np.asarray(otherwise)
    return np.array([by_artist.get(int(one), nothing) for one in artist]).reshape(len(artist), -1)


def others(artist: np.ndarray, unit: Reals) -> Reals:
    """[I, F + 1] mean of the artist's other tracks, and 1 where there are some; else zeros."""
    numbers = np.where(artist == NOBODY, artist.max(initial=NOBODY) + 1, artist)
    sums = np.zeros((numbers.max(initial=0) + 1, unit.shape[1]))
    np.add.at(sums, numbers, unit)
    counts = np.bincount(numbers, minlength=len(sums))[numbers] - 1
    there = (counts > 0) & (artist != NOBODY)
    mean = (sums[numbers] - unit) / np.maximum(counts, 1)[:, None]
    return np.hstack([np.where(there[:, None], mean, 0.0), there[:, None].astype(np.float64)])


def known_artist(by_artist: dict[int, Reals], known: Known, which: np.ndarray) -> Reals:
    """[N, 1] 1 where another track of the artist was learned from."""
    return np.array([[float(int(one) in by_artist)] for one in known.artist[which]]).reshape(-1, 1)


def genres(known: Known, which: np.ndarray) -> Reals:
    """[N, G] 1 where the genre is the track's."""
    width = int(known.genre.max(initial=NOBODY)) + 1
    return np.asarray(np.vstack([np.eye(width), np.zeros((1, width))])[known.genre[which]])


def own(model: ImplicitFactors, held: Held) -> Reals:
    """What a half-step of ALS makes of the new tracks' own likes: what the others guess."""
    users = torch.from_numpy(model.fold_in(held.likes))
    likes = strengths(csr_array(held.truth.T), model.min_rating)
    return to_unit(np.asarray(solve(likes, fixed(users), model.objective), np.float64))
