"""What every session network must do, whatever its options: masks, causality, ranking, training, storage."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import Tensor, distributed, nn
from torch.multiprocessing.spawn import spawn

from models.data.sequences import PriorFeatures, SequenceConfig, SequenceDataset
from models.data.sessions import PADDING, SessionQueries, Sessions, build_sessions, every_position
from models.gru4rec import BPR_MAX, CROSS_ENTROPY, GRU4RecConfig, fit_gru4rec, improved_gru4rec
from models.narm import NARMConfig, fit_narm
from models.sasrec import SASRecConfig, fit_sasrec
from models.sequence_losses import LossConfig, loss_sum
from models.sequence_network import SequenceNetwork, SequenceNetworkConfig, SessionNetworkModel, output_of, top_items
from models.sequence_priors import CombinedPriors, SessionRepeats, Transitions, UserPast
from models.sequence_training import SequenceObjective, SequenceTrainConfig, TrainedNetwork, fit_network, set_counts
from models.session_networks import build, from_bytes, from_card, to_bytes, to_card
from models.training.checkpoint import CheckpointMismatchError, TrainState, from_tensors, to_tensors
from models.training.loop import TrainConfig
from models.training.sampled import NegativeSampler
from models.types import I64

N, D = 30, 8
INPUTS = SequenceConfig(max_length=6, overlap=3)
PAST = replace(INPUTS, past_plays=4)
CONFIGS: dict[str, SequenceNetworkConfig] = {
    "sasrec": SASRecConfig(N, D, inputs=INPUTS),
    "sasrec separate": SASRecConfig(N, D, tied=False, inputs=INPUTS, cosine_temperature=0.1),
    "sasrec ligr": SASRecConfig(N, D, block="ligr", positions="relative", item_dropout=0.2, inputs=INPUTS),
    "sasrec past": SASRecConfig(N, D, projection=False, inputs=PAST),
    "gru4rec": GRU4RecConfig(N, D, inputs=INPUTS),
    "gru4rec improved": improved_gru4rec(N, dim=D, inputs=INPUTS),
    "gru4rec past": GRU4RecConfig(N, D, layers=2, inputs=PAST),
    "narm": NARMConfig(N, D, hidden=5, inputs=INPUTS),
    "narm separate": NARMConfig(N, D, hidden=5, tied=False, inputs=INPUTS),
}
LOSSES = {
    "softmax": LossConfig(),
    "sampled": LossConfig("sampled_softmax", negatives=16),
    "gru4rec": replace(CROSS_ENTROPY, negatives=16),
    "bpr_max": replace(BPR_MAX, negatives=16),
    "bce": LossConfig("bce", negatives=1),
    "gbce": LossConfig("gbce", negatives=8),
}
FAST = TrainConfig(epochs=3, batch_size=4, lr=0.01, weight_decay=0.0, threads=1)


def sessions(n: int = 20, seed: int = 0, longest: int = 9) -> Sessions:
    """Return random sessions of 1 to `longest` plays by four users."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, longest + 1, n)
    lengths[0] = 2
    keys = np.repeat(np.arange(n), lengths)
    times = 1000.0 * keys + np.concatenate([np.arange(length) for length in lengths])
    return build_sessions(keys, rng.integers(0, N, keys.size), times, rng.integers(0, 4, n)[keys], N, 4)


def queries_of(*histories: list[int], past: list[int] | None = None) -> SessionQueries:
    """Return a query for each list of items; all have the same past."""
    before = past or []
    items = np.array([*before, *(item for history in histories for item in history)], np.int64)
    ends = len(before) + np.cumsum([len(history) for history in histories])
    starts = ends - [len(history) for history in histories]
    zero = np.zeros(len(histories), np.int64)
    return SessionQueries(items, np.arange(items.size, dtype=np.float64), starts, ends, zero, zero + len(before), zero)


