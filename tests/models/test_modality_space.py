"""Similarity of artists and tracks, compared with a computation of all pairs, with and without missing modalities."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from models import exact_index
from models.content_factors import to_unit
from models.modality_space import (
    ModalitySpace,
    artist_means,
    center_normalize,
    concat_modalities,
    group_by_label,
    nearest_neighbors,
    spherical_kmeans,
)

RNG = np.random.default_rng(11)
WEIGHTS = {"listeners": 2.0, "sound": 1.0, "genre": 1.0}


def sampled(things: int, unknown: float = 0.3) -> dict[str, np.ndarray]:
    """Vectors of three modalities, a share of them missing."""
    actual = {}
    for name, width in zip(WEIGHTS, (8, 5, 3), strict=True):
        rows = RNG.normal(size=(things, width)).astype(np.float32)
        rows[RNG.random(things) < unknown] = 0
        actual[name] = center_normalize(rows)
    return actual


def by_hand(units: dict[str, np.ndarray]) -> np.ndarray:
    """Similarities [N, N] of all pairs by the formula."""
    total = sum(WEIGHTS.values())
    return np.asarray(sum(weight / total * (units[name].astype(float) @ units[name].T) for name, weight in WEIGHTS.items()))


def neighbors(space: ModalitySpace, label: np.ndarray, k: int) -> dict[int, list[int]]:
    rows = np.arange(len(label))
    actual = nearest_neighbors(space, exact_index.build_index(space.vectors), group_by_label(label), rows, k)
    return {row: actual.item[actual.row == row].tolist() for row in rows.tolist()}


def test_neighbors_equal_a_scan_of_all_pairs() -> None:
    units = sampled(3_000)
    label = RNG.integers(0, 2_000, 3_000)
    actual, likeness = neighbors(concat_modalities(units, WEIGHTS), label, 7), by_hand(units)
    unknown = np.logical_not(np.hstack([*units.values()]).any(axis=1))
    for row in (*range(50), *np.flatnonzero(unknown)[:3]):
        able = np.where((label == label[row]) | unknown, -np.inf, likeness[row])
        assert len(actual[row]) == (0 if unknown[row] else 7)
        np.testing.assert_allclose(likeness[row][actual[row]], np.sort(able)[::-1][: len(actual[row])], atol=1e-4)
    assert neighbors(concat_modalities(units, WEIGHTS), label, 7) == actual


def test_missing_modality_leaves_the_order_to_the_others_and_its_cosine_is_nan() -> None:
    units = sampled(200, unknown=0)
    units["sound"][0] = 0
    others = {name: rows for name, rows in units.items() if name != "sound"}
    weights = {name: weight for name, weight in WEIGHTS.items() if name != "sound"}
    label = np.arange(200)
    full, rest = concat_modalities(units, WEIGHTS), concat_modalities(others, weights)
    assert neighbors(full, label, 50)[0] == neighbors(rest, label, 50)[0]
    cosines = full.cosines(np.array([0, 1]), np.array([1, 2]))
    assert np.isnan(cosines).tolist() == [[False, True, False], [False] * 3]
    expected = [float(units[name][1] @ units[name][2]) for name in WEIGHTS]
    np.testing.assert_allclose(cosines[1], expected, atol=1e-4)


def test_modality_without_data_gets_weight_zero() -> None:
    units = {**sampled(20, unknown=0), "sound": np.zeros((20, 0), np.float32)}
    space = concat_modalities(units, WEIGHTS)
    np.testing.assert_allclose(space.weights, (2 / 3, 0, 1 / 3))
    assert np.isnan(space.cosines(np.array([0]), np.array([1]))[0, 1])
    np.testing.assert_allclose(np.linalg.norm(space.vectors, axis=1), 1, atol=1e-4)
    with pytest.raises(ValueError, match="vectors have the modalities"):
        concat_modalities(units, {"listeners": 1.0})


def test_centered_vectors_have_mean_zero_and_constant_ones_vanish() -> None:
    rows = np.vstack([to_unit(RNG.normal(size=(500, 4)) + 3), np.zeros((2, 4))]).astype(np.float32)
    actual = center_normalize(rows)
    assert abs(float((actual[:500] @ actual[:500].T).mean())) < 0.1 < float((rows[:500] @ rows[:500].T).mean())
    assert not actual[500:].any()
    assert not center_normalize(np.full((9, 4), 0.5, np.float32)).any()


def test_artist_vector_is_the_mean_of_its_non_zero_tracks() -> None:
    units = np.array([[1, 0], [0, 1], [0, 0], [1, 0]], np.float32)
    means = artist_means(units, np.array([0, 0, 0, -1]), 2)
    assert means.tolist() == [[0.5, 0.5], [0, 0]]


def test_planted_clusters_are_recovered_deterministically() -> None:
    centres = to_unit(RNG.normal(size=(4, 16)))
    truth = RNG.integers(0, 4, 120)
    vectors = (centres[truth] * 3 + RNG.normal(size=(120, 16)) * 0.4).astype(np.float32)
    label, actual = spherical_kmeans(vectors, 4, seed=5)
    pairs = {(int(a), int(b)) for a, b in zip(truth, label, strict=True)}
    assert len(pairs) == len(actual) == 4
    assert np.array_equal(label, spherical_kmeans(vectors, 4, seed=5)[0])
    points = to_unit(vectors.astype(np.float64))
    kmeans = KMeans(4, n_init=5, random_state=0).fit(points)
    agreed = {(int(a), int(b)) for a, b in zip(kmeans.labels_, label, strict=True)}
    assert len(agreed) == 4


def test_fewer_directions_give_fewer_clusters() -> None:
    label, centres = spherical_kmeans(np.array([[2.0, 0], [1, 0], [0, 3]], np.float32), 4, seed=1)
    assert len(centres) == 2
    assert label[0] == label[1] != label[2]
