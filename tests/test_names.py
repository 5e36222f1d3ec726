"""Identifiers name what a value is: words without a meaning of their own are refused, also as parts of names."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("dags", "jobs", "models", "bench", "tests")
WORN_OUT = frozenset(
    (
        "asked", "found", "heard", "held", "kept", "least", "made", "mine", "most", "place", "said", "theirs", "told", "wanted",
        "whole",
    )
)
TERMS = {"held_out": "the field's term for data that a model is not trained on"}
"""Terms of several words, one of which is worn out alone -> why they are standard."""
ALLOWED = {
    "jobs/mongo/lease.py assert_held": "a process holds a lease, as it holds a lock",
}
"""`PATH name` -> why this name is the standard term there."""


def bound_names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield every name that a module binds, with its line: variables, attributes, parameters, aliases, functions, classes."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name, node.lineno
            case ast.arg(arg=name) | ast.alias(asname=str(name)):
                yield name, node.lineno
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, node.lineno
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name, node.lineno


def words_of(name: str) -> list[str]:
    """Return the words of a name in snake_case, CamelCase or capitals, in lower case, without those of TERMS."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    for term in TERMS:
        snake = re.sub(rf"(?<![a-z]){term}(?![a-z])", "", snake)
    return snake.split("_")


def worn_out_names(file: Path) -> Iterator[tuple[str, int]]:
    """Yield the worn-out names of a file with their lines: those that it binds, and its own (line 0).

    Names of tests are sentences, in which these words have their meaning.
    """
    is_test_file = file.name.startswith("test_")
    names = [(file.stem, 0), *bound_names(ast.parse(file.read_text(encoding="utf-8")))]
    for name, line in names:
        if not WORN_OUT.isdisjoint(words_of(name)) and not (is_test_file and line and name.startswith("test_")):
            yield name, line


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_identifier_is_worn_out(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files, f"{folder} holds no Python file"
    worn_out = [
        f"{file.relative_to(ROOT)}:{line} {name}"
        for file in files
        for name, line in worn_out_names(file)
        if f"{file.relative_to(ROOT)} {name}" not in ALLOWED
    ]
    assert not worn_out, "name these by what they are: " + ", ".join(worn_out)


@pytest.mark.parametrize("entry", sorted(ALLOWED))
def test_allowed_names_are_still_bound(entry: str) -> None:
    path, name = entry.split()
    assert name in {bound for bound, _ in worn_out_names(ROOT / path)}, f"remove {entry!r} from ALLOWED"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("told = 1", "told"),
        ("whole: int = 1", "whole"),
        ("def f(most): ...", "most"),
        ("async def told(): ...", "told"),
        ("class Told: ...", "Told"),
        ("for kept in (): ...", "kept"),
        ("[0 for held in ()]", "held"),
        ("self.parts_found = 1", "parts_found"),
        ("import os as said", "said"),
        ("from os import path as place", "place"),
        ("MOST_BROADCAST = 1", "MOST_BROADCAST"),
        ("_most_result = 1", "_most_result"),
        ("class HTTPTold: ...", "HTTPTold"),
        ("held_out_held = 1", "held_out_held"),
        ("try: ...\nexcept OSError as mine: ...", "mine"),
    ],
)
def test_worn_out_names_are_refused_wherever_they_are_bound(tmp_path: Path, source: str, name: str) -> None:
    file = tmp_path / "module.py"
    file.write_text(source, encoding="utf-8")
    assert [worn_out for worn_out, _ in worn_out_names(file)] == [name]


@pytest.mark.parametrize("source", ["held_out = 1", "class HeldOutUsers: ...", "almost = 1", "foundation = 1", "print(told)"])
def test_terms_and_other_words_are_accepted(tmp_path: Path, source: str) -> None:
    file = tmp_path / "module.py"
    file.write_text(source, encoding="utf-8")
    assert not list(worn_out_names(file))


def test_names_of_modules_are_checked(tmp_path: Path) -> None:
    (tmp_path / "most_common.py").touch()
    assert list(worn_out_names(tmp_path / "most_common.py")) == [("most_common", 0)]
