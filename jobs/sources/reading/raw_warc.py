"""The second reader of WARC files: each record's head and length, in plain Python, so that its count is evidence.

It is stricter than warcio, which passes over a record whose Content-Length is wrong with a word on the screen.
"""

import re

from jobs.sources.reading.unpacked import Unpacked

HEAD = re.compile(rb"WARC/(1\.[01]|0\.1[78])\s", re.IGNORECASE)
HEAD_BYTES = 256 * 1024
"""A record's own head has some hundred bytes; a larger one is hostile, and nobody reads it into memory."""


def count_records(path: str) -> int:
    """Records of any type, plain or gzip. Raises OSError, EOFError or zlib.error where the file is damaged."""
    stream, count = Unpacked(path), 0
    while line := stream.line(HEAD_BYTES):
        if not _text(line):
            continue
        if not HEAD.match(line):
            raise OSError(f"what follows record {count} is no WARC record: its Content-Length may be wrong")
        stream.take(_length(stream), keep=False)
        count += 1
        if _text(stream.line(HEAD_BYTES)):
            raise OSError(f"record {count} does not end where its Content-Length says")
    return count


def _length(stream: Unpacked) -> int:
    """Read on to the end of a record's head; the bytes that follow it."""
    lengths, last, size = [], "", 0
    while line := stream.line(HEAD_BYTES):
        size += len(line)
        if size > HEAD_BYTES:
            raise OSError(f"a record has a head of more than {HEAD_BYTES} bytes")
        text = _text(line)
        if not text:
            break
        name, _, value = text.partition(":")
        folded = text.startswith((" ", "\t"))
        if not folded:
            last = name.rstrip(" \t").lower()
        if last == "content-length":
            lengths.append("" if folded else value.strip())
    if len(lengths) != 1 or not re.fullmatch("[0-9]{1,15}", lengths[0]):
        raise OSError("a record does not tell its Content-Length, or tells it twice")
    return int(lengths[0])


def _text(line: bytes) -> str:
    """A line as warcio takes it, so that both find the same end of a head."""
    try:
        return line.decode().rstrip()
    except UnicodeDecodeError:
        return line.decode("latin-1").rstrip()
