"""BPR: the gradients of its loss, whom it draws, what it learns; and that whoever asks is answered by the same loss."""

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

CONFIG = BPRConfig(rank=6, epochs=30)


def listening() -> csr_array:
    """60 users of two tastes and 30 tracks; user 3 likes nothing, user 5 all that anybody likes, nobody likes track 4."""
    draw = np.random.default_rng(5)
    near = np.add.outer(np.arange(60), np.arange(30)) % 2 == 0
    heard = draw.random((60, 30)) < np.where(near, 0.4, 0.02)
    heard[3], heard[5], heard[:, 4] = False, True, False
    rated = heard * draw.integers(1, 30, heard.shape).astype(np.float32)
    rated[0, 4] = 0.5
    return csr_array(rated)


def asked_of(steps: int = 30, regularisation: float = 0.05) -> BPRModel:
    """Factors that nobody learned."""
    draw = np.random.default_rng(1)
    items, biases = draw.normal(size=(30, 4)).astype(np.float32), draw.normal(size=30).astype(np.float32)
    return BPRModel(items, biases, np.arange(0, 30, 3), FoldInConfig(regularisation, steps))


def test_gradients_are_those_of_the_loss() -> None:
    x, y, z = (torch.randn(5, 3, dtype=torch.float64, requires_grad=True) for _ in range(3))
    own, other = (torch.randn(5, 1, dtype=torch.float64, requires_grad=True) for _ in range(2))
    margin = (x * (y - z)).sum(1, keepdim=True) + own - other
    loss = -torch.nn.functional.logsigmoid(margin).sum() + 0.07 / 2 * sum((part**2).sum() for part in (x, y, z))
    expected = torch.autograd.grad(loss, (x, y, z, own))
    for found, wanted in zip(bpr._gradients(x, y, z, own - other, 0.07), expected, strict=True):
        torch.testing.assert_close(found, wanted)


def test_a_step_goes_down_the_sum_of_a_rows_gradients() -> None:
    rows = bpr._AdagradRows(torch.zeros(3, 2), learning_rate=0.5)
    rows.step(torch.tensor([2, 0, 2]), torch.tensor([[3.0, 1.0], [0.0, -2.0], [1.0, 1.0]]))
    torch.testing.assert_close(rows.values, torch.tensor([[0.0, 0.5], [0.0, 0.0], [-0.5, -0.5]]))
    rows.step(torch.tensor([2]), torch.tensor([[3.0, 0.0]]))  # 4 and 3: a length of 5
    torch.testing.assert_close(rows.values[2], torch.tensor([-0.5 - 0.5 * 3 / 5, -0.5]))


def test_a_pass_takes_every_like_once_against_what_the_user_does_not_like() -> None:
    likes = binarize(listening(), 1.0)
    known = torch.tensor([track for track in range(30) if track != 4])
    pairs = set(zip(*likes.nonzero(), strict=True))
    drawn = np.zeros(30)
    chance = torch.Generator().manual_seed(1)
    for _ in range(200):
        who, what, other = (torch.cat(part).tolist() for part in zip(*bpr._sample_triples(likes, known, chance), strict=True))
        assert len(who) == len(set(zip(who, what, strict=True)))
        # user 5 likes all there is to draw, and is passed over
        assert set(zip(who, what, strict=True)) == {pair for pair in pairs if pair[0] != 5}
        assert not set(zip(who, other, strict=True)) & pairs
        drawn += np.bincount(np.array(other)[np.array(who) == who[0]], minlength=30)
    assert drawn[4] == 0, "nobody likes it"


def test_rivals_are_drawn_evenly() -> None:
    likes = csr_array(np.eye(1, 11, dtype=np.float32))  # one user, who likes track 0
    known, chance = torch.arange(11), torch.Generator().manual_seed(1)
    drawn = [int(other) for _ in range(5_000) for _, _, other in bpr._sample_triples(likes, known, chance)]
    counts = np.bincount(drawn, minlength=11)
    assert counts[0] == 0
    assert np.abs(counts[1:] - 500).max() < 100, "five standard deviations"


def test_equal_seeds_give_equal_bits_and_others_do_not() -> None:
    one, same, other = (bpr.fit(listening(), replace(CONFIG, seed=seed)).tensors() for seed in (7, 7, 8))
    for name, values in one.items():
        np.testing.assert_array_equal(values, same[name])
    assert not np.allclose(one["factors"], other["factors"])


def test_held_back_tracks_of_ones_taste_come_before_those_of_the_other() -> None:
    ratings = listening()
    scores = bpr.fit(ratings, CONFIG).score(ratings)
    unheard = ratings.toarray() == 0
    unheard[:, 4] = False
    right = []
    for user in (u for u in range(60) if u not in {3, 5}):
        own = np.arange(30) % 2 == user % 2
        mine, theirs = scores[user, unheard[user] & own], scores[user, unheard[user] & ~own]
        right.append((mine[:, None] > theirs).mean())
    assert np.mean(right) > 0.9


def test_whoever_asks_gets_the_minimum_of_the_same_loss() -> None:
    model, likes = asked_of(steps=400), binarize(listening(), 1.0).toarray()
    found = model.fold_in(listening())
    for user in (0, 1, 8):
        mine, rivals = np.flatnonzero(likes[user]), np.flatnonzero(likes[user] == 0)
        rivals = rivals[rivals % 3 == 0]
        apart = (model.factors[mine][:, None] - model.factors[rivals]).reshape(-1, 4)
        ahead = (model.biases[mine][:, None] - model.biases[rivals]).ravel()
        best = minimize(
            lambda x, a=apart, b=ahead: np.logaddexp(0, -(a @ x + b)).mean() + 0.05 / 2 * x @ x, np.zeros(4)
        )
        np.testing.assert_allclose(found[user], best.x, atol=1e-3)
    few, more = (np.abs(asked_of(steps).fold_in(listening()) - found).max() for steps in (5, 30))
    assert more < few / 4
    assert not found[3].any(), "who likes nothing"


@pytest.mark.parametrize("steps", [1, 3, 30])
def test_what_likes_carry_adds_up_to_the_score_without_the_bias(steps: int) -> None:
    ratings, model = listening(), asked_of(steps)
    picked = [np.arange(user % 4, 30, 3) for user in range(60)]
    scores = model.score(ratings)
    for user, shares in enumerate(model.contributions(ratings, picked)):
        mine = ratings.data[ratings.indptr[user] : ratings.indptr[user + 1]]
        assert not shares[:, mine < 1].any()
        expected = scores[user, picked[user]] - model.biases[picked[user]]
        np.testing.assert_allclose(shares.sum(axis=1), expected, atol=1e-5)


def test_of_a_track_that_nobody_likes_nothing_is_known() -> None:
    model = bpr.fit(listening(), CONFIG)
    assert not model.score(listening())[:, 4].any()
    assert 4 not in model.negatives
    assert model.biases[:4].all()
    nothing = bpr.fit(csr_array((3, 30), dtype=np.float32), CONFIG)
    assert not nothing.score(listening()).any()
