"""What an audio file's own tags say: ID3, Vorbis comments, MP4 atoms. Broken and hostile tags say nothing and stop nothing."""

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
"""Ours, and theirs: the names in Vorbis comments and MP4 (by mutagen's easy interface), then ID3's frames."""
LONGEST = 1000
"""Characters; a longer text is no name."""
YEAR = re.compile(r"(?<!\d)(1[89]\d\d|20\d\d)(?!\d)")


def read_tags(path: str) -> dict[str, str | int]:
    """`title`, `artist`, `release`, `label` (genre) as text and `year` as a number, those that the file tells."""
    try:
        opened = open_tags(path)
        tags = opened.tags if opened is not None else None
        told = {ours: text for ours, theirs in NAMES.items() if tags and (text := _first(tags, theirs))}
    except Exception:  # mutagen raises whatever the damage leads to, not only its own error
        return {}
    year = YEAR.search(str(told.pop("year", "")))
    return {**told, **({"year": int(year[0])} if year else {})}


def mended(text: str) -> str:
    """Text that was UTF-8 and was taken for latin-1 (BjÃ¶rk), as many programs write it into ID3, made right again."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _first(tags: Any, names: tuple[str, ...]) -> str | None:
    """The first value under the first of these names that the tags have."""
    for name in names:
        value = _value(tags, name)
        genres = getattr(value, "genres", None)
        values = genres or getattr(value, "text", value)
        for one in values if isinstance(values, list) else [values]:
            text = mended(str(one if one is not None else "")).replace("\0", " ").strip()
            if 0 < len(text) <= LONGEST:
                return text.encode("utf-8", "replace").decode()
    return None


def _value(tags: Any, name: str) -> Any:
    try:
        return tags.get(name)
    except (KeyError, ValueError):  # a name that this kind of tags cannot have
        return None
