"""Count the lines of text files from their raw bytes, without Spark."""

from jobs.sources.reading.raw_bytes import MAX_LINE_BYTES, chunks_until_truncation, iter_chunks


def count_lines(path: str, truncated: bool = False) -> int:
    """Count the lines of a plain or gzip file; an unterminated last line counts.

    With `truncated`, count what precedes the truncation of a gzip stream. Raises OSError, EOFError or zlib.error.
    """
    lines, unterminated, length = 0, False, 0
    for chunk in chunks_until_truncation(path) if truncated else iter_chunks(path):
        lines += chunk.count(b"\n")
        unterminated = not chunk.endswith(b"\n")
        length = len(chunk) - 1 - last if (last := chunk.rfind(b"\n")) >= 0 else length + len(chunk)
        if length > MAX_LINE_BYTES:
            raise OSError(f"line {lines + 1} is longer than {MAX_LINE_BYTES // 2**20} MiB")
    return lines + unterminated
