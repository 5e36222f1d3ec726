"""Lists of a block of users, flat, as the job `candidates` keeps them. Here by factors; models/pmrs_cf.py: by all scores."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_array

from models import approximate, inner_product
from models.implicit_factors import ImplicitFactors
from models.top_n import Floats, Ints, Recommender, strongest

OVERALL = -1
"""The overall list, where the others go by their genre."""


@dataclass(frozen=True)
class Lists:
    """Places [n] of lists of users: users upwards, then the overall list, then genres upwards, then best first."""

    row: Ints
    """Which user of the block."""
    genre: Ints
    """Which list; OVERALL or a genre."""
    item: Ints
    score: Floats
    percentile: Floats
    """s(u, c), models/pmrs_cf.py."""
    taste: Floats
    """theta_u of the list's genre; 1 for the overall list."""


def joined(parts: list[Lists]) -> Lists:
    """Lists of the same users as one."""
    names = tuple(Lists.__dataclass_fields__)
    row, genre, *others = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
    order = np.lexsort((genre, row))  # stable: best first stays
    return Lists(row[order], genre[order], *(other[order] for other in others))


def by_factors(
    model: ImplicitFactors, shelf: inner_product.Shelf | approximate.Shelf, asked: csr_array, most: int
) -> Lists:
    """The overall list by scores x_u . y_i alone, without the scores of all other tracks.

    A track's percentile is its place among the tracks unheard: the share of those that are not above it. (Of an approximate shelf,
    as if what was not found were below.)
    """
    users = model.fold_in(asked)
    if isinstance(shelf, approximate.Shelf):
        found = approximate.best(users, shelf, asked, most)
    else:
        found = inner_product.best(users, shelf, asked, most)
    known = np.zeros(asked.shape[0], dtype=np.int64)
    np.add.at(known, np.repeat(np.arange(asked.shape[0]), np.diff(asked.indptr)), shelf.place[asked.indices] >= 0)
    offered = (np.count_nonzero(shelf.place >= 0) - known)[found.row]
    share = ((offered - found.rank) / offered).astype(np.float32)
    return Lists(found.row, np.full(found.row.size, OVERALL), found.item, share, share, np.ones_like(share))


def because(model: Recommender, asked: csr_array, lists: Lists) -> Ints:
    """For each place [n] the track of the user's history that carried most of its score; -1 where none did."""
    edges = np.searchsorted(lists.row, np.arange(asked.shape[0] + 1))
    picked = [lists.item[begin:end] for begin, end in pairwise(edges)]
    found = np.full(lists.item.size, -1, dtype=np.int64)
    for row, shares in enumerate(model.carried(asked, picked)):
        span = slice(asked.indptr[row], asked.indptr[row + 1])
        found[edges[row] : edges[row + 1]] = strongest(shares, asked.indices[span].astype(np.int64), asked.data[span])
    return found
