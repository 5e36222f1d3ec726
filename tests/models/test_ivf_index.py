"""The best N by inner product: one contract for the exact search and for the approximate one that looks into every list."""

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


def exactly(users: F32, items: F32, heard: csr_array, most: int) -> TopK:
    return exact_index.search(users, exact_index.build_index(items), heard, most)


def in_all_lists(users: F32, items: F32, heard: csr_array, most: int) -> TopK:
    return ivf_index.search(users, ivf_index.build_index(items, probes=ivf_index.MAX_LISTS), heard, most)


def in_one_list(users: F32, items: F32, heard: csr_array, most: int) -> TopK:
    return ivf_index.search(users, ivf_index.build_index(items, probes=1), heard, most)


every_pair = pytest.mark.parametrize("search", [exactly, in_all_lists])
every_search = pytest.mark.parametrize("search", [exactly, in_all_lists, in_one_list])


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """All that is cut up, or gathers, so small that small data has several pieces; one thread, as these are not worth more."""
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


def by_hand(users: F32, items: F32, heard: csr_array, most: int) -> list[list[int]]:
    """Every pair, in float64."""
    scores = users.astype(np.float64) @ items.astype(np.float64).T
    scores[:, ~(items != 0).any(1)] = -np.inf
    scores[~(users != 0).any(1)] = -np.inf
    scores[heard.toarray() != 0] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :most]
    return [[i for i in line.tolist() if scores[row, i] > -np.inf] for row, line in enumerate(order)]


def listed(found: TopK, users: int) -> list[list[int]]:
    return [found.item[found.row == row].tolist() for row in range(users)]


def whole(draw: np.random.Generator, rows: int, rank: int) -> F32:
    """Factors of small whole numbers: products are exact, and many are equal."""
    return draw.integers(-2, 3, (rows, rank)).astype(np.float32)


def nothing(users: int, items: int) -> csr_array:
    return csr_array((users, items), dtype=np.float32)


@every_pair
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 90), st.integers(1, 25), st.floats(0, 1))
def test_lists_are_those_of_looking_at_every_pair(
    search: Search, seed: int, users: int, items: int, most: int, share: float
) -> None:
    draw = np.random.default_rng(seed)
    x, y = whole(draw, users, 3), whole(draw, items, 3)
    heard = csr_array((draw.random((users, items)) < share).astype(np.float32))
    found = search(x, y, heard, most)
    assert listed(found, users) == by_hand(x, y, heard, most)
    assert all(found.rank[found.row == row].tolist() == list(range((found.row == row).sum())) for row in range(users))
    np.testing.assert_array_equal(found.score, (x[found.row] * y[found.item]).sum(1))


@every_pair
def test_items_of_very_different_length_are_settled_in_float64(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    draw = np.random.default_rng(3)
    y = (draw.normal(size=(20_000, 16)) * 10.0 ** draw.uniform(-4, 0, (20_000, 1))).astype(np.float32)
    # neighbours that float32 cannot tell apart
    y[10_000:] = y[:10_000] * np.float32(1 + 1e-7)
    x = draw.normal(size=(300, 16)).astype(np.float32)
    assert listed(search(x, y, nothing(300, 20_000), 20), 300) == by_hand(x, y, nothing(300, 20_000), 20)


@every_search
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 150), st.floats(0, 1))
def test_lists_have_every_place_that_unheard_items_can_fill(
    search: Search, seed: int, items: int, share: float
) -> None:
    draw = np.random.default_rng(seed)
    x, y = whole(draw, 30, 4), whole(draw, items, 4)
    heard = csr_array((draw.random((30, items)) < share * draw.random((30, 1))).astype(np.float32))
    found = search(x, y, heard, 20)
    assert [len(one) for one in listed(found, 30)] == [len(one) for one in by_hand(x, y, heard, 20)]
    assert not heard.toarray()[found.row, found.item].any()
    assert np.unique(found.row * items + found.item).size == found.item.size
    np.testing.assert_array_equal(found.score, (x[found.row] * y[found.item]).sum(1))
    order = np.lexsort((found.item, -found.score, found.row))
    np.testing.assert_array_equal(order, np.arange(order.size))


