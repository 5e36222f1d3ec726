"""What every session network must do, whatever its options: masks, causality, ranking, storage."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import Tensor, nn

from models.data.sessions import PADDING, SessionQueries, every_position
from models.sequence_network import SequenceNetwork, SessionNetworkModel, top_items
from models.session_networks import build, from_bytes, from_card, to_bytes, to_card
from tests.models.session_networks import CONFIGS, D, N, encoded, queries_of, sessions


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


def test_ties_are_broken_by_item_id() -> None:
    scores = torch.tensor([[0.0, 1.0, 1.0, 1.0, 2.0, 1.0], [5.0, 5.0, 5.0, 5.0, 5.0, 5.0]])
    items, values = top_items(scores, 3)
    assert items.tolist() == [[4, 1, 2], [0, 1, 2]]
    assert values.tolist() == [[2, 1, 1], [5, 5, 5]]
