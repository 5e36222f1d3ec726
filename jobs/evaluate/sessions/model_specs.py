"""The session models that `pmrs evaluate sessions` compares."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from models.data.sessions import Sessions
from models.protocol import SessionModel

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


SESSION_MODELS: tuple[SessionModelSpec, ...] = ()


def select_session_models(names: Sequence[str]) -> list[SessionModelSpec]:
    """Return the specs of these names in the order of SESSION_MODELS; without names, those of the default set.

    Raises ValueError that lists the available models for an unknown name.
    """
    available = [spec.name for spec in SESSION_MODELS]
    if unknown := sorted(set(names) - set(available)):
        raise ValueError(f"there is no session model {unknown[0]!r}; available are {', '.join(available)}")
    return [spec for spec in SESSION_MODELS if (spec.name in names if names else spec.in_default_set)]
