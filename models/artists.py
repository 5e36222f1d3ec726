"""What is near what, of artists and of tracks, by all that is known of each: listeners, sound, genre, text (artist level of `004`).

    likeness(i, j) = sum over m of w_m cos(u_im, u_jm)  =  v_i . v_j,     v_i = ( sqrt(w_1) u_i1, ..., sqrt(w_M) u_iM )

m is a way of knowing things (a modality), w_m its weight; weights are made to sum to 1 over those ways in which anything at all
is known. u_im is a track's vector, made 1 long, less the mean over all tracks, made 1 long again; an artist's is the mean of its
tracks' u, less the mean over all artists, made 1 long. With the mean taken out, a cosine of 0 is what two things have that are
drawn at random.

What is not known of a thing in one way is a vector of zeros there, and so neither like nor unlike anything: a thing without audio
is compared with all others by the ways that are left, in the order that these alone give. The likeness that can be told of it is
at most the weight of what is known of it; nothing is made up for the rest. Exact, by models/inner_product.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models import inner_product
from models.content_factors import to_unit
from models.top_n import Floats, Ints

Reals = NDArray[np.float64]
NOISE = 1e-5
"""Length at which a vector of length 1, less the mean, is rounding and no direction."""


@dataclass(frozen=True)
class Space:
    """N things, each a vector v."""

    names: tuple[str, ...]
    """The M ways of knowing them, in the order of their columns."""
    weights: tuple[float, ...]
    """[M] w, of sum 1 over those that say anything; 0 for the others."""
    ends: tuple[int, ...]
    """[M] where each way's columns of `vectors` end."""
    vectors: Floats
    """[N, V] float32, rounded: the last bits of sums depend on the machine's threads."""

    def cosines(self, one: Ints, other: Ints) -> Reals:
        """[n, M] of pairs of things [n]; NaN where one of the two is not known in that way."""
        found = np.full((len(one), len(self.names)), np.nan)
        begins = (0, *self.ends[:-1])
        for place, (begin, end, weight) in enumerate(zip(begins, self.ends, self.weights, strict=True)):
            if weight:
                a, b = (self.vectors[rows, begin:end].astype(np.float64) for rows in (one, other))
                known = a.any(axis=1) & b.any(axis=1)
                found[known, place] = np.clip((a[known] * b[known]).sum(1) / weight, -1, 1)
        return found


def directions(rows: Floats) -> Floats:
    """Directions u [N, D]: the rows, less the mean of those that are not zeros, each made 1 long; zeros stay."""
    known = rows.any(axis=1)
    found = np.zeros(rows.shape, np.float32)
    if known.any():
        moved = rows[known] - rows[known].mean(axis=0, dtype=np.float64)
        moved[np.linalg.norm(moved, axis=1) < NOISE] = 0
        found[known] = to_unit(moved)
    return found


def artist_means(units: Floats, artist: Ints, artists: int) -> Floats:
    """[A, D] mean of the rows [T, D] of each artist's tracks, without zeros; `artist` [T], -1: nobody's."""
    rows = np.flatnonzero(units.any(axis=1) & (artist >= 0))
    ones = np.ones(rows.size)
    member = csr_array((ones, (artist[rows], rows)), shape=(artists, len(units)))
    count = np.maximum(np.bincount(artist[rows], minlength=artists), 1)
    return np.asarray(member @ units / count[:, None], np.float32)


def joined(units: Mapping[str, Floats], weights: Mapping[str, float]) -> Space:
    """The space of directions u [N, D_m] by way; `weights`: of each of them, at least 0, of any sum.

    Raises ValueError where weights and directions are not of the same ways.
    """
    if set(units) != set(weights):
        raise ValueError(f"directions are of {', '.join(units)}, weights of {', '.join(weights)}")
    said = {name: weights[name] if rows.any() else 0.0 for name, rows in units.items()}
    total = sum(said.values()) or 1.0
    shares = tuple(weight / total for weight in said.values())
    parts = [np.round(rows * np.sqrt(share), 6) for rows, share in zip(units.values(), shares, strict=True)]
    ends = np.cumsum([part.shape[1] for part in parts]).tolist()
    return Space(tuple(units), shares, tuple(ends), np.hstack(parts).astype(np.float32))


@dataclass(frozen=True)
class Groups:
    """Which things are one and the same and are never named as each other's neighbours: themselves, the tracks of one song."""

    label: Ints
    """[N] equal for things that are the same."""
    order: Ints
    """[N] things in the order of their labels."""

    def of(self, rows: Ints) -> csr_array:
        """[B, N] what is the same as each of these things."""
        ordered = self.label[self.order]
        begin, end = (np.searchsorted(ordered, self.label[rows], side) for side in ("left", "right"))
        ends = np.append(0, np.cumsum(end - begin))
        places = np.arange(ends[-1]) + np.repeat(begin - ends[:-1], end - begin)
        return csr_array((np.ones(places.size, np.float32), self.order[places], ends), shape=(len(rows), len(self.label)))


def grouped(label: Ints) -> Groups:
    """Things by label [N]."""
    return Groups(label, np.argsort(label, kind="stable"))


def nearest(space: Space, shelf: inner_product.Shelf, same: Groups, rows: Ints, most: int) -> inner_product.Best:
    """The `most` things that are likest each of `rows` [B], best first, ties by number, but what is the same as it.

    `shelf`: `inner_product.arranged(space.vectors)`. Things of which nothing is known get none, and are nobody's.
    """
    return inner_product.best(space.vectors[rows], shelf, same.of(rows), most)


def clusters(vectors: Floats, most: int, seed: int, rounds: int = 20) -> tuple[Ints, Reals]:
    """(cluster [n] of each vector [n, V], centres [k, V] of length 1), k <= `most`: k-means by cosine (Dhillon and Modha 2001).

    First centres as k-means++ draws them (Arthur and Vassilvitskii 2007); fewer than `most` where there are fewer directions. Equal
    vectors and seeds give equal clusters. `vectors` must be longer than 0.
    """
    points, draw = to_unit(vectors.astype(np.float64)), np.random.default_rng(seed)
    centres = points[[int(draw.integers(len(points)))]]
    while len(centres) < most:
        away = np.maximum(1 - (points @ centres.T).max(axis=1), 0)
        away[away < NOISE] = 0
        if not away.any():
            break
        picked = int(np.searchsorted(np.cumsum(away), draw.random() * away.sum(), "right"))
        centres = np.vstack([centres, points[min(picked, len(points) - 1)]])
    label = (points @ centres.T).argmax(axis=1)
    for _ in range(rounds):
        member = label == np.arange(len(centres))[:, None]
        # a centre that has lost all its points stays where it is
        centres = np.where(member.any(axis=1)[:, None], to_unit(member.astype(np.float64) @ points), centres)
        before, label = label, (points @ centres.T).argmax(axis=1)
        if np.array_equal(before, label):
            break
    return label, centres
