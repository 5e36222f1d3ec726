"""Write files and links atomically: a reader sees the old content or the complete new one.

Each write goes to a temporary file of its own beside the target, which is then renamed. Several processes may write one
target at once: the last rename wins. A killed write leaves a hidden file `.*.part`.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL = ".*.part"
"""Pattern of temporary files, which a killed write leaves behind."""


def write_atomic(target: Path, content: str | bytes, mode: int | None = None, sync: bool = False) -> None:
    """Write a file; create missing folders. Text is encoded as UTF-8.

    `mode`: permission bits, also of the temporary file, so that a secret is never readable by others; None: as the
    process creates files. `sync`: the content survives a loss of power before the file appears. Raises OSError.
    """
    with _renamed_to(target) as temporary:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else mode)
        with os.fdopen(descriptor, "wb") as file:
            if mode is not None:
                os.fchmod(descriptor, mode)  # the process may create files with fewer permissions
            file.write(content.encode() if isinstance(content, str) else content)
            if sync:
                file.flush()
                os.fsync(descriptor)


def link_atomic(link: Path, target: Path) -> None:
    """Make or repoint a symbolic link; create missing folders. Raises OSError."""
    with _renamed_to(link) as temporary:
        temporary.symlink_to(target)


@contextmanager
def _renamed_to(target: Path) -> Iterator[Path]:
    """Yield the temporary path; rename it to the target, or delete it if the block raises."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(PARTIAL.replace("*", uuid.uuid4().hex))
    try:
        yield temporary
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
