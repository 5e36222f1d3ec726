"""Learned back-off: n-grams over skip-grams, with discounts and trust fitted by maximum likelihood.

    P_d(i) = (c - D_d m + (D_d T + kappa_d) P_{d-1}(i)) / (n + kappa_d)                  orders d = 1 .. depth
    P_0(i) = (mu c / n + sum over gaps g of e^(-g / tau) S[x_g, i]) / (mu + sum of e^(-g / tau))
    S[a, i] = share of i in the pairs of a with a play of i up to `skip_steps` places later or earlier

c: weight of the plays of i after the session's last d plays (d = 0: of all plays); n: sum of c over items; m = c /
(number of those plays), the mean weight of a play; T: sum of m over items. Without recency weights m = 1, and T is the
number of different items that followed. The recursion starts at the deepest context that training has. x_g: the known
play g places before the newest.

D in [0, 1] is the discount of interpolated Kneser-Ney (Kneser & Ney 1995; Chen & Goodman 1999). kappa is the strength of
the Pitman-Yor process (Teh 2006): a context with few plays is trusted less. D = 0 is a Dirichlet prior; kappa = 0 is
absolute discounting. S is a skip-gram model (Guthrie et al. 2006) in both directions, mixed linearly. Exact contexts put
the next track of an album or playlist first; skip-grams fill the rest of the list with tracks of the same sessions.

With recency weights a play of a session that ended `age` before the newest weighs exp(-age / recency_days).

Fit: the newest sessions are held out; D, kappa, mu and tau maximize the likelihood of their plays under counts of the
rest; then all sessions are counted. The context tree of models/sessions/context_tree.py is a mixture with fixed weights.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_array

from models.data.sessions import Sessions
from models.sessions.interpolation import InterpolatedNGrams, SkipGrams, interpolation
from models.sessions.ngrams import NGrams, count_ngrams
from models.sessions.rules import WEIGHTINGS, Weighting, count_pairs, strongest
from models.types import F32, F64, I64

DAY = 86_400.0
MAX_LOG = 10.0
"""Bound of |log| of kappa, mu and tau: an order with kappa = 22,000 has no weight."""
MAX_LOGIT = 7.0
"""Bound of D's |logit|: D is between 0.001 and 0.999."""


@dataclass(frozen=True)
class BackoffConfig:
    """Hyper-parameters."""

    depth: int = 3
    """Largest order; the fit gives orders 4 and 5 no weight on 30Music."""
    skip_steps: int = 20
    """Largest distance of the pairs of S, in plays: about a session, without the ends of very long ones. 0: no S."""
    skip_weighting: Weighting = "log"
    """Weight of a pair by distance: log falls slowly, 1/log10(d + 1.7)."""
    skips_per_item: int = 100
    """Largest entries of a row of S that are stored; more did not change hit rates."""
    max_gap: int = 10
    """Plays of the session, the newest, whose rows of S count; 20 instead of 8 changed no figure, and cost time."""
    recency_days: float = 0.0
    """Decay of a training session's weight by its age, in days; 0: none."""
    held_out_share: float = 0.1
    """Share of the sessions, the newest, whose likelihood is maximized."""
    max_held_out_plays: int = 30_000
    """Plays of these sessions that are used, the newest; more change eight parameters little."""


@dataclass(frozen=True)
class BackoffParameters:
    """What the fit finds."""

    discount: F64
    """[depth] D of orders 1 to depth."""
    strength: F64
    """[depth] kappa, in plays."""
    root_weight: float
    """mu."""
    gap_decay: float
    """tau, in plays."""


@dataclass(frozen=True)
class _Counts:
    """Counts of sessions."""

    ngrams: NGrams
    skip: tuple[I64, I64, F32]
    """S as CSR: indptr [I + 1], items, shares."""


