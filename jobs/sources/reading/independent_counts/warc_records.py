"""Count the records of a WARC file from each record's head and length, in plain Python and without warcio.

Stricter than warcio, which only warns about a record with a wrong Content-Length and skips it.
"""

import re

from jobs.sources.reading.independent_counts.byte_stream import ByteStream

VERSION_LINE = re.compile(rb"WARC/(1\.[01]|0\.1[78])\s", re.IGNORECASE)
MAX_HEAD_BYTES = 256 * 1024
"""A record's own head has some hundred bytes; a larger one is hostile and is not read into memory."""


def count_records(path: str) -> int:
    """Count records of any type, plain or gzip. Raises OSError, EOFError or zlib.error for a damaged file."""
    stream, count = ByteStream(path), 0
    while line := stream.line(MAX_HEAD_BYTES):
        if not _decode_header(line):
            continue
        if not VERSION_LINE.match(line):
            raise OSError(f"no WARC record follows record {count}: its Content-Length may be wrong")
        stream.take(_read_content_length(stream), keep=False)
        count += 1
        if _decode_header(stream.line(MAX_HEAD_BYTES)):
            raise OSError(f"record {count} does not end where its Content-Length says")
    return count


def _read_content_length(stream: ByteStream) -> int:
    """Read a record's head to its end; return the number of bytes that follow it."""
    lengths, name, size = [], "", 0
    while line := stream.line(MAX_HEAD_BYTES):
        size += len(line)
        if size > MAX_HEAD_BYTES:
            raise OSError(f"a record has a head of more than {MAX_HEAD_BYTES} bytes")
        text = _decode_header(line)
        if not text:
            break
        key, _, value = text.partition(":")
        folded = text.startswith((" ", "\t"))
        if not folded:
            name = key.rstrip(" \t").lower()
        if name == "content-length":
            lengths.append("" if folded else value.strip())
    if len(lengths) != 1 or not re.fullmatch("[0-9]{1,15}", lengths[0]):
        raise OSError("a record has no Content-Length, or two")
    return int(lengths[0])


def _decode_header(line: bytes) -> str:
    """Decode a line as warcio does, so that both find the same end of a head."""
    try:
        return line.decode().rstrip()
    except UnicodeDecodeError:
        return line.decode("latin-1").rstrip()
