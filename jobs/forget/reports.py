"""Reports show one listener's list: it is cut out where that listener asked for anything; the rest has no user in it."""

import html
import os
import re
from pathlib import Path

from jobs.forget.amend import Change
from jobs.forget.wishes import Wishes

EXAMPLE = re.compile(r"<h2>One listener's overall list</h2>.*?(?=<h2>|<footer>|</body>|\Z)", re.DOTALL)
USER = re.compile(r"<code>(.*?)</code>", re.DOTALL)
CUT = "<h2>One listener's overall list</h2>\n<p>Cut out: the listener that stood here asked to be forgotten.</p>\n\n"


def without_example(page: str, wishes: Wishes) -> str:
    """The page as it is, or without its example where that user has a wish, be it for one track only.

    Cut rather than rendered anew: the facts of an old night are not all there any more, and the page is the night's record.
    """
    section = EXAMPLE.search(page)
    user = USER.search(section[0]) if section else None
    if section is None or user is None or wishes.of(html.unescape(user[1])) is None:
        return page
    return page[: section.start()] + CUT + page[section.end() :]


def clean_reports(folder: Path, wishes: Wishes) -> list[Change]:
    """Amend every report below `folder` (VAR/reports/NAME), half-written ones too, each whole or not at all."""
    changes = []
    for path in sorted(folder.rglob("report.*")):
        page = path.read_text(encoding="utf-8", errors="replace")
        cleaned = without_example(page, wishes)
        if cleaned != page:
            aside = path.with_suffix(".amended")
            aside.write_text(cleaned, encoding="utf-8")
            os.replace(aside, path)
            changes.append(Change("report", path.parent.name, 0, 1))
    return changes
