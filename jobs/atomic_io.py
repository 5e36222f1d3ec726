"""Write files atomically: a reader sees the old content or the complete new one."""

import os
import uuid
from pathlib import Path


def write_atomic(target: Path, content: str | bytes) -> None:
    """Write to a temporary file in the same folder and rename it; create missing folders. Text is encoded as UTF-8.

    Several processes may write the same target at once: the last rename wins. Raises OSError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{uuid.uuid4().hex}.part")
    temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    os.replace(temporary, target)