@pytest.fixture(params=CONFIGS, ids=lambda name: name.replace(" ", "-"))
def network(request: pytest.FixtureRequest) -> SequenceNetwork:
    """A network with random weights, all of them large enough to matter, in eval mode."""
    torch.manual_seed(1)
    model = build(CONFIGS[request.param])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    model.counts.copy_(torch.arange(N))
    return model.eval()


def encoded(network: SequenceNetwork, items: Tensor) -> Tensor:
    B, L = items.shape
    with torch.no_grad():
        hidden: Tensor = network(items, torch.arange(B * L))
    return hidden.view(B, L, -1)


def test_padding_and_later_plays_do_not_change_a_bit(network: SequenceNetwork) -> None:
    torch.manual_seed(2)
    items, lengths = torch.randint(N, (16, 6)), torch.randint(1, 7, (16,))
    valid = torch.arange(6) < lengths[:, None]
    before = encoded(network, items)
    assert before.shape == (16, 6, D)
    assert torch.isfinite(before).all()
    for _ in range(3):
        after = encoded(network, torch.where(valid, items, torch.randint(N, items.shape)))
        assert torch.equal(before[valid], after[valid])


def test_the_gradient_with_respect_to_later_inputs_is_zero(network: SequenceNetwork) -> None:
    x = torch.randn(2, 5, D, requires_grad=True)
    for t in range(5):
        (gradient,) = torch.autograd.grad(network.encode(x)[:, t].square().sum(), x)
        assert (gradient[:, t + 1 :] == 0).all()
        assert (gradient[:, : t + 1].abs().sum(dim=2) > 0).all()


def test_a_session_alone_is_ranked_as_in_a_block(network: SequenceNetwork) -> None:
    model, queries = SessionNetworkModel(network), every_position(sessions(60), sessions(10, 1))[0]
    together = model.recommend(queries, 5)
    assert together.items.shape == (len(queries), 5)
    for row in range(0, len(queries), 7):
        alone = model.recommend(queries[row : row + 1], 5)
        np.testing.assert_allclose(alone.scores[0], together.scores[row], rtol=1e-4, atol=1e-5)
        assert_array_equal(alone.items[0], together.items[row])


def test_a_session_is_scored_alike_whatever_stands_before_it_in_its_slot(network: SequenceNetwork) -> None:
    model = SessionNetworkModel(network)
    rows = [model.recommend(queries_of(first, [4, 5, 6]), 5) for first in ([1, 2, 3], [9, 8, 7], [20, 20, 20])]
    for other in rows[1:]:
        assert_array_equal(other.scores[1], rows[0].scores[1])
        assert_array_equal(other.items[1], rows[0].items[1])


def test_empty_one_play_and_unknown_sessions_have_finite_lists(network: SequenceNetwork) -> None:
    unknown = [PADDING, PADDING]
    ranked = SessionNetworkModel(network).recommend(queries_of([], [3], unknown, [PADDING, 3, PADDING]), 4)
    assert np.isfinite(ranked.scores).all()
    assert ranked.items[0].tolist() == ranked.items[2].tolist() == [29, 28, 27, 26]  # by number of plays
    assert_array_equal(ranked.items[1], ranked.items[3])
    assert_array_equal(ranked.scores[1], ranked.scores[3])


def test_the_last_play_and_the_history_count(network: SequenceNetwork) -> None:
    model = SessionNetworkModel(network)
    scores = model.recommend(queries_of([1, 2], [1, 2, 3], [1, 2, 4], [5, 2, 3]), N).scores
    assert len({row.tobytes() for row in scores}) == 4


def test_the_past_counts_only_if_configured(network: SequenceNetwork) -> None:
    model = SessionNetworkModel(network)
    scores = [model.recommend(queries_of([1, 2], past=past), N).scores for past in ([], [7, 8, 9], [9, 8, 7])]
    reads_past = network.cfg.inputs.past_plays > 0
    assert len({values.tobytes() for values in scores}) == (3 if reads_past else 1)


