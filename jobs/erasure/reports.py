"""Reports show a few listeners' lists: each is cut out where that listener asked for anything; the rest has no user in it."""

import html
import os
import re
from pathlib import Path

from jobs.erasure.amend import Change
from jobs.lake.deletion_requests import DeletionRequests

EXAMPLE = re.compile(r'<section class="example" id="([a-z0-9-]+)">.*?</section>', re.DOTALL)
"""One listener; the page escapes what it shows, so nothing within looks like the end of it."""
USER = re.compile(r'<code(?: class="user")?>(.*?)</code>', re.DOTALL)
LINK = r'<a class="example" href="#{}">.*?</a>\s*'
CUT = '<section class="example" id="{}">\n<p>Cut out: the listener that stood here asked to be forgotten.</p>\n</section>'
OLD_EXAMPLE = re.compile(r"<h2>One listener's overall list</h2>.*?(?=<h2>|<footer>|</body>|\Z)", re.DOTALL)
"""As reports had it that showed one listener only, without a section of its own."""
OLD_CUT = "<h2>One listener's overall list</h2>\n<p>Cut out: the listener that stood here asked to be forgotten.</p>\n\n"


def without_examples(page: str, requests: DeletionRequests) -> str:
    """Return the page without the example sections of users with a deletion request, and without the links to them.

    Cut rather than rendered anew: the facts of an old night are not all there any more, and the page is the night's record.
    """
    for section in list(EXAMPLE.finditer(page)):
        if _has_wish(section[0], requests):
            page = page.replace(section[0], CUT.format(section[1]))
            page = re.sub(LINK.format(re.escape(section[1])), "", page, flags=re.DOTALL)
    old = OLD_EXAMPLE.search(page)
    return page[: old.start()] + OLD_CUT + page[old.end() :] if old and _has_wish(old[0], requests) else page


def _has_wish(section: str, requests: DeletionRequests) -> bool:
    user = USER.search(section)
    return user is not None and requests.of(html.unescape(user[1])) is not None


def clean_reports(folder: Path, requests: DeletionRequests) -> list[Change]:
    """Amend every report below `folder` (VAR/reports/NAME), half-written ones too, each whole or not at all."""
    changes = []
    for path in sorted(folder.rglob("report.*")):
        page = path.read_text(encoding="utf-8", errors="replace")
        cleaned = without_examples(page, requests)
        if cleaned != page:
            aside = path.with_suffix(".amended")
            aside.write_text(cleaned, encoding="utf-8")
            os.replace(aside, path)
            changes.append(Change("report", path.parent.name, 0, 1))
    return changes
