"""Contract of the networks that re-rank candidates."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from models.data.histories import HistoryDataset, to_batch
from models.data.sessions import PADDING, SessionQueries
from models.next_item import NextItemConfig, train_ranker
from models.training.loop import TrainConfig
from models.types import F32
from tests.models.rankers import (
    LENGTH,
    N_ITEMS,
    RNG,
    Case,
    build,
    candidates,
    contract,
    queries,
    ranker,
    training_queries,
)


@contract
def test_scores_have_the_shape_of_the_candidates_and_padding_is_last(case: Case) -> None:
    shown = candidates()
    scores = ranker(case).score(queries(), shown)
    assert scores.shape == shown.shape
    assert np.isfinite(scores[shown != PADDING]).all()
    assert (scores[shown == PADDING] == -np.inf).all()


@contract
def test_shared_candidates_have_the_scores_of_candidates_of_each_row(case: Case) -> None:
    network, batch = build(case).eval(), to_batch(queries(), LENGTH)
    items = torch.arange(N_ITEMS)
    with torch.no_grad():
        assert_allclose(network(batch, items), network(batch, items.expand(30, -1)), atol=1e-5)


@contract
def test_padding_and_plays_after_the_query_change_no_bit(case: Case) -> None:
    model, given, shown = ranker(case), queries(), candidates()
    scores = model.score(given, shown)
    for row in range(len(given)):
        poisoned = given.items.copy()
        poisoned[given.ends[row] :] = RNG.integers(0, N_ITEMS, poisoned.size - given.ends[row])
        poisoned[: given.past_starts[row]] = RNG.integers(0, N_ITEMS, given.past_starts[row])
        after = model.score(replace(given, items=poisoned), shown)
        assert_array_equal(after[row], scores[row])
    batch = to_batch(given, LENGTH)
    filled = torch.where(batch.valid, batch.items, torch.randint(0, N_ITEMS, batch.items.shape))
    with torch.no_grad():
        network = model.network.eval()
        a, b = (network(replace(batch, items=items), torch.arange(N_ITEMS)) for items in (batch.items, filled))
    assert torch.equal(a, b)


@contract
def test_one_query_has_the_scores_of_its_row_in_a_block(case: Case) -> None:
    model, given, shown = ranker(case), queries(), candidates()
    scores = model.score(given, shown)
    for row in range(len(given)):
        assert_allclose(model.score(given[slice(row, row + 1)], shown[row : row + 1])[0], scores[row], atol=1e-5)


@contract
def test_queries_without_plays_or_with_one_are_finite(case: Case) -> None:
    empty = np.zeros(3, np.int64)
    items = np.array([4, PADDING])
    given = SessionQueries(items, np.zeros(2), empty, np.array([0, 1, 0]), empty, empty, np.array([-1, 0, 1]))
    unknown = replace(given, starts=empty + 1, ends=empty + 2)
    for each in (given, unknown):
        assert np.isfinite(ranker(case).score(each, np.tile(np.arange(N_ITEMS), (3, 1)))).all()


@contract
def test_the_last_play_and_the_history_change_the_score(case: Case) -> None:
    model = ranker(case)
    batch = to_batch(queries(), LENGTH)
    assert bool((batch.lengths > 1).any())
    with torch.no_grad():
        network = model.network.eval()
        scores = network(batch, torch.arange(N_ITEMS))
        other = batch.items.clone()
        other[:, -1] = (other[:, -1] + 1) % N_ITEMS
        changed = (network(replace(batch, items=other), torch.arange(N_ITEMS)) != scores).any(1)
    assert torch.equal(changed, batch.lengths > 0)


@contract
def test_scoring_uses_no_dropout_and_no_random_numbers(case: Case) -> None:
    model, given, shown = ranker(case), queries(), candidates()
    model.network.train()
    state = torch.get_rng_state()
    first = model.score(given, shown)
    assert torch.equal(torch.get_rng_state(), state)
    assert_array_equal(model.score(given, shown), first)
    assert model.network.training


@contract
def test_gradients_reach_every_parameter(case: Case) -> None:
    network, given = build(case).train(), training_queries()
    batch = HistoryDataset(given, LENGTH).__getitems__(list(range(len(given))))
    loss = nn.functional.cross_entropy(network(batch, torch.arange(N_ITEMS)), batch.targets)
    loss.backward()  # type: ignore[no-untyped-call]
    missing = [name for name, value in network.named_parameters() if value.grad is None or not bool(value.grad.any())]
    assert tuple(missing) == case.without_gradient


OBJECTIVES = (NextItemConfig(), NextItemConfig(negatives=12), NextItemConfig("bce", negatives=12))


@contract
def test_training_overfits_few_queries(case: Case) -> None:
    data = HistoryDataset(training_queries()[slice(0, 32)], LENGTH)
    cfg = TrainConfig(epochs=case.epochs, batch_size=32, lr=case.lr, weight_decay=0.0, patience=case.epochs, threads=1)
    result = train_ranker(build(case), data, data, N_ITEMS, NextItemConfig(), cfg)
    best = result.history[result.best_epoch - 1]
    assert best.metrics["hr@20"] == 1
    assert best.metrics["mrr@20"] > 0.5


@contract
@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: f"{o.loss}-{o.negatives}")
def test_training_is_seeded_and_lowers_the_loss(case: Case, objective: NextItemConfig) -> None:
    data = HistoryDataset(training_queries()[slice(0, 64)], LENGTH)
    cfg = TrainConfig(epochs=6, batch_size=32, lr=0.02, weight_decay=0.0, threads=1)
    first, second = build(case), build(case)
    history = train_ranker(first, data, data, N_ITEMS, objective, cfg).history
    assert train_ranker(second, data, data, N_ITEMS, objective, cfg).history == history
    assert history[-1].train_loss < history[0].train_loss
    stored = second.state_dict()
    assert all(torch.equal(value, stored[name]) for name, value in first.state_dict().items())


def test_bce_without_negatives_is_refused() -> None:
    with pytest.raises(ValueError, match="sampled negatives"):
        NextItemConfig("bce")


@contract
def test_stored_weights_give_equal_scores(case: Case) -> None:
    model, other = ranker(case), ranker(case, seed=2)
    other.network.load_state_dict({name: torch.from_numpy(value) for name, value in model.tensors().items()})
    assert_array_equal(other.score(queries(), candidates()), model.score(queries(), candidates()))
    # what is known of the items is data of the night, not of the model
    assert not [name for name in model.tensors() if "tokens" in name or "domain_" in name]


@contract
def test_recommended_items_are_the_best_scores(case: Case) -> None:
    model, given = ranker(case), queries()
    everything = np.tile(np.arange(N_ITEMS), (len(given), 1))
    scores: F32 = model.score(given, everything)
    lists = model.recommend(given, 7)
    order = np.lexsort((everything, -scores), axis=1)[:, :7]
    assert_allclose(lists.scores, np.take_along_axis(scores, order, 1), atol=1e-5)
    assert (lists.items == order).mean() > 0.98
