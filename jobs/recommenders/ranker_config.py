"""The live ranker: the method and hyper-parameters that passed the gate, else PMRS's with their defaults.

A night fits the ranker again on the data up to its date, so that a backfilled night never trains on later data. The
registered weights are those that were evaluated (ADR 8).
"""

from dataclasses import dataclass, replace
from typing import Any

from jobs.context import JobContext
from jobs.errors import LakeError
from jobs.lake.inputs import model_input
from jobs.recommenders.methods import METHODS, Method

RANKING = "ranking"
"""Name of the recommenders in the model registry; one of them is live."""
DEFAULT_RANKER = "pmrs_cf"
MACHINE_SETTINGS = frozenset({"blocks", "seed"})
"""Settings of the machine, not of the model: the night uses its own."""


@dataclass(frozen=True)
class RankerConfig:
    """A method with its hyper-parameters."""

    name: str
    settings: Any
    """An object of `METHODS[name].settings`."""
    digest: str = ""
    """Digest of the registered model that passed the gate; empty: the default ranker."""

    @property
    def method(self) -> Method:
        """The method of this name."""
        return METHODS[self.name]


def live_ranker(ctx: JobContext) -> RankerConfig:
    """Return the live ranker, and record it as an input. Raises LakeError if its card is missing or not understood."""
    digest = ctx.night.models.digest(RANKING) or ""
    ctx.record(model_input(RANKING), digest)
    if not digest:
        return RankerConfig(DEFAULT_RANKER, METHODS[DEFAULT_RANKER].settings())
    card = ctx.night.models.card(RANKING)
    if card is None:
        pointer = f"models/{RANKING}/registered.json"
        raise LakeError(f"Model {RANKING}/{digest} is live and has no card; promote another, or delete {pointer} in the lake.")
    return ranker_from_card(card)


def ranker_from_card(card: dict[str, Any]) -> RankerConfig:
    """Return the ranker that a card of the registry describes. Raises LakeError for an unknown method or setting."""
    name, given, label = str(card.get("method")), dict(card.get("settings", {})), f"Model {RANKING}/{card.get('digest')}"
    if name not in METHODS:
        raise LakeError(f"{label} has the unknown method {name!r}; promote another.")
    defaults = METHODS[name].settings()
    try:
        chosen = replace(defaults, **{key: value for key, value in given.items() if key not in MACHINE_SETTINGS})
    except TypeError as error:
        raise LakeError(f"{label} has unknown settings ({error}); promote another.") from None
    return RankerConfig(name, chosen, str(card.get("digest", "")))
