"""What the night ranks with: the method and settings that passed the gate, else PMRS's own as they are shipped.

A night fits the recipe anew on what it may know, so that a backfilled one never learns from its future; the registered weights
are those that were judged.
"""

from dataclasses import dataclass, replace
from typing import Any

from jobs.context import JobContext
from jobs.errors import LakeError
from jobs.recommenders.methods import METHODS, Method

RANKING = "ranking"
"""Name of the recommenders in the registry: one of them is live."""
SHIPPED = "pmrs_cf"
OF_THE_MACHINE = frozenset({"blocks", "seed"})
"""Settings that say how work is cut up and drawn, and not what is learned; the night has its own."""


@dataclass(frozen=True)
class Recipe:
    """A method with its settings."""

    name: str
    settings: Any
    """An object of `METHODS[name].settings`."""
    digest: str = ""
    """Of the registered model that passed the gate; empty: as shipped."""

    @property
    def method(self) -> Method:
        """The method itself."""
        return METHODS[self.name]


def live_recipe(ctx: JobContext) -> Recipe:
    """The live recipe, recorded as an input. Raises LakeError where its card is gone, or names what is unknown here."""
    digest = ctx.night.models.digest(RANKING) or ""
    ctx.inputs[f"model|{RANKING}"] = digest
    if not digest:
        return Recipe(SHIPPED, METHODS[SHIPPED].settings())
    card = ctx.night.models.card(RANKING)
    if card is None:
        pointer = f"models/{RANKING}/registered.json"
        raise LakeError(f"Model {RANKING}/{digest} is live and has no card; promote another, or delete {pointer} in the lake.")
    return of_card(card)


def of_card(card: dict[str, Any]) -> Recipe:
    """The recipe that a card of the registry tells. Raises LakeError as above."""
    name, told, which = str(card.get("method")), dict(card.get("settings", {})), f"Model {RANKING}/{card.get('digest')}"
    if name not in METHODS:
        raise LakeError(f"{which} is of the method {name!r}, which is unknown here; promote another.")
    shipped = METHODS[name].settings()
    try:
        chosen = replace(shipped, **{key: value for key, value in told.items() if key not in OF_THE_MACHINE})
    except TypeError as error:
        raise LakeError(f"{which} has settings that are unknown here ({error}); promote another.") from None
    return Recipe(name, chosen, str(card.get("digest", "")))
