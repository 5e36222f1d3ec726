"""HARM: reasons add up to the score, and items without plays are ranked."""


import numpy as np
import torch
from numpy.testing import assert_allclose

from models.data.histories import to_batch
from models.harm import HARM
from tests.models.rankers import CASES, LENGTH, N_ITEMS, build, candidates, queries


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
