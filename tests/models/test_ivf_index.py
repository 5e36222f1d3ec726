"""One contract for exact search and for approximate search that probes every list."""

import pickle
from collections.abc import Callable, Iterator

import faiss
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from models import exact_index, ivf_index
from models.ivf_index import FaissNotInstalledError
from models.topk import TopK
from models.types import F32, I64

Search = Callable[[F32, F32, csr_array, int], TopK]


def exactly(users: F32, items: F32, seen: csr_array, k: int) -> TopK:
    return exact_index.search(users, exact_index.build_index(items), seen, k)


def in_all_lists(users: F32, items: F32, seen: csr_array, k: int) -> TopK:
    return ivf_index.search(users, ivf_index.build_index(items, probes=ivf_index.MAX_LISTS), seen, k)


def in_one_list(users: F32, items: F32, seen: csr_array, k: int) -> TopK:
    return ivf_index.search(users, ivf_index.build_index(items, probes=1), seen, k)


every_pair = pytest.mark.parametrize("search", [exactly, in_all_lists])
every_search = pytest.mark.parametrize("search", [exactly, in_all_lists, in_one_list])


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set all chunk sizes so small that small data has several chunks; use one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(exact_index, "TILE", 29)
    monkeypatch.setattr(exact_index, "USER_BATCH", 13)
    monkeypatch.setattr(exact_index, "MAX_PENDING_PAIRS", 150)
    monkeypatch.setattr(exact_index, "CHUNK_PAIRS", 40)
    monkeypatch.setattr(ivf_index, "ITEMS_PER_LIST", 8)
    monkeypatch.setattr(ivf_index, "MAX_BATCH_CELLS", 200)
    yield
    torch.set_num_threads(threads)


def by_hand(users: F32, items: F32, seen: csr_array, k: int) -> list[list[int]]:
    """Score all pairs in float64."""
    scores = users.astype(np.float64) @ items.astype(np.float64).T
    scores[:, ~(items != 0).any(1)] = -np.inf
    scores[~(users != 0).any(1)] = -np.inf
    scores[seen.toarray() != 0] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return [[i for i in line.tolist() if scores[row, i] > -np.inf] for row, line in enumerate(order)]


def listed(actual: TopK, users: int) -> list[list[int]]:
    return [actual.item[actual.row == row].tolist() for row in range(users)]


def full(rng: np.random.Generator, rows: int, rank: int) -> F32:
    """Factors are small integers: products are exact, and many are equal."""
    return rng.integers(-2, 3, (rows, rank)).astype(np.float32)


def nothing(users: int, items: int) -> csr_array:
    return csr_array((users, items), dtype=np.float32)


@every_pair
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 90), st.integers(1, 25), st.floats(0, 1))
def test_lists_equal_a_scan_of_all_pairs(
    search: Search, seed: int, users: int, items: int, k: int, seen_share: float
) -> None:
    rng = np.random.default_rng(seed)
    x, y = full(rng, users, 3), full(rng, items, 3)
    seen = csr_array((rng.random((users, items)) < seen_share).astype(np.float32))
    actual = search(x, y, seen, k)
    assert listed(actual, users) == by_hand(x, y, seen, k)
    assert all(actual.rank[actual.row == row].tolist() == list(range((actual.row == row).sum())) for row in range(users))
    np.testing.assert_array_equal(actual.score, (x[actual.row] * y[actual.item]).sum(1))


@every_pair
def test_items_of_very_different_norms_are_ranked_in_float64(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    rng = np.random.default_rng(3)
    y = (rng.normal(size=(20_000, 16)) * 10.0 ** rng.uniform(-4, 0, (20_000, 1))).astype(np.float32)
    # neighbors that float32 cannot tell apart
    y[10_000:] = y[:10_000] * np.float32(1 + 1e-7)
    x = rng.normal(size=(300, 16)).astype(np.float32)
    assert listed(search(x, y, nothing(300, 20_000), 20), 300) == by_hand(x, y, nothing(300, 20_000), 20)


@every_search
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 150), st.floats(0, 1))
def test_lists_are_as_long_as_unseen_items_allow(
    search: Search, seed: int, items: int, seen_share: float
) -> None:
    rng = np.random.default_rng(seed)
    x, y = full(rng, 30, 4), full(rng, items, 4)
    seen = csr_array((rng.random((30, items)) < seen_share * rng.random((30, 1))).astype(np.float32))
    actual = search(x, y, seen, 20)
    assert [len(one) for one in listed(actual, 30)] == [len(one) for one in by_hand(x, y, seen, 20)]
    assert not seen.toarray()[actual.row, actual.item].any()
    assert np.unique(actual.row * items + actual.item).size == actual.item.size
    np.testing.assert_array_equal(actual.score, (x[actual.row] * y[actual.item]).sum(1))
    order = np.lexsort((actual.item, -actual.score, actual.row))
    np.testing.assert_array_equal(order, np.arange(order.size))


