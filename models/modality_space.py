"""Similarity of artists and of tracks over several modalities: collaborative, audio, genre, text.

    similarity(i, j) = sum over m of w_m cos(u_im, u_jm)  =  v_i . v_j,     v_i = ( sqrt(w_1) u_i1, ..., sqrt(w_M) u_iM )

m is a modality, w_m its weight; weights are normalized to sum to 1 over the modalities that have any data. u_im is an
item's vector, normalized, minus the mean over all items, normalized again. An artist's u is the mean of its tracks' u,
minus the mean over all artists, normalized. Because the mean is removed, two random items have an expected cosine of 0.

A missing modality is a zero vector, and so neither similar nor dissimilar to anything. An item without audio is
compared by the remaining modalities, in the order that these alone give. Its similarity is at most the sum of their
weights; nothing is imputed. The search is exact (models/exact_index.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from models import exact_index
from models.content_factors import to_unit
from models.exact_index import ExactIndex
from models.topk import TopK
from models.types import F32, F64, I64

EPS = 1e-5
"""A unit vector minus the mean that is shorter than this is rounding error."""


@dataclass(frozen=True)
class ModalitySpace:
    """N items as vectors v."""

    names: tuple[str, ...]
    """The M modalities, in the order of their columns."""
    weights: tuple[float, ...]
    """[M] w; sum 1; 0 for modalities without data."""
    column_ends: tuple[int, ...]
    """[M] end of each modality's columns in `vectors`."""
    vectors: F32
    """[N, V] float32, rounded: the last bits of sums depend on the machine's threads."""

    def cosines(self, a: I64, b: I64) -> F64:
        """Return the cosines [n, M] of item pairs (a, b) [n]; NaN where either item lacks the modality."""
        cosines = np.full((len(a), len(self.names)), np.nan)
        starts = (0, *self.column_ends[:-1])
        for modality, (start, end, weight) in enumerate(zip(starts, self.column_ends, self.weights, strict=True)):
            if weight:
                v_a, v_b = (self.vectors[rows, start:end].astype(np.float64) for rows in (a, b))
                present = v_a.any(axis=1) & v_b.any(axis=1)
                cosine = (v_a[present] * v_b[present]).sum(1) / weight
                cosines[present, modality] = np.clip(cosine, -1, 1)
        return cosines


def center_normalize(rows: F32) -> F32:
    """Return u [N, D]: the rows minus the mean of the non-zero rows, normalized; zero rows stay zero."""
    present = rows.any(axis=1)
    units = np.zeros(rows.shape, np.float32)
    if present.any():
        centered = rows[present] - rows[present].mean(axis=0, dtype=np.float64)
        centered[np.linalg.norm(centered, axis=1) < EPS] = 0
        units[present] = to_unit(centered)
    return units


def artist_means(units: F32, artist: I64, n_artists: int) -> F32:
    """Return the mean [A, D] of the non-zero rows [T, D] of each artist's tracks; `artist` [T], -1: unknown."""
    rows = np.flatnonzero(units.any(axis=1) & (artist >= 0))
    membership = csr_array((np.ones(rows.size), (artist[rows], rows)), shape=(n_artists, len(units)))
    count = np.maximum(np.bincount(artist[rows], minlength=n_artists), 1)
    return np.asarray(membership @ units / count[:, None], np.float32)


def concat_modalities(units: Mapping[str, F32], weights: Mapping[str, float]) -> ModalitySpace:
    """Return the space of the vectors u [N, D_m] by modality; `weights`: at least 0, of any sum.

    Raises ValueError if weights and vectors are of different modalities.
    """
    if set(units) != set(weights):
        raise ValueError(f"vectors have the modalities {', '.join(units)}, weights have {', '.join(weights)}")
    with_data = {name: weights[name] if rows.any() else 0.0 for name, rows in units.items()}
    total = sum(with_data.values()) or 1.0
    normalized = tuple(weight / total for weight in with_data.values())
    parts = [np.round(rows * np.sqrt(weight), 6) for rows, weight in zip(units.values(), normalized, strict=True)]
    ends = np.cumsum([part.shape[1] for part in parts]).tolist()
    return ModalitySpace(tuple(units), normalized, tuple(ends), np.hstack(parts).astype(np.float32))


@dataclass(frozen=True)
class DuplicateGroups:
    """Items that count as the same, such as the tracks of one song; they are never each other's neighbors."""

    label: I64
    """[N] equal for items of one group."""
    order: I64
    """[N] items sorted by label."""

    def members(self, rows: I64) -> csr_array:
        """Return a matrix [B, N] with an entry for each member of the group of each of these items."""
        ordered = self.label[self.order]
        start, stop = (np.searchsorted(ordered, self.label[rows], side) for side in ("left", "right"))
        indptr = np.append(0, np.cumsum(stop - start))
        entries = np.arange(indptr[-1]) + np.repeat(start - indptr[:-1], stop - start)
        ones = np.ones(entries.size, np.float32)
        return csr_array((ones, self.order[entries], indptr), shape=(len(rows), len(self.label)))


def group_by_label(label: I64) -> DuplicateGroups:
    """Return the groups of items with equal labels [N]."""
    return DuplicateGroups(label, np.argsort(label, kind="stable"))


def nearest_neighbors(space: ModalitySpace, index: ExactIndex, duplicates: DuplicateGroups, rows: I64, k: int) -> TopK:
    """Return the k items most similar to each of `rows` [B], without its duplicates, best first, ties by item.

    `index`: `exact_index.build_index(space.vectors)`. Items without any data have no neighbors and are neighbors of none.
    """
    return exact_index.search(space.vectors[rows], index, duplicates.members(rows), k)


def spherical_kmeans(vectors: F32, max_clusters: int, seed: int, rounds: int = 20) -> tuple[I64, F64]:
    """Return the cluster [n] of each vector [n, V], and unit centers [k, V]: k-means by cosine (Dhillon and Modha
    2001).

    Initial centers: k-means++ (Arthur and Vassilvitskii 2007). k is smaller than `max_clusters` if there are fewer
    directions. Equal vectors and seeds give equal clusters. `vectors` must not be zero.
    """
    points, rng = to_unit(vectors.astype(np.float64)), np.random.default_rng(seed)
    centers = points[[int(rng.integers(len(points)))]]
    while len(centers) < max_clusters:
        distance = np.maximum(1 - (points @ centers.T).max(axis=1), 0)
        distance[distance < EPS] = 0
        if not distance.any():
            break
        next_center = int(np.searchsorted(np.cumsum(distance), rng.random() * distance.sum(), "right"))
        centers = np.vstack([centers, points[min(next_center, len(points) - 1)]])
    label = (points @ centers.T).argmax(axis=1)
    for _ in range(rounds):
        membership = label == np.arange(len(centers))[:, None]
        # a center that lost all its points stays where it is
        means = to_unit(membership.astype(np.float64) @ points)
        centers = np.where(membership.any(axis=1)[:, None], means, centers)
        previous, label = label, (points @ centers.T).argmax(axis=1)
        if np.array_equal(previous, label):
            break
    return label, centers
