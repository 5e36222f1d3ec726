"""Identifiers name what a value is: words without a meaning of their own are refused."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("dags", "jobs", "models", "bench", "tests")
WORN_OUT = frozenset(
    ("asked", "found", "heard", "held", "kept", "least", "made", "mine", "most", "place", "said", "theirs", "told", "whole")
)
ALLOWED: dict[str, str] = {}
"""`PATH name` -> why this name is the standard term there."""


def bound_names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield every name that a module binds: variables, parameters, fields, functions and classes, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node.lineno


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_identifier_is_worn_out(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files, f"{folder} holds no Python file"
    worn_out = [
        f"{file.relative_to(ROOT)}:{line} {name}"
        for file in files
        for name, line in bound_names(ast.parse(file.read_text(encoding="utf-8")))
        if name.lstrip("_").lower() in WORN_OUT and f"{file.relative_to(ROOT)} {name}" not in ALLOWED
    ]
    assert not worn_out, "name these by what they are: " + ", ".join(worn_out)


def test_worn_out_names_are_found_wherever_they_are_bound() -> None:
    source = "def told(most):\n    for kept in most:\n        whole: int = 1\n    return [held for held in most]\n"
    assert [name for name, _ in bound_names(ast.parse(source)) if name in WORN_OUT] == ["told", "most", "kept", "whole", "held"]