@dataclass(frozen=True)
class _Statistics:
    """Counts for n held-out plays. Columns [n, depth] are 0 where the context is unknown."""

    count: F64
    """[n, depth] c of the play's item."""
    mean_weight: F64
    """[n, depth] m of the play's item."""
    total: F64
    """[n, depth] n of the context."""
    types: F64
    """[n, depth] T of the context."""
    popularity: F64
    """[n] c / n of order 0."""
    skip: F64
    """[n, max_gap] S[x_g, i]; NaN where the session has no such play."""


def fit(sessions: Sessions, config: BackoffConfig, threads: int = 0) -> InterpolatedNGrams:
    """Fit the parameters on the newest sessions, then count all sessions."""
    return build(sessions, config, fit_parameters(sessions, config), threads)


def build(
    sessions: Sessions, config: BackoffConfig, parameters: BackoffParameters, threads: int = 0
) -> InterpolatedNGrams:
    """Count `sessions` and return the model with given parameters."""
    counts = _count(sessions, config)
    ngrams, node = counts.ngrams, counts.ngrams.entry_nodes()
    discount = np.append(0.0, parameters.discount)[ngrams.order]
    strength = np.append(0.0, parameters.strength)[ngrams.order]
    mean_weight = ngrams.counts / ngrams.n_plays
    total = ngrams.sum_by_node(ngrams.counts) + strength
    weights = (ngrams.counts - discount[node] * mean_weight) / total[node]
    backoff = (discount * ngrams.sum_by_node(mean_weight) + strength) / total
    gap_weights = np.exp(-np.arange(config.max_gap if config.skip_steps else 0) / parameters.gap_decay)
    skip = SkipGrams(*counts.skip, gap_weights, parameters.root_weight)
    return InterpolatedNGrams(interpolation(ngrams, weights, backoff, skip), config.depth, threads)


def fit_parameters(sessions: Sessions, config: BackoffConfig) -> BackoffParameters:
    """Return the parameters that maximize the likelihood of the newest sessions."""
    is_held_out = np.arange(len(sessions)) >= len(sessions) - int(config.held_out_share * len(sessions))
    n_from_here = np.cumsum(sessions.lengths[::-1])[::-1]
    is_used = is_held_out & (n_from_here <= config.max_held_out_plays)
    statistics = _statistics(_count(sessions.select(~is_held_out), config), sessions.select(is_used), config)
    initial = np.array([0.0] * 2 * config.depth + [-3.0, 1.0])  # D = 0.5, kappa = 1, mu = 0.05, tau = 2.7
    if not statistics.popularity.size:
        return _parameters(initial)
    bounds = [(-MAX_LOGIT, MAX_LOGIT)] * config.depth + [(-MAX_LOG, MAX_LOG)] * (config.depth + 2)
    result = minimize(lambda x: _loss(_parameters(x), statistics), initial, method="L-BFGS-B", bounds=bounds)
    return _parameters(result.x)


def _count(sessions: Sessions, config: BackoffConfig) -> _Counts:
    weights = np.ones(sessions.items.size)
    if config.recency_days:
        age = sessions.ends.max(initial=0.0) - sessions.ends
        weights = np.repeat(np.exp(-age / (config.recency_days * DAY)), sessions.lengths)
    pairs = count_pairs(sessions, WEIGHTINGS[config.skip_weighting](np.arange(1.0, config.skip_steps + 1)), weights)
    pairs = csr_array(pairs + pairs.T)
    pairs.data /= np.repeat(pairs.sum(axis=1), np.diff(pairs.indptr))
    return _Counts(count_ngrams(sessions, config.depth, weights), strongest(pairs, config.skips_per_item))


def _parameters(x: F64) -> BackoffParameters:
    """Return the parameters of depth logits of D, depth logs of kappa, log mu and log tau."""
    logit, log_strength = np.split(x[:-2], 2)
    return BackoffParameters(
        1.0 / (1.0 + np.exp(-logit)), np.exp(log_strength), float(np.exp(x[-2])), float(np.exp(x[-1]))
    )


def _loss(parameters: BackoffParameters, statistics: _Statistics) -> float:
    """Return the mean negative log-likelihood of the held-out plays, in nats."""
    return float(-np.log(_probability(parameters, statistics)).mean())


