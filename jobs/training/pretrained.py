"""The pretrained audio network (models/musicnn.py) whose embeddings a night has, for the jobs that use them."""

from jobs.context import JobContext
from jobs.lake.inputs import Input, InputKind
from jobs.lake.model_registry import Card

EMBEDDINGS = "track_embeddings"


def registry_name(network: str) -> str:
    """Return the registry name of a network that [jobs.embeddings] names."""
    return network.lower()


def network_tags(ctx: JobContext) -> tuple[str, ...]:
    """Return the names of column `tags` of the night's `track_embeddings`; empty if no network computed them."""
    card = _network_card(ctx)
    return tuple(card["tags"]) if card else ()


def embeddings_version(ctx: JobContext) -> str:
    """Return an identifier of the night's embeddings: network and settings; empty if there are none.

    A model that was trained on embeddings is valid for embeddings of the same version only.
    """
    card, manifest = _network_card(ctx), ctx.night.lake.manifest(EMBEDDINGS, ctx.night.date.isoformat())
    if card is None or manifest is None or not manifest.rows:
        return ""
    return f"{card['name']}/{card['digest']} hop {manifest.config['hop']}"


def _network_card(ctx: JobContext) -> Card | None:
    """Return the card of the network that computed the rows, from their manifest: not of the one that is set now."""
    manifest = ctx.night.lake.manifest(EMBEDDINGS, ctx.night.date.isoformat())
    for label, digest in (manifest.inputs if manifest else {}).items():
        item = Input.parse(label)
        if item.kind == InputKind.MODEL and digest:
            return ctx.night.models.card(item.name, digest)
    return None
