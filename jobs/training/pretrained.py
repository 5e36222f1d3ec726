"""The pretrained audio network (models/musicnn.py) whose embeddings a night has, for the jobs that use them."""

from jobs.context import JobContext
from jobs.lake.inputs import Input, InputKind
from jobs.lake.manifest import Manifest
from jobs.lake.model_registry import Card

TOP_TAGS = 8
"""Tags per track that a page and MongoDB show: of 50 the ones that a listener would name."""


def registry_name(network: str) -> str:
    """Return the registry name of a network that [jobs.embeddings] names."""
    return network.lower()


def network_tags(ctx: JobContext) -> tuple[str, ...]:
    """Return the names of column `tags` of the night's `track_embeddings`, and record the table as an input.

    Returns an empty tuple if no network computed them.
    """
    card = _network_card(ctx, _read_manifest(ctx))
    return tuple(card["tags"]) if card else ()


def embeddings_version(ctx: JobContext) -> str:
    """Return an identifier of the night's embeddings: network and settings; empty if there are none.

    Records `track_embeddings` as an input. A model that was trained on embeddings is valid for embeddings of the same version
    only.
    """
    manifest = _read_manifest(ctx)
    card = _network_card(ctx, manifest)
    if card is None or manifest is None or not manifest.rows:
        return ""
    return f"{card['name']}/{card['digest']} hop {manifest.config['hop']}"


def patch_hop(ctx: JobContext) -> int:
    """Return the frames from the start of a patch to the next, of the night's `track_embeddings`; 0 if there are none.

    Records the table as an input.
    """
    manifest = _read_manifest(ctx)
    return int(manifest.config["hop"]) if manifest else 0


def _read_manifest(ctx: JobContext) -> Manifest | None:
    """Return the manifest of the night's embeddings, and record them as an input."""
    ctx.record_table("track_embeddings")
    return ctx.night.lake.manifest("track_embeddings", ctx.night.date.isoformat())


def _network_card(ctx: JobContext, manifest: Manifest | None) -> Card | None:
    """Return the card of the network that computed the rows, from their manifest: not of the one that is set now."""
    for label, digest in (manifest.inputs if manifest else {}).items():
        item = Input.parse(label)
        if item.kind == InputKind.MODEL and digest:
            return ctx.night.models.card(item.name, digest)
    return None