def test_ranking_repeats_leaves_the_generator_and_the_mode(network: SequenceNetwork) -> None:
    model, queries = SessionNetworkModel(network.train()), queries_of([1, 2], [3], [])
    state = torch.get_rng_state()
    first, second = model.recommend(queries, 5), model.recommend(queries, 5)
    assert_array_equal(first.items, second.items)
    assert_array_equal(first.scores, second.scores)
    assert torch.equal(torch.get_rng_state(), state)
    assert network.training
    with pytest.raises(AssertionError, match="dropout"):
        model.score(queries)


def test_lists_are_sorted_without_repeats_and_as_long_as_the_catalogue(network: SequenceNetwork) -> None:
    ranked = SessionNetworkModel(network).recommend(queries_of([1, 2], [3, 3]), N + 3)
    assert ranked.items.shape == (2, N + 3)
    assert (np.diff(ranked.scores[:, :N]) <= 0).all()
    assert [sorted(row) for row in ranked.items[:, :N].tolist()] == [list(range(N))] * 2
    assert (ranked.items[:, N:] == PADDING).all()
    assert np.isneginf(ranked.scores[:, N:]).all()
    assert SessionNetworkModel(network).recommend(queries_of([1])[:0], 5).items.shape == (0, 5)


def test_scoring_never_holds_more_than_a_block(network: SequenceNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    score = SessionNetworkModel.score

    def recorded(self: SessionNetworkModel, queries: SessionQueries) -> Tensor:
        scores = score(self, queries)
        sizes.append(scores.numel())
        return scores

    monkeypatch.setattr(SessionNetworkModel, "score", recorded)
    monkeypatch.setattr("models.sequence_network.BLOCK_SCORES", 10 * N)
    SessionNetworkModel(network).recommend(every_position(sessions(60), sessions(10, 1))[0], 5)
    assert len(sizes) > 20
    assert max(sizes) == 10 * N


def test_a_stored_network_ranks_alike(network: SequenceNetwork) -> None:
    queries, model = queries_of([1, 2], [3], []), SessionNetworkModel(network)
    stored = from_bytes(to_bytes(model))
    assert not stored.network.training
    assert stored.network.cfg == network.cfg
    assert_array_equal(stored.recommend(queries, 9).items, model.recommend(queries, 9).items)
    assert_array_equal(stored.recommend(queries, 9).scores, model.recommend(queries, 9).scores)
    assert to_bytes(stored) == to_bytes(model)
    assert set(model.tensors()) == set(network.state_dict())


@pytest.mark.parametrize("name", CONFIGS)
def test_a_configuration_survives_json(name: str) -> None:
    assert from_card(json.loads(json.dumps(to_card(CONFIGS[name])))) == CONFIGS[name]


@pytest.mark.parametrize("name", ["sasrec", "gru4rec", "narm"])
def test_a_separate_output_adds_one_vector_per_item(name: str) -> None:
    tied, separate = (build(replace(CONFIGS[name], tied=value)) for value in (True, False))
    numbers = [sum(p.numel() for p in model.parameters()) for model in (tied, separate)]
    assert numbers[1] - numbers[0] == N * D


def fit(name: str, data: Sessions, cfg: SequenceTrainConfig, **options: Any) -> TrainedNetwork:
    return fit_network(lambda: build(CONFIGS[name]), data, cfg, **options)


def copied(state: TrainState) -> TrainState:
    return from_tensors({name: array.copy() for name, array in to_tensors(state).items()})


def assert_equal_weights(a: nn.Module, b: nn.Module) -> None:
    for name, value in a.state_dict().items():
        assert torch.equal(value, b.state_dict()[name]), name


@pytest.mark.parametrize("name", CONFIGS)
def test_training_is_seeded_and_resumes_to_the_same_bits(name: str) -> None:
    cfg, states = SequenceTrainConfig(FAST, val_share=0.2), list[TrainState]()
    first = fit(name, sessions(), cfg, save_checkpoint=lambda state: states.append(copied(state)))
    again = fit(name, sessions(), cfg, resume_from=states[0])
    assert_equal_weights(first.model.network, again.model.network)
    assert first.history == again.history
    other = fit(name, sessions(), replace(cfg, optimization=replace(FAST, seed=8, epochs=1)))
    assert not torch.equal(other.model.network.bias, first.model.network.bias)


def test_a_checkpoint_of_another_network_or_loss_is_refused() -> None:
    cfg, states = SequenceTrainConfig(replace(FAST, epochs=1)), list[TrainState]()
    fit("gru4rec", sessions(), cfg, save_checkpoint=states.append)
    with pytest.raises(CheckpointMismatchError):
        fit("gru4rec", sessions(), replace(cfg, loss=LOSSES["bpr_max"]), resume_from=states[0])
    with pytest.raises(CheckpointMismatchError):
        fit_network(lambda: build(replace(CONFIGS["gru4rec"], item_dropout=0.5)), sessions(), cfg, resume_from=states[0])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ["sasrec", "gru4rec", "narm"])