def _probability(parameters: BackoffParameters, statistics: _Statistics) -> F64:
    """Return P of each held-out play [n]."""
    gap_weights = np.exp(-np.arange(statistics.skip.shape[1]) / parameters.gap_decay)
    total = parameters.root_weight + ~np.isnan(statistics.skip) @ gap_weights
    probability = (
        parameters.root_weight * statistics.popularity + np.nan_to_num(statistics.skip) @ gap_weights
    ) / total
    for d, (discount, strength) in enumerate(zip(parameters.discount, parameters.strength, strict=True)):
        total, types = statistics.total[:, d], statistics.types[:, d]
        own = statistics.count[:, d] - discount * statistics.mean_weight[:, d]
        mixed = (own + (discount * types + strength) * probability) / (total + strength)
        probability = np.where(total > 0, mixed, probability)
    return np.asarray(probability)


def _statistics(counts: _Counts, held_out: Sessions, config: BackoffConfig) -> _Statistics:
    """Return the counts of the plays of `held_out` but the first of each session, of items with plays."""
    ngrams, n_plays, n_orders = counts.ngrams, held_out.items.size, config.depth + 1
    mean_weight = ngrams.counts / ngrams.n_plays
    total, types = ngrams.sum_by_node(ngrams.counts), ngrams.sum_by_node(mean_weight)
    entry_keys = ngrams.entry_nodes() * ngrams.n_items + ngrams.items
    position = np.arange(n_plays) - np.repeat(held_out.indptr[:-1], held_out.lengths)
    columns = np.zeros((4, n_plays, n_orders))
    play, node = np.arange(n_plays), np.zeros(n_plays, np.int64)
    for d in range(n_orders):
        if d:
            deep = position[play] >= d
            play, node = play[deep], node[deep]
            row, is_known = _lookup(ngrams.keys, node * ngrams.n_items + held_out.items[play - d])
            play, node = play[is_known], row[is_known] + 1
        row, is_known = _lookup(entry_keys, node * ngrams.n_items + held_out.items[play])
        columns[0, play[is_known], d] = ngrams.counts[row[is_known]]
        columns[1, play[is_known], d] = mean_weight[row[is_known]]
        columns[2, play, d], columns[3, play, d] = total[node], types[node]
    is_usable = (position > 0) & (columns[0, :, 0] > 0)
    popularity = columns[0, is_usable, 0] / total[0]
    skip = _skip_shares(counts.skip, held_out, position, config.max_gap if config.skip_steps else 0)
    count, weight, context_total, context_types = columns[:, is_usable, 1:]
    return _Statistics(count, weight, context_total, context_types, popularity, skip[is_usable])


def _skip_shares(skip: tuple[I64, I64, F32], held_out: Sessions, position: I64, n_gaps: int) -> F64:
    """Return S[x_g, i] of each play i and each gap [N, n_gaps]; NaN where the session has no such play."""
    indptr, items, shares = skip
    row = np.repeat(np.arange(indptr.size - 1), np.diff(indptr))
    keys = row * held_out.n_items + items
    order = np.argsort(keys)
    pair_shares = np.full((position.size, n_gaps), np.nan)
    for gap in range(n_gaps):
        play = np.flatnonzero(position > gap)
        index, is_known = _lookup(keys[order], held_out.items[play - gap - 1] * held_out.n_items + held_out.items[play])
        pair_shares[play, gap] = 0.0
        pair_shares[play[is_known], gap] = shares[order[index[is_known]]]
    return pair_shares


def _lookup(keys: I64, pairs: I64) -> tuple[I64, I64]:
    """Return the index of each of `pairs` [n] in the ascending `keys`, and whether it is there [n]."""
    row = np.searchsorted(keys, pairs)
    is_known = np.zeros(row.size, bool)
    inside = row < keys.size
    is_known[inside] = keys[row[inside]] == pairs[inside]
    return row, is_known
