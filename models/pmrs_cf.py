"""PMRS collaborative filtering: a user's genre taste, times what a track is, times how well it fits (Eq. 1-4).

The paper prints V = U_M (x) C_M without saying what the product is, and its equations forget the similar users that
its section I promises. Read here as:

    theta_u(g) = sum over m in U_M of R_m P(g|m) / sum over m in U_M of R_m       the user's genre profile
    s(u, c)    = share of u's unheard tracks that do not score above c            percentile of the collaborative score
    list of g  : P(g|c) s(u, c), over tracks whose most probable genre is g
    overall    : sum over g of theta_u(g) P(g|c) s(u, c)

s is a percentile because collaborative scores may be negative, and would turn a product around. Tracks without a known
genre form one more class in theta and P, so that listeners of unlabelled music get an overall list too. The collaborative score
is any recommender's (models/top_n.py); PMRS's own is matrix factorisation. Of a recommender on its own, without PMRS's say about
genres, the overall list is s alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from models.top_n import Floats, Ints, worth_sorting


@dataclass(frozen=True)
class Catalogue:
    """The I tracks of the collaborative model, in the order of their ids (ties are broken by that order)."""

    genre_probabilities: Floats
    """[I, G + 1] P(g|c); the last class is "genre unknown". Rows sum to 1."""
    genre: Ints
    """[I] most probable genre, G where unknown."""

    @property
    def classes(self) -> int:
        """G + 1."""
        return int(self.genre_probabilities.shape[1])


@dataclass(frozen=True)
class Listener:
    """One user: `heard`, item numbers never to be offered; `rated` and `ratings`, those with R >= T_R."""

    heard: Ints
    rated: Ints
    ratings: Floats


@dataclass(frozen=True)
class Picks:
    """The top of one list of one user: item numbers [n], their scores and percentiles, and theta of the list's genre."""

    genre: int
    """The list's genre, or -1 for the overall list."""
    items: Ints
    scores: Floats
    percentiles: Floats
    taste: float


def genre_profile(listener: Listener, catalogue: Catalogue) -> Floats:
    """theta_u [G + 1]; zeros for a user without ratings."""
    weights = listener.ratings
    if weights.size == 0 or float(weights.sum()) == 0.0:
        return np.zeros(catalogue.classes, dtype=np.float32)
    profile: Floats = weights @ catalogue.genre_probabilities[listener.rated] / weights.sum()
    return profile.astype(np.float32)


def percentiles(scores: Floats, listeners: list[Listener]) -> Floats:
    """S [B, I]: (n - rank) / n among the n unheard tracks of which a recommender knows something, best first; -1 for the others.

    `scores` [B, I]: a recommender's, in which 0 exactly says that nothing is known.
    """
    found = torch.from_numpy(np.where(scores == 0, -np.inf, scores).astype(np.float32))
    for row, one in enumerate(listeners):
        found[row, torch.from_numpy(one.heard)] = -torch.inf
    order = torch.sort(found, dim=1, descending=True, stable=True).indices  # ties: first id first
    offered = torch.isfinite(found).sum(dim=1, keepdim=True)  # [B, 1]
    rank = torch.arange(found.shape[1]).expand_as(order)
    share = torch.where(rank < offered, (offered - rank) / offered.clamp(min=1), -1.0).float()
    return np.asarray(torch.empty_like(share).scatter_(1, order, share).numpy())


def top_lists(
    scores: Floats, listeners: list[Listener], catalogue: Catalogue, overall: int, per_genre: int, by_taste: bool = True
) -> Iterator[list[Picks]]:
    """For each user the overall list's best `overall` tracks, and each genre's best `per_genre`; exact, never a heard one.

    `scores` [B, I]: the collaborative ones; `by_taste`: whether theta has a say in the overall list, as PMRS has it.
    """
    members = [np.flatnonzero(catalogue.genre == g) for g in range(catalogue.classes - 1)]
    every = np.arange(len(catalogue.genre))
    for one, share in zip(listeners, percentiles(scores, listeners), strict=True):
        taste = genre_profile(one, catalogue)
        fit = catalogue.genre_probabilities @ taste if by_taste else 1.0  # [I]: sum over g of theta(g) P(g|c)
        lists = [_best(every, fit * share, share, overall, -1, 1.0)]
        for g, inside in enumerate(members):
            score = catalogue.genre_probabilities[inside, g] * share[inside]
            lists.append(_best(inside, score, share[inside], per_genre, g, float(taste[g])))
        yield [picks for picks in lists if picks.items.size]


def _best(items: Ints, scores: Floats, share: Floats, most: int, genre: int, taste: float) -> Picks:
    """The `most` best offered of these items: by score, then percentile, then id."""
    allowed = worth_sorting(scores, np.flatnonzero(share >= 0), most)
    order = np.lexsort((items[allowed], -share[allowed], -scores[allowed]))[:most]
    chosen = allowed[order]
    return Picks(genre, items[chosen], scores[chosen].astype(np.float32), share[chosen], taste)