def test_gradients_reach_every_parameter(name: str, loss: str) -> None:
    torch.manual_seed(0)
    network, data = build(CONFIGS[name]), sessions()
    set_counts(network, data, LOSSES[loss])
    batch = SequenceDataset(data, INPUTS).__getitems__(list(range(8)))
    output = output_of(network, batch)
    loss_sum(LOSSES[loss], NegativeSampler.of_counts(network.counts, 0.0), output, batch.targets, batch.weights).backward()  # type: ignore[no-untyped-call]
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert torch.isfinite(parameter.grad).all()
        # the queries of keys' biases cancel in a softmax
        assert (parameter.grad != 0).any(), parameter_name


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_learns_32_sessions_by_heart(loss: str) -> None:
    rng = np.random.default_rng(5)
    order = rng.permutation(N)  # each item has one successor
    items = np.stack([order[(start + np.arange(4)) % N] for start in rng.integers(0, N, 32)])
    data = build_sessions(np.arange(32).repeat(4), items.ravel(), np.arange(128.0), np.zeros(128, np.int64), N, 1)
    config = GRU4RecConfig(N, 16, embedding_dropout=0.0, hidden_dropout=0.0, inputs=INPUTS)
    epochs, lr = (120, 0.06) if loss.endswith("bce") else (40, 0.03)  # few negatives per step
    cfg = SequenceTrainConfig(replace(FAST, epochs=epochs, lr=lr, batch_size=16), LOSSES[loss])
    model = fit_network(lambda: build(config), data, cfg).model
    queries, _ = every_position(data, data.select(np.zeros(32, bool)))
    assert (model.recommend(queries, 1).items[:, 0] == queries.items[queries.ends]).mean() > 0.9


@pytest.mark.parametrize("name", CONFIGS)
def test_every_network_learns_32_sessions_by_heart(name: str) -> None:
    config = replace(CONFIGS[name], dim=16, item_dropout=0.0)
    off: dict[str, Any] = {field: 0.0 for field in vars(config) if field.endswith("dropout")}
    rng = np.random.default_rng(6)
    data = build_sessions(np.arange(32).repeat(3), rng.integers(0, N, 96), np.arange(96.0), np.arange(32).repeat(3), N, 32)
    cfg = SequenceTrainConfig(replace(FAST, epochs=40, lr=0.03, batch_size=16))
    model = fit_network(lambda: build(replace(config, **off)), data, cfg).model
    queries, _ = every_position(data, data.select(np.zeros(32, bool)))
    second = queries[queries.ends - queries.starts == 2]
    targets = second.items[second.ends]
    assert (model.recommend(second, 1).items[:, 0] == targets).mean() > 0.9


