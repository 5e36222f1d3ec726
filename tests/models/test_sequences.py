"""Padded sequences: windows, inputs of queries, batches of similar length."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from models.data.sequences import PriorCandidates, SequenceConfig, SequenceDataset, blocks, pad, skip_unknown
from models.data.sessions import PADDING, SessionQueries, Sessions, build_sessions
from models.training.batches import POOL_BATCHES, LengthBatches
from models.training.distributed import DistContext
from models.types import I64


def sessions_of(*plays: list[int], users: list[int] | None = None, n_items: int = 100) -> Sessions:
    """Return sessions of these items, a day apart, with a play per minute."""
    keys = np.repeat(np.arange(len(plays)), [len(items) for items in plays])
    times = np.concatenate([86_400.0 * s + 60.0 * np.arange(len(items)) for s, items in enumerate(plays)])
    owners = np.arange(len(plays)) if users is None else np.array(users)
    items = np.array([item for session in plays for item in session])
    return build_sessions(keys, items, times, owners[keys], n_items, int(owners.max()) + 1)


def queries_of(items: list[int], starts: list[int], ends: list[int], past: list[tuple[int, int]]) -> SessionQueries:
    past_starts, past_ends = np.array(past).T
    users = np.zeros(len(starts), np.int64)
    return SessionQueries(
        np.array(items), np.arange(len(items), dtype=np.float64), np.array(starts), np.array(ends), past_starts, past_ends, users
    )


def rows(dataset: SequenceDataset, index: int) -> tuple[list[int], dict[int, int]]:
    """Return the input of a window, and its targets by column."""
    batch = dataset[index]
    assert batch.items.shape[0] == 1
    length = int(batch.lengths[0])
    return batch.items[0, :length].tolist(), dict(zip(batch.positions.tolist(), batch.targets.tolist(), strict=True))


def test_every_play_after_the_first_is_a_target() -> None:
    dataset = SequenceDataset(sessions_of([5, 6, 7], [8], [9, 9]), SequenceConfig())
    assert len(dataset) == 2
    assert dataset.n_positions == 3
    assert rows(dataset, 0) == ([5, 6], {0: 6, 1: 7})
    assert rows(dataset, 1) == ([9], {0: 9})


def test_a_long_session_is_cut_into_windows_that_share_context() -> None:
    dataset = SequenceDataset(sessions_of(list(range(10))), SequenceConfig(max_length=4, overlap=2))
    windows = [rows(dataset, index) for index in range(len(dataset))]
    assert windows == [
        ([0, 1, 2, 3], {0: 1, 1: 2, 2: 3, 3: 4}),
        ([2, 3, 4, 5], {2: 5, 3: 6}),
        ([4, 5, 6, 7], {2: 7, 3: 8}),
        ([5, 6, 7, 8], {3: 9}),
    ]


@pytest.mark.parametrize("length", range(2, 25))
@pytest.mark.parametrize(("max_length", "overlap"), [(1, 0), (3, 0), (5, 2), (5, 4)])
def test_every_play_is_a_target_once(length: int, max_length: int, overlap: int) -> None:
    cfg = SequenceConfig(max_length=max_length, overlap=overlap)
    dataset = SequenceDataset(sessions_of(list(range(length)), [50, 51]), cfg)
    batch = dataset.__getitems__(list(range(len(dataset))))
    assert sorted(batch.targets.tolist()) == [*range(1, length), 51]
    assert dataset.n_positions == length
    # the play before the target is the newest that the position reads
    assert_array_equal(batch.items.flatten()[batch.positions], batch.targets - 1)
    assert int(batch.lengths.max()) <= max_length
    assert_array_equal(dataset.lengths, batch.lengths)


def test_the_past_precedes_the_session_with_a_separator() -> None:
    dataset = SequenceDataset(sessions_of([1, 2, 3], [4, 5], users=[0, 0]), SequenceConfig(past_plays=2), separator=100)
    assert rows(dataset, 0) == ([100, 1, 2], {1: 2, 2: 3})
    assert rows(dataset, 1) == ([2, 3, 100, 4], {3: 5})


def test_inputs_of_queries_are_right_padded_and_end_with_the_last_play() -> None:
    queries = queries_of([1, 2, 3, 4, 5, 6], [3, 3, 6], [4, 6, 6], [(0, 3), (0, 1), (2, 2)])
    items, lengths = pad(queries, SequenceConfig(max_length=2, overlap=0), 9)
    assert items.tolist() == [[4, 0], [5, 6], [0, 0]]
    assert lengths.tolist() == [1, 2, 0]
    items, lengths = pad(queries, SequenceConfig(max_length=2, overlap=0, past_plays=2), 9)
    assert items.tolist() == [[2, 3, 9, 4], [1, 9, 5, 6], [9, 0, 0, 0]]
    assert lengths.tolist() == [4, 4, 1]
    assert pad(queries[:0], SequenceConfig(), 9)[0].shape == (0, 1)


def test_unknown_items_are_skipped() -> None:
    queries = queries_of([1, PADDING, 3, PADDING, 5, PADDING], [2, 3, 5], [6, 4, 6], [(0, 2), (1, 2), (0, 3)])
    known = skip_unknown(queries)
    parts = [known.items[s:e].tolist() for s, e in zip(known.starts, known.ends, strict=True)]
    past = [known.items[s:e].tolist() for s, e in zip(known.past_starts, known.past_ends, strict=True)]
    assert parts == [[3, 5], [], []]
    assert past == [[1], [], [1, 3]]


def test_blocks_cover_all_queries_by_length() -> None:
    queries = queries_of([1, 2, 3, 4], [0, 0, 0, 2], [4, 1, 3, 3], [(0, 0)] * 4)
    parts = list(blocks(queries, 3))
    assert [numbers.tolist() for numbers, _ in parts] == [[1, 3, 2], [0]]
    assert parts[0][1].ends.tolist() == [1, 3, 3]


def test_old_sessions_weigh_less_with_a_half_life() -> None:
    dataset = SequenceDataset(sessions_of([1, 2], [3, 4], [5, 6, 7]), SequenceConfig(half_life_days=1))
    weights = dataset.__getitems__([0, 1, 2]).weights.numpy()
    np.testing.assert_allclose(weights, [0.25, 0.5, 1, 1], rtol=1e-3)


class LastPlay:
    """The last play, with the number of plays of the session so far and in all."""

    n_features = 2

    def candidates(self, queries: SessionQueries, session_ends: I64 | None = None) -> PriorCandidates:
        assert session_ends is not None
        features = np.stack([queries.ends - queries.starts, session_ends - queries.starts], axis=1)
        return PriorCandidates(queries.items[queries.ends - 1][:, None], features[:, None].astype(np.float32))


def test_a_prior_gets_the_plays_before_each_target_and_the_end_of_its_session() -> None:
    dataset = SequenceDataset(sessions_of([5, 6, 7, 8]), SequenceConfig(max_length=2, overlap=1), prior=LastPlay())
    batch = dataset.__getitems__([0, 1])
    assert batch.prior_items.flatten().tolist() == [5, 6, 7]
    assert batch.prior_features[:, 0].tolist() == [[1, 4], [2, 4], [3, 4]]


def test_later_sessions_do_not_change_earlier_windows() -> None:
    plays = sessions_of([1, 2, 3], [4, 5, 6], [1, 9, 9], users=[0, 1, 0])
    cfg = SequenceConfig(past_plays=5)
    poisoned = replace(plays, items=np.append(plays.items[:6], [50, 51, 52]))
    batches = [SequenceDataset(data, cfg, 100).__getitems__([0, 2]) for data in (plays, poisoned)]
    assert_array_equal(batches[0].items, batches[1].items)
    assert_array_equal(batches[0].targets, batches[1].targets)


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_batches_contain_every_sample_once_and_are_of_similar_length(world_size: int) -> None:
    lengths = np.random.default_rng(0).integers(1, 200, 1000)
    ranks = [LengthBatches(lengths, 6, DistContext(rank, world_size), seed=3) for rank in range(world_size)]
    for sampler in ranks:
        sampler.set_epoch(2)
    batches = [[index for part in parts for index in part] for parts in zip(*ranks, strict=True)]
    assert len(batches) == len(ranks[0]) == 167
    assert {index for batch in batches for index in batch} == set(range(1000))
    assert sum(map(len, batches)) - 1000 < world_size
    padding = sum(lengths[batch].max() * len(batch) for batch in batches) / lengths.sum()
    assert padding < 1 + 2 / POOL_BATCHES
    one_rank = LengthBatches(lengths, 6, DistContext(), seed=3)
    one_rank.set_epoch(2)
    assert [set(batch) for batch in one_rank] == [set(batch) for batch in batches]
    one_rank.set_epoch(3)
    assert next(iter(one_rank)) != batches[0]
