"""The documents link to existing targets and are wrapped; the glossary is short and linked."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
MAX_WORDS = 40
MAX_LINE = 120


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{page.name}: {link}"


def long_lines(text: str) -> list[str]:
    """Return the prose lines of more than MAX_LINE characters; link targets do not count.

    Tables, headings, code blocks and HTML are not prose.
    """
    prose = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)
    lines = (line for line in prose.splitlines() if not re.match(r" *\||#|<", line))
    return [line for line in lines if len(re.sub(r"\]\([^)]*\)", "]", line)) > MAX_LINE]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_prose_is_wrapped(page: Path) -> None:
    assert not long_lines(page.read_text(encoding="utf-8"))


def test_long_lines_leaves_out_tables_code_and_link_targets() -> None:
    text = "x" * 121
    parts = [f"| {text} |", f"# {text}", f"```sh\n{text}\n```", f"<p>{text}</p>", f"[a]({text})"]
    assert long_lines("\n".join([*parts, text])) == [text]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_glossary_is_linked(page: str) -> None:
    assert "(docs/glossary.md)" in (ROOT / page).read_text(encoding="utf-8")


def test_the_glossary_has_at_most_forty_words_each_once() -> None:
    rows = re.findall(r"^\| (.+?) \|", (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE)
    words = [row for row in rows if row != "word"]
    assert 0 < len(words) <= MAX_WORDS
    assert len(set(words)) == len(words)


def test_architecture_draws_the_layers_that_lint_checks() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract.get("containers") == ["jobs"])
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert "\n".join(["```", *layers, "```"]) in page
