"""Settings of the job `text_vectors`. This module loads without torch and Spark."""

from dataclasses import dataclass

from models.defaults import MAX_TOKENS


@dataclass(frozen=True)
class TextVectorsConfig:
    """Which encoder is used, and how much of each text."""

    encoder: str = ""
    """`packaged` (all-MiniLM-L6-v2), or an absolute folder in Hugging Face's layout on every worker; empty: no vectors.

    The default is empty: at some 130 texts per second and core, the first night of a large catalogue takes half an hour
    longer.
    """
    tokens: int = MAX_TOKENS
    """Maximum number of tokens of a text; few have more."""
    tags: int = 10
    """Maximum number of tags of a track: further ones are rare."""
    batch: int = 64
    """Texts per batch of the encoder."""
    texts_per_task: int = 2_048
    """A quarter of a minute of one core. Also determines which texts share a batch, so that equal inputs give equal
    bits.
    """
    decimals: int = 4
    """Digits of the stored values: removes differences in the last bits between machines."""
