"""Find out whether an unparsed line names a user: every token of it that could be a user id is tried.

Tokens are generous on purpose: one too many costs a hash, one too few leaves a user id in the quarantine.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from unicodedata import normalize
from urllib.parse import unquote, unquote_plus

from jobs.lake.deletion_requests import DeletionRequests, sha256

LITERAL = re.compile(r'(?="((?:[^"\\]|\\.){0,2048}+)")', re.DOTALL)
"""JSON text from any quote to the next, because a truncated line may have lost a quote. An escaped id is shorter than
2,048 characters."""
ESCAPE = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")
MARKS = ("\t", ",", " ", ";", "|", ":", "=", "&", "/", '"', "'", "<SEP>", "\r", "%", "\\", "\N{REPLACEMENT CHARACTER}")
WRAPPING = " \t\r\n\"'`()[]{}<>,;:"
WORD = re.compile(r"\w+")
LONGEST = 8
"""Most neighboring words that may form one id, with the text between them: a UUID has five, an address about four."""
LONG_LINE = 256 * 1024
"""Bytes from which a line is not split into tokens but treated as naming a user: splitting costs up to 30 s per MB.

Such a line is a log without newlines, or no text at all."""


def texts(line: bytes) -> Iterator[str]:
    """Yield the line as text in every encoding it may have, each once."""
    forms = [line.decode("utf-8", "replace"), line.decode("latin-1")]
    if b"\0" in line:
        forms.append(line.replace(b"\0", b"").decode("utf-8", "replace"))
    if line.count(b"\0") * 8 > len(line):
        # UTF-16 in either byte order; a newline of two bytes leaves one of them at the start of the next line
        forms += [line[skip:].decode(f"utf-16-{order}", "replace") for order in ("le", "be") for skip in (0, 1)]
    escaped = [ESCAPE.sub(_unescaped, text) for text in forms if "\\u" in text]
    yield from dict.fromkeys([*forms, *escaped, *_unquoted(forms[0])])


def _unquoted(text: str) -> set[str]:
    """Return the decoded texts of a URL-encoded text; some are encoded twice."""
    if "%" not in text:
        return set()
    once = {read(text, encoding=code) for read in (unquote, unquote_plus) for code in ("utf-8", "latin-1")}
    return once | {unquote(text) for text in once}


def _unescaped(escapes: re.Match[str]) -> str:
    units = bytes.fromhex(escapes[0].replace("\\u", ""))
    return units.decode("utf-16-be", "replace")


def literals(text: str) -> Iterator[str]:
    """Yield the texts between two double quotes: as they are, with doubled quotes single, and parsed as JSON."""
    for match in LITERAL.finditer(text):
        inner = match[1]
        yield inner
        try:
            yield str(json.loads(f'"{inner}"', strict=False))
        except ValueError:
            continue


def fields(text: str) -> Iterator[str]:
    """Yield the fields of the text at each separator that formats use, as they are and stripped."""
    yield text
    yield text.strip(WRAPPING)
    for mark in MARKS:
        for field in text.split(mark) if mark in text else ():
            yield field
            yield field.strip(WRAPPING)


def spans(text: str) -> Iterator[str]:
    """Yield every sequence of up to LONGEST neighboring words, with the text between them."""
    words = [match.span() for match in WORD.finditer(text)]
    for first, (start, _) in enumerate(words):
        for _, end in words[first : first + LONGEST]:
            yield text[start:end]


def tokens(line: bytes) -> set[str]:
    """Return every token of a line that could be an id."""
    pieces: set[str] = set()
    for text in texts(line):
        quoted = list(literals(text))
        for piece in (text, text.replace('""', '"'), *quoted):
            pieces.update(fields(piece))
        for piece in (text, *(inner for inner in quoted if "\\" in text)):  # unescaped, words may join
            pieces.update(spans(piece))
    pieces |= {normalize(form, piece) for piece in pieces if not piece.isascii() for form in ("NFC", "NFD")}
    return pieces - {""}


def names_erased_user(requests: DeletionRequests, namespaces: Iterable[str]) -> Callable[[bytes], bool]:
    """Return a predicate of lines: True if a line names an erased user, or a user together with a track to be erased.

    It is also True for lines longer than LONG_LINE if there is any deletion request. `namespaces`: prefixes of ids in
    the lake; each token is tried without a prefix and with each of them.
    """
    prefixes = ["", *sorted({f"{name}:" for name in namespaces if name})]

    def names_user(line: bytes) -> bool:
        if len(line) > LONG_LINE:
            return bool(requests.by_hash)
        pieces = tokens(line)
        ids: set[str] | None = None
        for piece in pieces:
            for prefix in prefixes:
                request = requests.by_hash.get(sha256(prefix + piece))
                if request is None:
                    continue
                if request.full_erasure:
                    return True
                ids = ids or {p + known for p in prefixes for known in pieces}
                if ids & (request.tracks | request.songs):
                    return True
        return False

    return names_user
