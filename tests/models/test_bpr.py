"""BPR: gradients, negative sampling, training, fold-in."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.sparse import csr_array

from models import bpr
from models.bpr import BPRConfig
from models.bpr_model import BPRModel, FoldInConfig
from models.interactions import binarize
from models.queries import Queries

CONFIG = BPRConfig(rank=6, epochs=30)


def listening() -> csr_array:
    """60 users of two tastes and 30 tracks. User 3 likes nothing, user 5 everything; nobody likes track 4."""
    rng = np.random.default_rng(5)
    near = np.add.outer(np.arange(60), np.arange(30)) % 2 == 0
    users = rng.random((60, 30)) < np.where(near, 0.4, 0.02)
    users[3], users[5], users[:, 4] = False, True, False
    rated = users * rng.integers(1, 30, users.shape).astype(np.float32)
    rated[0, 4] = 0.5
    return csr_array(rated)


def random_model(steps: int = 30, regularisation: float = 0.05) -> BPRModel:
    """A model of random factors."""
    rng = np.random.default_rng(1)
    items, biases = rng.normal(size=(30, 4)).astype(np.float32), rng.normal(size=30).astype(np.float32)
    return BPRModel(items, biases, np.arange(0, 30, 3), FoldInConfig(regularisation, steps))


def test_gradients_equal_those_of_autograd() -> None:
    x, y, z = (torch.randn(5, 3, dtype=torch.float64, requires_grad=True) for _ in range(3))
    same_taste, other = (torch.randn(5, 1, dtype=torch.float64, requires_grad=True) for _ in range(2))
    margin = (x * (y - z)).sum(1, keepdim=True) + same_taste - other
    loss = -torch.nn.functional.logsigmoid(margin).sum() + 0.07 / 2 * sum((part**2).sum() for part in (x, y, z))
    expected = torch.autograd.grad(loss, (x, y, z, same_taste))
    for actual, gradient in zip(bpr._gradients(x, y, z, same_taste - other, 0.07), expected, strict=True):
        torch.testing.assert_close(actual, gradient)


def test_adagrad_step_uses_the_sum_of_a_rows_gradients() -> None:
    rows = bpr._AdagradRows(torch.zeros(3, 2), learning_rate=0.5)
    rows.step(torch.tensor([2, 0, 2]), torch.tensor([[3.0, 1.0], [0.0, -2.0], [1.0, 1.0]]))
    torch.testing.assert_close(rows.values, torch.tensor([[0.0, 0.5], [0.0, 0.0], [-0.5, -0.5]]))
    rows.step(torch.tensor([2]), torch.tensor([[3.0, 0.0]]))  # 4 and 3: a length of 5
    torch.testing.assert_close(rows.values[2], torch.tensor([-0.5 - 0.5 * 3 / 5, -0.5]))


def test_epoch_visits_every_interaction_once_with_unliked_negatives() -> None:
    interactions = binarize(listening(), 1.0)
    observed = torch.tensor([track for track in range(30) if track != 4])
    pairs = set(zip(*interactions.nonzero(), strict=True))
    sampled = np.zeros(30)
    generator = torch.Generator().manual_seed(1)
    for _ in range(200):
        triples = zip(*bpr._sample_triples(interactions, observed, generator), strict=True)
        who, what, other = (torch.cat(part).tolist() for part in triples)
        assert len(who) == len(set(zip(who, what, strict=True)))
        # user 5 likes all there is to draw, and is passed over
        assert set(zip(who, what, strict=True)) == {pair for pair in pairs if pair[0] != 5}
        assert not set(zip(who, other, strict=True)) & pairs
        sampled += np.bincount(np.array(other)[np.array(who) == who[0]], minlength=30)
    assert sampled[4] == 0, "nobody likes it"


def test_negatives_are_sampled_uniformly() -> None:
    interactions = csr_array(np.eye(1, 11, dtype=np.float32))  # one user, who likes track 0
    observed, generator = torch.arange(11), torch.Generator().manual_seed(1)
    sampled = [int(other) for _ in range(5_000) for _, _, other in bpr._sample_triples(interactions, observed, generator)]
    counts = np.bincount(sampled, minlength=11)
    assert counts[0] == 0
    assert np.abs(counts[1:] - 500).max() < 100, "five standard deviations"


def test_equal_seeds_give_equal_bits_and_different_seeds_do_not() -> None:
    one, same, other = (bpr.fit(listening(), replace(CONFIG, seed=seed)).tensors() for seed in (7, 7, 8))
    for name, values in one.items():
        np.testing.assert_array_equal(values, same[name])
    assert not np.allclose(one["factors"], other["factors"])


def test_held_out_tracks_of_the_same_taste_rank_above_the_other_taste() -> None:
    ratings = listening()
    scores = bpr.fit(ratings, CONFIG).score(Queries(ratings))
    unheard = ratings.toarray() == 0
    unheard[:, 4] = False
    right = []
    for user in (u for u in range(60) if u not in {3, 5}):
        same_taste = np.arange(30) % 2 == user % 2
        positives, negatives = scores[user, unheard[user] & same_taste], scores[user, unheard[user] & ~same_taste]
        right.append((positives[:, None] > negatives).mean())
    assert np.mean(right) > 0.9


def test_fold_in_reaches_the_minimum_of_the_loss() -> None:
    model, interactions = random_model(steps=400), binarize(listening(), 1.0).toarray()
    actual = model.fold_in(listening())
    for user in (0, 1, 8):
        positives, negatives = np.flatnonzero(interactions[user]), np.flatnonzero(interactions[user] == 0)
        negatives = negatives[negatives % 3 == 0]
        apart = (model.factors[positives][:, None] - model.factors[negatives]).reshape(-1, 4)
        bias_diff = (model.biases[positives][:, None] - model.biases[negatives]).ravel()
        best = minimize(
            lambda x, a=apart, b=bias_diff: np.logaddexp(0, -(a @ x + b)).mean() + 0.05 / 2 * x @ x, np.zeros(4)
        )
        np.testing.assert_allclose(actual[user], best.x, atol=1e-3)
    few, more = (np.abs(random_model(steps).fold_in(listening()) - actual).max() for steps in (5, 30))
    assert more < few / 4
    assert not actual[3].any(), "who likes nothing"


@pytest.mark.parametrize("steps", [1, 3, 30])
def test_contributions_sum_to_the_score_without_the_bias(steps: int) -> None:
    ratings, model = listening(), random_model(steps)
    item_ids = [np.arange(user % 4, 30, 3) for user in range(60)]
    scores = model.score(Queries(ratings))
    for user, contributions in enumerate(model.contributions(ratings, item_ids)):
        positives = ratings.data[ratings.indptr[user] : ratings.indptr[user + 1]]
        assert not contributions[:, positives < 1].any()
        expected = scores[user, item_ids[user]] - model.biases[item_ids[user]]
        np.testing.assert_allclose(contributions.sum(axis=1), expected, atol=1e-5)


def test_track_without_interactions_scores_zero() -> None:
    model = bpr.fit(listening(), CONFIG)
    assert not model.score(Queries(listening()))[:, 4].any()
    assert 4 not in model.negatives
    assert model.biases[:4].all()
    nothing = bpr.fit(csr_array((3, 30), dtype=np.float32), CONFIG)
    assert not nothing.score(Queries(listening())).any()