def test_gru4rec_equals_cells_step_by_step() -> None:
    torch.manual_seed(3)
    network: Any = build(CONFIGS["gru4rec"]).eval()
    cell = nn.GRUCell(D, D)
    cell.load_state_dict({key.removesuffix("_l0"): value for key, value in network.gru.state_dict().items()})
    items = torch.randint(N, (5, 6))
    state, states = torch.zeros(5, D), []
    for t in range(6):
        state = cell(network.norm(network.embedding(items[:, t])), state)
        states.append(state)
    torch.testing.assert_close(encoded(network, items), torch.stack(states, 1), rtol=1e-5, atol=1e-6)


def test_narm_attends_as_in_its_equation() -> None:
    torch.manual_seed(4)
    network: Any = build(CONFIGS["narm"]).eval()
    hidden = torch.randn(1, 4, 5)
    for t in range(4):
        expected = torch.zeros(5)
        for j in range(t + 1):
            alpha = network.v(torch.sigmoid(network.a1(hidden[0, t]) + network.a2(hidden[0, j])))
            expected = expected + alpha * hidden[0, j]
        torch.testing.assert_close(network.attend(hidden)[0, t], expected)


def test_a_fit_function_per_network() -> None:
    cfg = SequenceTrainConfig(replace(FAST, epochs=1))
    fits: list[tuple[Callable[..., TrainedNetwork], SequenceNetworkConfig]] = [
        (fit_sasrec, CONFIGS["sasrec"]),
        (fit_gru4rec, CONFIGS["gru4rec"]),
        (fit_narm, CONFIGS["narm"]),
    ]
    for function, config in fits:
        assert function(sessions(), config, cfg).model.network.cfg == config


def test_ties_are_broken_by_item_id() -> None:
    scores = torch.tensor([[0.0, 1.0, 1.0, 1.0, 2.0, 1.0], [5.0, 5.0, 5.0, 5.0, 5.0, 5.0]])
    items, values = top_items(scores, 3)
    assert items.tolist() == [[4, 1, 2], [0, 1, 2]]
    assert values.tolist() == [[2, 1, 1], [5, 5, 5]]


def test_validation_reads_the_newest_sessions_only() -> None:
    data = sessions(40)
    seen = []

    def prior(train: Sessions) -> SessionRepeats:
        seen.append(train)
        return SessionRepeats(3)

    config = replace(CONFIGS["gru4rec"], n_prior_features=4)
    result = fit_network(lambda: build(config), data, SequenceTrainConfig(FAST, val_share=0.25), prior=prior)
    assert len(seen[0]) == 30
    assert seen[0].ends.max() < data.ends[30]
    assert set(result.history[0].metrics) == {"loss", "hr@20", "mrr@20"}
    assert result.history[0].metrics["loss"] == pytest.approx(1 - result.history[0].metrics["mrr@20"])


def test_recent_days_leave_out_older_sessions() -> None:
    data = sessions(40)
    cfg = SequenceTrainConfig(replace(FAST, epochs=1), recent_days=10_000 / 86_400)
    counts = fit("gru4rec", data, cfg).model.network.counts
    assert_array_equal(counts, np.bincount(data.items[data.indptr[29] :], minlength=N))


def test_wrong_arguments_are_refused() -> None:
    cfg = SequenceTrainConfig(FAST)
    with pytest.raises(ValueError, match="two plays"):
        fit("gru4rec", sessions(5, longest=1).select(np.arange(5) > 0), cfg)
    with pytest.raises(ValueError, match="31 items"):
        fit_network(lambda: build(GRU4RecConfig(31, D)), sessions(), cfg)
    with pytest.raises(ValueError, match="prior features"):
        fit("gru4rec", sessions(), cfg, prior=lambda _: SessionRepeats())
    with pytest.raises(ValueError, match="negative"):
        LossConfig("bpr_max", negatives=0)
    with pytest.raises(ValueError, match="overlap"):
        SequenceConfig(max_length=5, overlap=5)


# Prior features