@every_search
def test_who_hears_of_the_best_in_thousands_gets_the_next(search: Search) -> None:
    """What was heard is what would have been found."""
    y = np.linspace(2, 1, 3_000, dtype=np.float32)[:, None] * np.ones((1, 4), np.float32)
    heard = csr_array((np.ones(2_900, np.float32), (np.zeros(2_900, int), np.arange(2_900))), shape=(2, 3_000))
    found = search(np.ones((2, 4), np.float32), y, heard, 20)
    assert found.item[found.row == 0].tolist() == list(range(2_900, 2_920))


@every_search
def test_nobody_gets_nothing_and_nothing_is_found_where_nothing_is_known(search: Search) -> None:
    known, unknown = np.ones((3, 4), np.float32), np.zeros((3, 4), np.float32)
    for x, y in ((np.empty((0, 4), np.float32), known), (unknown, known), (known, unknown)):
        found = search(x, y, nothing(len(x), 3), 5)
        assert found.row.size == found.item.size == found.rank.size == found.score.size == 0


def drawn(items: int) -> tuple[F32, F32, csr_array]:
    """300 users, items of forty tastes whose lengths are spread, and who has heard what."""
    draw = np.random.default_rng(5)
    tastes = draw.normal(size=(40, 16))
    y = (tastes[draw.integers(0, 40, items)] + draw.normal(size=(items, 16))) * draw.lognormal(-2, 1, (items, 1))
    x = tastes[draw.integers(0, 40, 300)] + draw.normal(size=(300, 16))
    heard = csr_array((draw.random((300, items)) < 0.3 * draw.random((300, 1)) ** 4).astype(np.float32))
    return x.astype(np.float32), y.astype(np.float32), heard


def same(one: TopK, other: TopK) -> None:
    for name in TopK.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@every_search
def test_lists_do_not_depend_on_who_asks_with_whom(search: Search) -> None:
    x, y, heard = drawn(500)
    found = search(x, y, heard, 20)
    for row in (0, 17, 299):
        alone = search(x[row : row + 1], y, heard[row : row + 1], 20)
        mine: I64 = found.row == row
        np.testing.assert_array_equal(alone.item, found.item[mine])
        np.testing.assert_allclose(alone.score, found.score[mine], rtol=1e-14)


def test_nearly_all_of_the_best_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(ivf_index, "ITEMS_PER_LIST", 32)
    x, y, heard = drawn(25_000)
    shelf = ivf_index.build_index(y)
    assert len(shelf.centroids) > 10 * ivf_index.PROBES
    found, wanted = ivf_index.search(x, shelf, heard, 20), exactly(x, y, heard, 20)
    pairs = [one.row * len(y) + one.item for one in (found, wanted)]
    assert np.isin(pairs[1], pairs[0]).mean() >= 0.98


def test_in_a_large_catalogue_twice_as_many_lists_are_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    items = drawn(40)[1]
    assert ivf_index.build_index(items).probes == ivf_index.PROBES
    monkeypatch.setattr(ivf_index, "LARGE_CATALOGUE", len(items) - 1)
    assert ivf_index.build_index(items).probes == 2 * ivf_index.PROBES


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_index_and_lists_do_not_depend_on_threads_and_threads_stay(threads: int) -> None:
    x, y, heard = drawn(1_500)
    once = ivf_index.search(x, ivf_index.build_index(y), heard, 20)
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        same(ivf_index.search(x, ivf_index.build_index(y), heard, 20), once)
        assert faiss.omp_get_max_threads() == threads
    finally:
        faiss.omp_set_num_threads(before)


def test_a_shelf_goes_to_spark_s_tasks_and_finds_the_same() -> None:
    x, y, heard = drawn(2_000)
    shelf = ivf_index.build_index(y)
    same(ivf_index.search(x, pickle.loads(pickle.dumps(shelf)), heard, 20), ivf_index.search(x, shelf, heard, 20))


def test_without_faiss_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ivf_index, "HAS_FAISS", False)
    with pytest.raises(FaissNotInstalledError, match="pip install faiss-cpu"):
        ivf_index.build_index(np.ones((3, 4), np.float32))
