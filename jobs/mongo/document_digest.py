"""The `digest` of published documents: documents of equal content have equal digests, whichever run wrote them."""

import hashlib
import json

from jobs.mongo.connection import Document

OF_THE_RUN = frozenset({"digest", "run_id", "date"})


def document_digest(document: Document) -> str:
    """Return the first 32 hexadecimal digits of the SHA-256 of a document's content, without the fields OF_THE_RUN."""
    content = {name: value for name, value in document.items() if name not in OF_THE_RUN}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
