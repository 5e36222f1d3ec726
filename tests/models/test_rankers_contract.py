"""Contract of the networks that re-rank candidates."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from models.btsama import BTSAMA, BTSAMAConfig
from models.data.histories import HistoryDataset, last_plays, to_batch
from models.data.items import ItemDomains, number_categories
from models.data.sessions import PADDING, SessionQueries, build_sessions, every_position
from models.harm import HARM, HARMConfig
from models.msam import MSAM, MSAMConfig
from models.next_item import NetworkRanker, NextItemConfig, train_ranker
from models.training.loop import TrainConfig
from models.types import F32, I64

N_ITEMS, N_USERS, LENGTH = 40, 12, 6
RNG = np.random.default_rng(3)
ARTIST = np.arange(N_ITEMS) % 8 + 1
DOMAINS = ItemDomains(
    {"artist": ARTIST, "genre": ARTIST % 3},
    {"audio": RNG.normal(size=(N_ITEMS, 5)).astype(np.float32), "text": RNG.normal(size=(N_ITEMS, 4)).astype(np.float32)},
    N_ITEMS,
)


@dataclass(frozen=True)
class Case:
    """A network of the contract."""

    name: str
    build: Callable[[], nn.Module]
    epochs: int = 60
    lr: float = 0.03
    """Epochs and learning rate of the overfitting."""
    without_gradient: tuple[str, ...] = ()
    """Parameters that cannot matter: with a single domain, attention over domains is 1."""


def harm() -> nn.Module:
    return HARM(HARMConfig(dim=16, length=LENGTH), DOMAINS, np.arange(N_ITEMS) < N_ITEMS - 2, N_USERS)


def harm_ids_only() -> nn.Module:
    domains = ItemDomains({}, {}, N_ITEMS)
    return HARM(HARMConfig(dim=16, length=LENGTH), domains, np.ones(N_ITEMS, bool), N_USERS)


TOKENS = RNG.normal(size=(N_ITEMS, 7, 6)).astype(np.float32) * (np.arange(7) < 1 + np.arange(N_ITEMS)[:, None] % 7)[..., None]
TOKENS[-1] = 0  # a track without text


def msam() -> nn.Module:
    return MSAM(MSAMConfig(dim=16, length=LENGTH), DOMAINS, TOKENS)


def msam_ids_only() -> nn.Module:
    return MSAM(MSAMConfig(dim=16, length=LENGTH), ItemDomains({}, {}, N_ITEMS))


def btsama() -> nn.Module:
    return BTSAMA(BTSAMAConfig(dim=16, heads=2, length=LENGTH, dropout=0.1), TOKENS, np.arange(5))


def btsama_texts_and_means() -> nn.Module:
    cfg = BTSAMAConfig(dim=16, length=LENGTH, dropout=0.1, self_attention=False, multi_head=False)
    return BTSAMA(cfg, TOKENS, np.arange(5))


CASES = (
    Case("harm", harm),
    Case("harm, ids only", harm_ids_only, without_gradient=("users.weight", "query.weight", "query.bias")),
    Case("msam", msam),
    Case("msam, ids only", msam_ids_only),
    Case("btsama", btsama, epochs=150, lr=0.01),
    Case("btsama, texts and means", btsama_texts_and_means),
)
contract = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def build(case: Case, seed: int = 1) -> nn.Module:
    torch.manual_seed(seed)
    return case.build()


def ranker(case: Case, seed: int = 1) -> NetworkRanker:
    return NetworkRanker(build(case, seed), LENGTH, N_ITEMS)


def queries(n: int = 30, seed: int = 5) -> SessionQueries:
    """Return queries of 0 to 9 plays, of known and unknown users, some with unknown items."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 10, n)
    ends = np.cumsum(lengths)
    items = rng.integers(0, N_ITEMS, ends[-1])
    items[rng.random(items.size) < 0.1] = PADDING
    starts = ends - lengths
    middle = starts + lengths // 2
    users = rng.integers(-1, N_USERS, n)
    return SessionQueries(items, np.arange(items.size, dtype=np.float64), middle, ends, starts, middle, users)


def candidates(n: int = 30, width: int = 9, seed: int = 6) -> I64:
    rng = np.random.default_rng(seed)
    items = np.stack([rng.permutation(N_ITEMS)[:width] for _ in range(n)])
    items[rng.random(items.shape) < 0.1] = PADDING
    return items


def training_queries(n_sessions: int = 60) -> SessionQueries:
    """Return all positions of sessions that continue items in their order."""
    rng = np.random.default_rng(9)
    lengths = rng.integers(2, 8, n_sessions)
    session = np.repeat(np.arange(n_sessions), lengths)
    step = np.arange(session.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    items = (rng.integers(0, N_ITEMS, n_sessions)[session] + step) % N_ITEMS
    users = rng.integers(0, N_USERS, n_sessions)[session]
    sessions = build_sessions(session, items, np.asarray(session * 1e4 + step, np.float64), users, N_ITEMS, N_USERS)
    return every_position(sessions, sessions.select(np.zeros(len(sessions), bool)))[0]


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


@contract
def test_recommended_items_are_the_best_scores(case: Case) -> None:
    model, given = ranker(case), queries()
    everything = np.tile(np.arange(N_ITEMS), (len(given), 1))
    scores: F32 = model.score(given, everything)
    lists = model.recommend(given, 7)
    order = np.lexsort((everything, -scores), axis=1)[:, :7]
    assert_allclose(lists.scores, np.take_along_axis(scores, order, 1), atol=1e-5)
    assert (lists.items == order).mean() > 0.98


def test_last_plays_are_those_of_session_then_past() -> None:
    items = np.array([9, 8, 7, 1, PADDING, 2, 5])
    given = SessionQueries(
        items, np.zeros(7), np.full(3, 3), np.array([6, 4, 3]), np.array([0, 0, 3]), np.full(3, 3), np.zeros(3, np.int64)
    )
    plays, lengths = last_plays(given, 5)
    assert lengths.tolist() == [4, 4, 0]
    assert plays[0, 1:].tolist() == [8, 7, 1, 2]
    assert plays[1, 1:].tolist() == [9, 8, 7, 1]


def test_a_target_without_a_number_is_refused() -> None:
    given = replace(training_queries(), items=np.full(training_queries().items.size, PADDING))
    with pytest.raises(ValueError, match="unknown item"):
        HistoryDataset(given, LENGTH)


def test_categories_are_numbered_by_name() -> None:
    assert number_categories(["b", None, "a", "b"]).tolist() == [2, 0, 1, 2]


def test_contributions_of_harms_plays_add_up_to_the_score() -> None:
    network, batch, shown = build(CASES[0]).eval(), to_batch(queries(), LENGTH), torch.from_numpy(np.maximum(candidates(), 0))
    assert isinstance(network, HARM)
    with torch.no_grad():
        weights, contributions = network.explain(batch, shown)
        scores = network(batch, shown)
    assert_allclose(contributions.sum(-1) + network.bias[shown].detach(), scores, atol=1e-5)
    assert_allclose(weights.sum(-1), 1, atol=1e-6)
    assert bool((contributions[~batch.valid[:, None].expand_as(contributions)] == 0).all())


def test_harm_ranks_items_without_plays_by_their_other_domains() -> None:
    network = build(CASES[0]).eval()
    assert isinstance(network, HARM)
    _, known = network.embeddings(torch.tensor([0, N_ITEMS - 1]))
    assert known[:, 0].tolist() == [True, False]
    weights, _ = network.explain(to_batch(queries(), LENGTH), torch.full((30, 1), N_ITEMS - 1))
    assert bool((weights[..., 0] == 0).all())
