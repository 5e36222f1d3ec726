"""Losses of session networks: published forms by golden numbers, gradients, and what must not change them."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from models.training.sampled import (
    NegativeSampler,
    accidental_hits,
    bpr_max,
    gbce,
    gbce_beta,
    sampled_cross_entropy,
)
from models.training.softmax import LogitPrior, chunked_cross_entropy

# scores of two positions for y0, y1, s0, s1, whose items have these counts (computed from the formulas in plain Python)
SCORES = torch.tensor([[2.0, 1.0, 0.5, -1.0], [0.0, 1.5, -0.5, 1.0]], dtype=torch.float64)
COUNTS = torch.tensor([4.0, 9.0, 16.0, 1.0], dtype=torch.float64)
BATCH, NEGATIVES, COLUMN = torch.tensor([0, 1]), torch.tensor([2, 3]), torch.tensor([0, 1])


def log_q(form: str, counts: Tensor = COUNTS) -> Tensor:
    return NegativeSampler.of_counts(counts, 0.5).log_q(BATCH, NEGATIVES, form)  # type: ignore[arg-type]


def test_golden_numbers_of_gru4rec_cross_entropy() -> None:
    assert sampled_cross_entropy(SCORES, COLUMN).sum().item() == pytest.approx(1.17067217, abs=1e-8)
    assert sampled_cross_entropy(SCORES, COLUMN, log_q("official")).sum().item() == pytest.approx(2.44418944, abs=1e-8)


@pytest.mark.parametrize(("elu", "bpreg", "expected"), [(0, 0, 0.60177529), (0.5, 1, 1.82538435), (1, 1.85, 3.04690290)])
def test_golden_numbers_of_bpr_max(elu: float, bpreg: float, expected: float) -> None:
    assert bpr_max(SCORES, COLUMN, bpreg, elu).sum().item() == pytest.approx(expected, abs=1e-8)


def test_golden_number_of_gbce() -> None:
    beta = gbce_beta(3, 11, 0.75)
    assert beta == pytest.approx(0.475)
    target, negatives = torch.tensor([0.4], dtype=torch.float64), torch.tensor([[-0.3, 0.2, -1.0]], dtype=torch.float64)
    assert gbce(target, negatives, beta).item() == pytest.approx(0.47735951, abs=1e-8)


def test_gbce_is_bce_for_t_0_and_weighs_by_the_sampling_rate_for_t_1() -> None:
    assert gbce_beta(3, 11, 0.0) == pytest.approx(1)
    assert gbce_beta(3, 11, 1.0) == pytest.approx(3 / 10)
    target, negatives = torch.randn(5, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    labels = torch.zeros(5, 4, dtype=torch.float64)
    labels[:, 0] = 1
    scores = torch.cat([target[:, None], negatives], 1)
    expected = F.binary_cross_entropy_with_logits(scores, labels, reduction="none").mean(1)
    torch.testing.assert_close(gbce(target, negatives), expected)


def test_expected_counts_do_not_depend_on_the_scale_of_counts() -> None:
    losses = [sampled_cross_entropy(SCORES, COLUMN, log_q("corrected", COUNTS * scale)) for scale in (1, 7)]
    torch.testing.assert_close(losses[0], losses[1])
    expected = [2 * 4 / 30, 2 * 9 / 30, 2 * 4 / 10, 2 * 1 / 10]
    torch.testing.assert_close(log_q("corrected").exp(), torch.tensor(expected, dtype=torch.float64))


def test_a_constant_added_to_a_row_does_not_change_cross_entropy() -> None:
    shifted = SCORES + torch.tensor([[3.0], [-11.0]])
    torch.testing.assert_close(sampled_cross_entropy(shifted, COLUMN), sampled_cross_entropy(SCORES, COLUMN))


@pytest.mark.parametrize("loss", ["cross_entropy", "bpr_max", "gbce"])
def test_the_order_of_negatives_does_not_change_a_loss(loss: str) -> None:
    order = torch.tensor([0, 1, 3, 2])

    def value(columns: Tensor) -> Tensor:
        scores, q = SCORES[:, columns], log_q("official")[columns]
        if loss == "cross_entropy":
            return sampled_cross_entropy(scores, COLUMN, q)
        return bpr_max(scores, COLUMN, 0.5, 0.5) if loss == "bpr_max" else gbce(scores[:, 0], scores[:, 1:], 0.3)

    torch.testing.assert_close(value(order), value(torch.arange(4)))


def test_losses_work_without_sampled_negatives_and_with_one_position() -> None:
    assert torch.isfinite(sampled_cross_entropy(SCORES[:, :2], COLUMN)).all()
    assert torch.isfinite(bpr_max(SCORES[:, :2], COLUMN)).all()
    assert sampled_cross_entropy(SCORES[:1, :1], COLUMN[:1]).item() == 0
    one = SCORES[:1, [0, 2, 3]]
    assert torch.isfinite(sampled_cross_entropy(one, COLUMN[:1])).all()
    assert torch.isfinite(bpr_max(one, COLUMN[:1])).all()


def test_a_negative_equal_to_the_target_is_left_out() -> None:
    targets = torch.tensor([5, 6])
    hits = accidental_hits(torch.tensor([5, 6, 5, 9]), targets, COLUMN)
    assert hits.tolist() == [[False, False, True, False], [False] * 4]
    without = sampled_cross_entropy(SCORES[:1, [0, 1, 3]], COLUMN[:1])
    torch.testing.assert_close(sampled_cross_entropy(SCORES, COLUMN, hits=hits)[:1], without)
    torch.testing.assert_close(bpr_max(SCORES, COLUMN, hits=hits)[:1], bpr_max(SCORES[:1, [0, 1, 3]], COLUMN[:1]))


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_negatives_follow_their_distribution(alpha: float) -> None:
    torch.manual_seed(0)
    sampler = NegativeSampler.of_counts(COUNTS, alpha)
    drawn = torch.bincount(sampler.draw(100, 400).flatten(), minlength=4) / 40_000
    torch.testing.assert_close(drawn, (COUNTS**alpha / (COUNTS**alpha).sum()).float(), rtol=0, atol=0.01)


def test_sampled_softmax_with_log_q_estimates_the_full_softmax() -> None:
    torch.manual_seed(1)
    counts = torch.arange(1, 51, dtype=torch.float64)
    logits, target = torch.randn(1, 50, dtype=torch.float64), torch.tensor([7])
    sampler = NegativeSampler.of_counts(counts, 0.75)
    negatives = sampler.draw(200_000)
    columns = torch.cat([target, negatives])
    # the target is always present: its expected number of columns is 1
    q = torch.cat([torch.zeros(1), sampler.log_q(target[:0], negatives)])
    hits = accidental_hits(columns, target, COLUMN[:1])
    loss = sampled_cross_entropy(logits[:, columns], COLUMN[:1], q, hits)
    assert loss.item() == pytest.approx(F.cross_entropy(logits, target).item(), abs=0.01)


@pytest.mark.parametrize("loss", ["cross_entropy", "bpr_max", "gbce"])
def test_gradients_of_sampled_losses(loss: str) -> None:
    def value(scores: Tensor) -> Tensor:
        if loss == "cross_entropy":
            return sampled_cross_entropy(scores, COLUMN, log_q("official"))
        return bpr_max(scores, COLUMN, 0.7, 0.5) if loss == "bpr_max" else gbce(scores[:, 0], scores[:, 1:], 0.3)

    scores = (SCORES + 0.01).requires_grad_()  # ELU has no second derivative at 0
    assert torch.autograd.gradcheck(value, (scores,))


def softmax_inputs(n: int = 7, dim: int = 3, n_items: int = 11) -> tuple[Tensor, ...]:
    torch.manual_seed(2)
    hidden, vectors, bias = torch.randn(n, dim), torch.randn(n_items, dim), torch.randn(n_items)
    targets, weights, items, values = torch.randint(n_items, (n,)), torch.rand(n), torch.randint(n_items, (n, 4)), torch.randn(n, 4)
    items[0] = targets[0]  # one item four times, and the target among the items of the prior
    floats = [tensor.double().requires_grad_() for tensor in (hidden, vectors, bias, values)]
    return *floats, items, targets, weights.double()


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_chunked_cross_entropy_equals_that_of_torch(chunk: int) -> None:
    hidden, vectors, bias, values, items, targets, weights = softmax_inputs()
    loss = chunked_cross_entropy(hidden, vectors, bias, targets, weights, LogitPrior(items, values), chunk)
    logits = (hidden @ vectors.T + bias).scatter_add(1, items, values)
    expected = F.cross_entropy(logits, targets, reduction="none") @ weights
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    inputs = (hidden, vectors, bias, values)
    pairs = zip(torch.autograd.grad(3 * loss, inputs), torch.autograd.grad(3 * expected, inputs), strict=True)
    for gradient, reference in pairs:
        torch.testing.assert_close(gradient, reference, rtol=1e-10, atol=1e-12)


def test_gradients_of_chunked_cross_entropy() -> None:
    hidden, vectors, bias, values, items, targets, weights = softmax_inputs()

    def value(h: Tensor, v: Tensor, b: Tensor, prior: Tensor) -> Tensor:
        return chunked_cross_entropy(h, v, b, targets, weights, LogitPrior(items, prior), 3)

    assert torch.autograd.gradcheck(value, (hidden, vectors, bias, values))


def test_cross_entropy_without_gradients_has_the_same_value_and_survives_large_logits() -> None:
    hidden, vectors, bias, _, _, targets, weights = softmax_inputs()
    with_gradient = chunked_cross_entropy(hidden, vectors, bias, targets, weights)
    with torch.no_grad():
        assert chunked_cross_entropy(hidden, vectors, bias, targets, weights).item() == with_gradient.item()
        loss = chunked_cross_entropy(hidden * 1e4, vectors, bias, targets, weights).item()
    assert math.isfinite(loss)
    assert chunked_cross_entropy(hidden[:0], vectors, bias, targets[:0], weights[:0]).item() == 0