def test_a_network_learns_the_weights_of_its_prior() -> None:
    rng = np.random.default_rng(7)
    items = np.stack([np.tile(rng.integers(0, N, 2), 4) for _ in range(60)])  # a b a b a b a b
    data = build_sessions(np.arange(60).repeat(8), items.ravel(), np.arange(480.0), np.zeros(480, np.int64), N, 1)
    config = replace(CONFIGS["gru4rec"], n_prior_features=4)
    cfg = SequenceTrainConfig(replace(FAST, epochs=10, lr=0.1))
    result = fit_network(lambda: build(config), data, cfg, prior=lambda _: SessionRepeats(3))
    weights = result.model.network.prior_weights
    assert weights is not None
    assert weights[1] > 2
    assert weights[1] > weights[0] + 2
    assert result.model.recommend(queries_of([3, 17, 3, 17, 3, 17]), 1).items[0, 0] == 3


def test_prior_features_move_the_scores_of_their_items_alone() -> None:
    network = build(replace(CONFIGS["gru4rec"], n_prior_features=3)).eval()
    assert network.prior_weights is not None
    queries = queries_of([4, 5, 5])
    without = SessionNetworkModel(network).score(queries)
    network.prior_weights.data = torch.tensor([1.0, 10.0, 100.0])
    with_prior = SessionNetworkModel(network, SessionRepeats(2)).score(queries)
    expected = torch.zeros(N)
    expected[5], expected[4] = 11.0, 100.0
    torch.testing.assert_close((with_prior - without)[0], expected, rtol=0, atol=1e-4)


def dense(prior: Any, queries: SessionQueries, session_ends: I64 | None = None) -> Any:
    """Return features [Q, N, F], summed over candidates."""
    candidates = prior.candidates(queries, session_ends)
    assert candidates.features[candidates.items == PADDING].sum() == 0
    values = np.zeros((len(queries), N, prior.n_features))
    for q, row in enumerate(candidates.items):
        for c, item in enumerate(row):
            if item != PADDING:
                values[q, item] += candidates.features[q, c]
    return values


def test_transitions_leave_out_the_own_session() -> None:
    data = sessions(30, seed=3)
    prior = Transitions.fit(data, steps=3)
    queries, ends = every_position(data, data.select(np.zeros(len(data), bool)))
    values = dense(prior, queries, ends)
    first = [data.items[a:b].tolist() for a, b in zip(data.indptr[:-1], data.indptr[1:], strict=True)]
    for q in range(0, len(queries), 5):
        own = queries.items[queries.starts[q] : ends[q]].tolist()
        others = list(first)
        others.remove(own)
        last, rule = own[queries.ends[q] - queries.starts[q] - 1], np.zeros(N)
        for plays in others:
            for i, a in enumerate(plays):
                for distance, b in enumerate(plays[i + 1 : i + 4], start=1):
                    rule[b] += (a == last) / distance**2
        np.testing.assert_allclose(values[q, :, 0], np.log1p(rule), atol=1e-5)
        np.testing.assert_allclose(values[q, :, 1], np.log1p(rule / max(rule.sum(), 1e-6) / 1e-3), atol=1e-4)


def test_only_the_strongest_transitions_are_candidates() -> None:
    data = sessions(30, seed=3)
    queries = queries_of([4], [7], [9, 2])
    every, few = (dense(replace(Transitions.fit(data), limit=limit), queries) for limit in (N, 2))
    for q in range(3):
        best = np.sort(every[q, :, 0])[::-1][:2]
        assert_array_equal(np.sort(few[q, :, 0])[::-1][:2], best)
        assert np.count_nonzero(few[q, :, 0]) == np.count_nonzero(best)


