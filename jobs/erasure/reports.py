"""Cut example lists of users with a deletion request out of the reports; the rest of a report names no user."""

import html
import re
from pathlib import Path

from jobs.atomic_io import PARTIAL, write_atomic
from jobs.erasure.amend import Change
from jobs.lake.deletion_requests import DeletionRequests

EXAMPLE = re.compile(r'<section class="example" id="([a-z0-9-]+)">.*?</section>', re.DOTALL)
"""Section of one user; the page escapes its values, so that none of them matches the end tag."""
USER = re.compile(r'<code(?: class="user")?>(.*?)</code>', re.DOTALL)
LINK = r'<a class="example" href="#{}">.*?</a>\s*'
CUT = '<section class="example" id="{}">\n<p>Removed: this user requested deletion.</p>\n</section>'
OLD_EXAMPLE = re.compile(r"<h2>One listener's overall list</h2>.*?(?=<h2>|<footer>|</body>|\Z)", re.DOTALL)
"""Format of older reports, which showed one user only and had no section for it."""
OLD_CUT = "<h2>One listener's overall list</h2>\n<p>Removed: this user requested deletion.</p>\n\n"


def without_examples(page: str, requests: DeletionRequests) -> str:
    """Return the page without the example sections of users with a deletion request, and without the links to them.

    The page is cut, not rendered again: some facts of an old night no longer exist, and the page is its record.
    """
    for section in list(EXAMPLE.finditer(page)):
        if _has_request(section[0], requests):
            page = page.replace(section[0], CUT.format(section[1]))
            page = re.sub(LINK.format(re.escape(section[1])), "", page, flags=re.DOTALL)
    old = OLD_EXAMPLE.search(page)
    return page[: old.start()] + OLD_CUT + page[old.end() :] if old and _has_request(old[0], requests) else page


def _has_request(section: str, requests: DeletionRequests) -> bool:
    user = USER.search(section)
    return user is not None and requests.of(html.unescape(user[1])) is not None


def clean_reports(folder: Path, requests: DeletionRequests) -> list[Change]:
    """Amend every report below `folder` (VAR/reports/NAME), each atomically; delete files that a killed write left."""
    for partial in list(folder.rglob(PARTIAL)):
        # it may end in the middle of an example, which then has no end tag to cut it by
        partial.unlink(missing_ok=True)
    changes = []
    for path in sorted(folder.rglob("report.*")):
        page = path.read_text(encoding="utf-8", errors="replace")
        cleaned = without_examples(page, requests)
        if cleaned != page:
            write_atomic(path, cleaned)
            changes.append(Change("report", path.parent.name, 0, 1))
    return changes
