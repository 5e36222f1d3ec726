"""Nights with ingested audio files, as in tests/audio."""

from tests.audio.conftest import ingested

__all__ = ("ingested",)
