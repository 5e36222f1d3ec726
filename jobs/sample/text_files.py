"""Write text files with some garbage in them: those of the catalogue and of the users."""

from pathlib import Path

from numpy.random import Generator

from jobs.sample.app_log import Garbage


def write_lines(
    out: Path, name: str, good: list[bytes], bad: list[tuple[str, bytes]], rng: Generator, header: int = 0
) -> list[Garbage]:
    """Write `good` lines with the `bad` ones (kind, raw) at random positions after `header` lines.

    Returns the positions of the bad ones.
    """
    lines = [("good", raw) for raw in good]
    for entry in bad:
        lines.insert(int(rng.integers(header, len(lines) + 1)), entry)
    path = out / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(raw + b"\n" for _, raw in lines))
    return [Garbage(name, number, kind) for number, (kind, _) in enumerate(lines, start=1) if kind != "good"]