@every_search
def test_query_that_has_seen_the_best_thousands_gets_the_next(search: Search) -> None:
    """The seen items are the ones that the search would have found."""
    y = np.linspace(2, 1, 3_000, dtype=np.float32)[:, None] * np.ones((1, 4), np.float32)
    seen = csr_array((np.ones(2_900, np.float32), (np.zeros(2_900, int), np.arange(2_900))), shape=(2, 3_000))
    actual = search(np.ones((2, 4), np.float32), y, seen, 20)
    assert actual.item[actual.row == 0].tolist() == list(range(2_900, 2_920))


@every_search
def test_empty_queries_and_zero_factors_give_empty_lists(search: Search) -> None:
    in_index, unknown = np.ones((3, 4), np.float32), np.zeros((3, 4), np.float32)
    for x, y in ((np.empty((0, 4), np.float32), in_index), (unknown, in_index), (in_index, unknown)):
        actual = search(x, y, nothing(len(x), 3), 5)
        assert actual.row.size == actual.item.size == actual.rank.size == actual.score.size == 0


def sampled(items: int) -> tuple[F32, F32, csr_array]:
    """300 users, items of forty tastes with varying norms, and seen items."""
    rng = np.random.default_rng(5)
    tastes = rng.normal(size=(40, 16))
    y = (tastes[rng.integers(0, 40, items)] + rng.normal(size=(items, 16))) * rng.lognormal(-2, 1, (items, 1))
    x = tastes[rng.integers(0, 40, 300)] + rng.normal(size=(300, 16))
    seen = csr_array((rng.random((300, items)) < 0.3 * rng.random((300, 1)) ** 4).astype(np.float32))
    return x.astype(np.float32), y.astype(np.float32), seen


def same(one: TopK, other: TopK) -> None:
    for name in TopK.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@every_search
def test_lists_do_not_depend_on_the_other_queries_of_a_batch(search: Search) -> None:
    x, y, seen = sampled(500)
    actual = search(x, y, seen, 20)
    for row in (0, 17, 299):
        alone = search(x[row : row + 1], y, seen[row : row + 1], 20)
        in_row: I64 = actual.row == row
        np.testing.assert_array_equal(alone.item, actual.item[in_row])
        np.testing.assert_allclose(alone.score, actual.score[in_row], rtol=1e-14)


def test_approximate_search_has_high_recall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(ivf_index, "ITEMS_PER_LIST", 32)
    x, y, seen = sampled(25_000)
    index = ivf_index.build_index(y)
    assert len(index.centroids) > 10 * ivf_index.PROBES
    actual, expected = ivf_index.search(x, index, seen, 20), exactly(x, y, seen, 20)
    pairs = [one.row * len(y) + one.item for one in (actual, expected)]
    assert np.isin(pairs[1], pairs[0]).mean() >= 0.98


def test_large_catalogue_probes_twice_as_many_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    items = sampled(40)[1]
    assert ivf_index.build_index(items).probes == ivf_index.PROBES
    monkeypatch.setattr(ivf_index, "LARGE_CATALOGUE", len(items) - 1)
    assert ivf_index.build_index(items).probes == 2 * ivf_index.PROBES


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_index_and_lists_do_not_depend_on_threads_and_restore_them(threads: int) -> None:
    x, y, seen = sampled(1_500)
    once = ivf_index.search(x, ivf_index.build_index(y), seen, 20)
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        same(ivf_index.search(x, ivf_index.build_index(y), seen, 20), once)
        assert faiss.omp_get_max_threads() == threads
    finally:
        faiss.omp_set_num_threads(before)


def test_pickled_index_finds_the_same() -> None:
    x, y, seen = sampled(2_000)
    index = ivf_index.build_index(y)
    same(ivf_index.search(x, pickle.loads(pickle.dumps(index)), seen, 20), ivf_index.search(x, index, seen, 20))


def test_search_without_faiss_raises_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ivf_index, "HAS_FAISS", False)
    with pytest.raises(FaissNotInstalledError, match="pip install faiss-cpu"):
        ivf_index.build_index(np.ones((3, 4), np.float32))
