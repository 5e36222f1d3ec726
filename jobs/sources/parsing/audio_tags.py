"""Read the tags of audio files: ID3, Vorbis comments, MP4 atoms. Broken and hostile tags are ignored."""

import re
from collections.abc import Mapping
from typing import Any

from jobs.sources.parsing.bounded_tags import open_tags

NAMES: Mapping[str, tuple[str, ...]] = {
    "title": ("title", "TIT2"),
    "artist": ("artist", "TPE1"),
    "release": ("album", "TALB"),
    "year": ("date", "year", "TDRC"),
    "label": ("genre", "TCON"),
}
"""Our column -> tag names: first those of Vorbis comments and MP4 (mutagen's easy interface), then ID3's frames."""
MAX_CHARACTERS = 1000
"""A longer text is no name."""
YEAR = re.compile(r"(?<!\d)(1[89]\d\d|20\d\d)(?!\d)")


def read_tags(path: str) -> dict[str, str | int]:
    """Return the file's `title`, `artist`, `release` and `label` (genre) as text, and `year` as a number."""
    try:
        opened = open_tags(path)
        tags = opened.tags if opened is not None else None
        texts = {column: text for column, tag_names in NAMES.items() if tags and (text := _first(tags, tag_names))}
    except Exception:  # damaged tags raise all kinds of errors, not only mutagen's own
        return {}
    year = YEAR.search(str(texts.pop("year", "")))
    return {**texts, **({"year": int(year[0])} if year else {})}


def fix_mojibake(text: str) -> str:
    """Repair UTF-8 text that was decoded as latin-1 (BjÃ¶rk), as many programs write it into ID3."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _first(tags: Any, names: tuple[str, ...]) -> str | None:
    """Return the first value under the first of these names that the tags have."""
    for name in names:
        value = _value(tags, name)
        genres = getattr(value, "genres", None)
        values = genres or getattr(value, "text", value)
        for item in values if isinstance(values, list) else [values]:
            text = fix_mojibake(str(item if item is not None else "")).replace("\0", " ").strip()
            if 0 < len(text) <= MAX_CHARACTERS:
                return text.encode("utf-8", "replace").decode()
    return None


def _value(tags: Any, name: str) -> Any:
    try:
        return tags.get(name)
    except (KeyError, ValueError):  # a name that this type of tags does not support
        return None
