"""The session models that `pmrs evaluate sessions` compares."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from models.data.sessions import Sessions
from models.protocol import SessionModel
from models.sessions import rules
from models.sessions.rules import RulesConfig

BASELINES = ("sr", "vsknn")
"""Models from which paired differences are computed: the published simple methods with the best MRR and the best HR."""


@dataclass(frozen=True)
class SessionModelSpec:
    """One session model of the comparison."""

    name: str
    title: str
    fit: Callable[[Sessions, Any, int], SessionModel]
    """Fit with (sessions, config, seed)."""
    grid: tuple[Any, ...]
    """Settings. If there are several, tuning picks one on the inner split."""
    seeds: tuple[int, ...] = (0,)
    in_default_set: bool = True
    """False: the model is evaluated only if it is named."""


def _rules(train: Sessions, config: RulesConfig, seed: int) -> SessionModel:
    del seed
    return rules.fit(train, config)


SR_GRID = (RulesConfig(), RulesConfig(last_in_session=3), RulesConfig(weighting="div"), RulesConfig(steps=9))
SESSION_MODELS = (
    SessionModelSpec("association_rules", "association rules", _rules, (rules.ASSOCIATION,)),
    SessionModelSpec("markov", "Markov chain", _rules, (rules.MARKOV,)),
    SessionModelSpec("sr", "sequential rules", _rules, SR_GRID),
)


def select_session_models(names: Sequence[str]) -> list[SessionModelSpec]:
    """Return the specs of these names in the order of SESSION_MODELS; without names, those of the default set.

    Raises ValueError that lists the available models for an unknown name.
    """
    available = [spec.name for spec in SESSION_MODELS]
    if unknown := sorted(set(names) - set(available)):
        raise ValueError(f"there is no session model {unknown[0]!r}; available are {', '.join(available)}")
    return [spec for spec in SESSION_MODELS if (spec.name in names if names else spec.in_default_set)]