def test_the_users_past_is_counted_up_to_the_session() -> None:
    queries = queries_of([1, 2], [3], [], past=[7, 7, 9])
    values = dense(UserPast(), queries)
    np.testing.assert_allclose(values[0, [7, 9], 0], np.log1p([2, 1]), rtol=1e-6)
    ages = (queries.times[4] - queries.times[:3]) / 86_400
    np.testing.assert_allclose(values[0, 7, 1], np.log1p((ages[:2] ** -0.5).sum()), rtol=1e-6)
    assert np.count_nonzero(values[0]) == 4
    later = replace(queries, times=queries.times + 1e6 * (np.arange(queries.times.size) >= queries.ends[0]))
    assert_array_equal(dense(UserPast(), later)[0], values[0])


def test_combined_priors_have_the_features_of_all() -> None:
    data, queries = sessions(30), queries_of([1, 2, 1], [4], past=[3, 3])
    sources: list[PriorFeatures] = [SessionRepeats(2), UserPast(), Transitions.fit(data)]
    combined = dense(CombinedPriors(sources), queries)
    parts = [dense(source, queries) for source in sources]
    np.testing.assert_allclose(combined, np.concatenate(parts, axis=2), rtol=1e-6)


# Ranks

RANKED = SequenceTrainConfig(replace(FAST, batch_size=6), LOSSES["gru4rec"], val_share=0.2)


@dataclass(frozen=True)
class Stored:
    """Weights of a rank."""

    folder: Path

    def save(self, name: str, rank: int, network: nn.Module) -> None:
        torch.save(network.state_dict(), self.folder / f"{name}-{rank}.pt")

    def load(self, name: str, rank: int) -> dict[str, Tensor]:
        weights: dict[str, Tensor] = torch.load(self.folder / f"{name}-{rank}.pt")
        return weights


def run_rank(rank: int, folder: str) -> None:
    """Train in one of two processes, once more from the checkpoint after the first epoch, and without random numbers."""
    distributed.init_process_group("gloo", init_method=f"file://{folder}/group", rank=rank, world_size=2)
    try:
        states, stored = list[TrainState](), Stored(Path(folder))
        unbroken = fit("gru4rec", sessions(), RANKED, save_checkpoint=lambda state: states.append(copied(state)))
        stored.save("unbroken", rank, unbroken.model.network)
        state = [to_tensors(states[0]) if rank == 0 else None]
        distributed.broadcast_object_list(state)
        assert state[0] is not None
        resumed = fit("gru4rec", sessions(), RANKED, resume_from=from_tensors(state[0]))
        stored.save("resumed", rank, resumed.model.network)
        stored.save("plain", rank, fit_without_dropout().model.network)
    finally:
        distributed.destroy_process_group()


def fit_without_dropout() -> TrainedNetwork:
    config = GRU4RecConfig(N, D, embedding_dropout=0.0, hidden_dropout=0.0, inputs=INPUTS)
    data = sessions(25).select(sessions(25).lengths > 1)
    even = data.select(np.arange(len(data)) < len(data) // 2 * 2)
    cfg = SequenceTrainConfig(replace(FAST, batch_size=2))
    return fit_network(lambda: build(config).double(), even, cfg)


def test_two_ranks_resume_to_the_same_bits_and_learn_what_one_learns(tmp_path: Path) -> None:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    spawn(run_rank, (str(tmp_path),), nprocs=2)  # type: ignore[no-untyped-call]
    stored, one_rank = Stored(tmp_path), fit_without_dropout().model.network.state_dict()
    for rank in range(2):
        unbroken, resumed, plain = (stored.load(name, rank) for name in ("unbroken", "resumed", "plain"))
        for name, value in unbroken.items():
            assert torch.equal(value, resumed[name]), name
            assert torch.equal(value, stored.load("unbroken", 0)[name]), name
        torch.testing.assert_close(plain, one_rank, rtol=1e-6, atol=1e-8)


def test_the_objective_validates_the_network_that_is_trained() -> None:
    model = SessionNetworkModel(build(CONFIGS["gru4rec"]))
    objective = SequenceObjective(model, LossConfig(), queries_of([1])[:0])
    assert objective.validate(model.network) == {}
    with pytest.raises(AssertionError):
        objective.validate(build(CONFIGS["gru4rec"]))
