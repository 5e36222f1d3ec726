"""Register the pretrained audio network of the package `musicnn`: `pmrs run pretrained --date D`.

Its checkpoint is converted to safetensors once. The package is optional: if it is missing or damaged, a warning is logged, and
the night continues with the network that is registered, or without embeddings.
"""

import datetime as dt
import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from jobs.context import JobContext
from jobs.embeddings.config import EmbeddingsConfig
from jobs.errors import LakeError, SourceError
from jobs.lake.model_registry import ModelRegistry, RegisteredModel
from jobs.log import logger
from jobs.training.pretrained import registry_name
from models import tensorflow_checkpoint
from models.musicnn_tags import TAGS, NetworkName

LOG = logger(__name__)
PACKAGE = "musicnn"
REMEDY = "install it: .venv/bin/python -m pip install --no-deps --force-reinstall musicnn==0.1.0"
INDEX, DATA = ".index", ".data-00000-of-00001"


@dataclass(frozen=True)
class Checkpoint:
    """The two files of a TensorFlow checkpoint."""

    index: bytes
    data: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of both files (hex)."""
        return hashlib.sha256(self.index + self.data).hexdigest()


def package_folder() -> Path | None:
    """Return the folder of the package, which is never imported; None if it is not installed."""
    spec = find_spec(PACKAGE)
    folders = list(spec.submodule_search_locations or []) if spec else []
    return Path(folders[0]) if folders else None


def read_checkpoint(folder: Path | None, network: str) -> Checkpoint:
    """Return the checkpoint of a network. Raises SourceError if a file is missing."""
    if folder is None:
        raise SourceError(f"The package {PACKAGE} is not installed; {REMEDY}.")
    try:
        return Checkpoint(*((folder / network / name).read_bytes() for name in (INDEX, DATA)))
    except OSError as error:
        raise SourceError(f"The weights of {network} cannot be read: {error}; {REMEDY}.") from None


def run(ctx: JobContext) -> None:
    """Register the network of [jobs.embeddings] unless these weights are registered; read and write no table."""
    config: EmbeddingsConfig = ctx.config_of("embeddings")
    if config.network == "none":
        return
    name = registry_name(config.network)
    try:
        checkpoint = read_checkpoint(package_folder(), config.network)
        if not ctx.force and is_registered(ctx.night.models, name, checkpoint.digest):
            return
        digest = register(ctx.night.models, name, config.network, checkpoint)
    except SourceError as error:
        usable = _live(ctx.night.models, name) is not None
        consequence = "the registered network is used" if usable else "tracks have no embeddings"
        LOG.warning(f"{error} Until then {consequence}.")
        return
    LOG.info("registered", model=name, digest=digest)


def is_registered(models: ModelRegistry, name: str, source_digest: str) -> bool:
    """Return True if the live model of this name was converted from these files and is intact."""
    live = _live(models, name)
    return live is not None and live.card.get("source_digest") == source_digest


def _live(models: ModelRegistry, name: str) -> RegisteredModel | None:
    """Return the live model; None if there is none, or if its weights are damaged."""
    try:
        return models.load(name)
    except LakeError:
        return None


def register(models: ModelRegistry, name: str, network: NetworkName, checkpoint: Checkpoint) -> str:
    """Convert and register the weights; return their digest. Raises SourceError for a damaged checkpoint."""
    from models import musicnn  # torch: only for a conversion

    try:
        weights = musicnn.to_bytes(musicnn.from_tensors(tensorflow_checkpoint.read_checkpoint(checkpoint.index, checkpoint.data)))
    except ValueError as error:
        raise SourceError(f"The weights of {network} in the package {PACKAGE} are damaged: {error}; {REMEDY}.") from None
    card = {
        "method": "musicnn (Pons and Serra 2019), trained by its authors; converted from the package musicnn 0.1.0",
        "network": network, "tags": list(TAGS[network]), "preset": "musicnn", "source_digest": checkpoint.digest,
        "license": "ISC", "registered_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    return models.register(name, weights, card)
