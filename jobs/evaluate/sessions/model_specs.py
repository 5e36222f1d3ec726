"""The session models that `pmrs evaluate sessions` compares."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jobs.evaluate.sessions import networks
from jobs.evaluate.sessions.networks import NetworkSettings
from models.data.sessions import Sessions
from models.protocol import SessionModel
from models.sequence_training import OPTIMIZATION
from models.sessions import backoff, blend, context_tree, knn, popularity, rules, slist, stan
from models.sessions.blend_candidates import CandidatesConfig

BASELINES = ("sr", "vsknn")
"""Models from which paired differences are computed: the published simple methods with the best MRR and the best HR."""


@dataclass(frozen=True)
class SessionModelSpec:
    """One session model of the comparison."""

    name: str
    title: str
    fit: Callable[[Sessions, Any, Sequence[int]], Sequence[SessionModel]]
    """Return a model for each seed, from (sessions, config, seeds)."""
    grid: tuple[Any, ...]
    """Settings. If there are several, tuning picks one on the inner split."""
    seeds: tuple[int, ...] = (0,)
    in_default_set: bool = True
    """False: the model is evaluated only if it is named."""


def _unseeded(
    fit: Callable[[Sessions, Any], SessionModel],
) -> Callable[[Sessions, Any, Sequence[int]], Sequence[SessionModel]]:
    """Return the fit of a model without random numbers, which has one seed."""
    return lambda train, config, seeds: [fit(train, config)]


SR_GRID = (
    rules.RulesConfig(), rules.RulesConfig(last_in_session=3), rules.RulesConfig(weighting="div"), rules.RulesConfig(steps=9),
)  # fmt: skip
STAN_GRID = (stan.STAN_HR, stan.STAN_MRR)
VSTAN_GRID = (stan.VSTAN_HR, stan.VSTAN_MRR)
SEEDS = (7, 8, 9)
"""Seeds of models with random numbers."""
TRAINING = replace(OPTIMIZATION, epochs=5, lr=4e-3, batch_size=64)
"""Chosen on 30Music, on the 14 days before the test days, as are the settings of the networks."""
GRU4REC = NetworkSettings(
    "gru4rec", {"dim": 100, "embedding_dropout": 0.2, "hidden_dropout": 0.3}, repeats=True, optimization=TRAINING
)
NARM = NetworkSettings("narm", {"dim": 100}, optimization=TRAINING)
SASREC = NetworkSettings("sasrec", {"block": "ligr", "positions": "relative", "dropout": 0.3}, optimization=TRAINING)
ALONE = blend.BlendConfig(CandidatesConfig(use_past=False))
SESSION_MODELS = (
    SessionModelSpec("popularity", "popularity", _unseeded(popularity.fit), (popularity.PopularityConfig(days=0),)),
    SessionModelSpec("popularity_week", "popularity, last 7 days", _unseeded(popularity.fit), (popularity.PopularityConfig(),)),
    SessionModelSpec(
        "own_plays", "the user's own plays, base level", _unseeded(popularity.fit_own_plays), (popularity.OwnPlaysConfig(),)
    ),
    SessionModelSpec("association_rules", "association rules", _unseeded(rules.fit), (rules.ASSOCIATION,)),
    SessionModelSpec("markov", "Markov chain", _unseeded(rules.fit), (rules.MARKOV,)),
    SessionModelSpec("sr", "sequential rules", _unseeded(rules.fit), SR_GRID),
    SessionModelSpec("sknn", "SKNN", _unseeded(knn.fit), (knn.SKNN,)),
    SessionModelSpec("vsknn", "VSKNN", _unseeded(knn.fit), (knn.VSKNN,)),
    SessionModelSpec("stan", "STAN", _unseeded(stan.fit), STAN_GRID),
    SessionModelSpec("vstan", "VSTAN", _unseeded(stan.fit), VSTAN_GRID),
    SessionModelSpec("stan_directed", "VSTAN, directed", _unseeded(stan.fit), (stan.DIRECTED_WITH_USER,)),
    SessionModelSpec(
        "context_tree", "context tree, fixed weights", _unseeded(context_tree.fit), (context_tree.ContextTreeConfig(),)
    ),
    SessionModelSpec("backoff", "learned back-off", _unseeded(backoff.fit), (backoff.BackoffConfig(),)),
    SessionModelSpec("slist", "SLIST", _unseeded(slist.fit), (slist.SlistConfig(),)),
    SessionModelSpec("session_blend", "session blend, session alone", blend.fit_seeds, (ALONE,), SEEDS),
    SessionModelSpec("session_blend_past", "session blend", blend.fit_seeds, (blend.BlendConfig(),), SEEDS),
    # a training takes minutes on two cores
    SessionModelSpec("gru4rec", "GRU4Rec with repeats", networks.fit_seeds, (GRU4REC,), SEEDS, in_default_set=False),
    SessionModelSpec("narm", "NARM", networks.fit_seeds, (NARM,), SEEDS, in_default_set=False),
    SessionModelSpec("sasrec", "SASRec", networks.fit_seeds, (SASREC,), SEEDS, in_default_set=False),
)


def select_session_models(names: Sequence[str]) -> list[SessionModelSpec]:
    """Return the specs of these names in the order of SESSION_MODELS; without names, those of the default set.

    Raises ValueError that lists the available models for an unknown name.
    """
    available = [spec.name for spec in SESSION_MODELS]
    if unknown := sorted(set(names) - set(available)):
        raise ValueError(f"there is no session model {unknown[0]!r}; available are {', '.join(available)}")
    return [spec for spec in SESSION_MODELS if (spec.name in names if names else spec.in_default_set)]
