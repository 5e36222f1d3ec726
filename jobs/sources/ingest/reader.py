"""Which program read a format's lines: what an event is may change with it, and a manifest remembers it."""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from jobs.settings import REPOSITORY

SOURCES = "jobs.sources."
ALWAYS = ("ingest.quick", "ingest.settle")
"""Modules through which the events of every format pass."""


@cache
def reader_version(kind: str, root: Path = REPOSITORY) -> str:
    """SHA-256 (16 hex digits) of the modules of jobs/sources/ that read the format `kind`, comments and docstrings left out.

    Narrower than `code_version`, so that a change elsewhere does not make all events look old.
    """
    whole, seen = hashlib.sha256(), set()
    waiting = [f"{SOURCES}{name}" for name in (f"formats.{kind}", *ALWAYS)]
    texts = {}
    while waiting:
        module = waiting.pop()
        path = root / f"{module.replace('.', '/')}.py"
        # a package is no file: its __init__ only lists what is in it, as formats/ does with all the others
        if module not in seen and path.is_file():
            tree = _Bare().visit(ast.parse(path.read_text()))
            texts[module] = ast.dump(tree)
            waiting += _imported(tree)
        seen.add(module)
    for module in sorted(texts):
        whole.update(f"{module}\0{texts[module]}\0".encode())
    return whole.hexdigest()[:16]


class _Bare(ast.NodeTransformer):
    """Drops docstrings and other texts that stand by themselves; comments and layout are no part of the tree."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """None for a text that is a statement."""
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(SOURCES):
            yield str(node.module)
            # `from jobs.sources.reading import raw` names a module too
            if f"{node.module}." != f"{SOURCES}formats.":
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
