"""Identify the program that read a format's lines. Manifests record it, because events may change with the program."""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from jobs.settings import REPOSITORY

SOURCES = "jobs.sources."
COMMON_MODULES = ("ingest.fast_path", "ingest.deduplicate")
"""Modules that process the events of every format."""


@cache
def reader_version(kind: str, root: Path = REPOSITORY) -> str:
    """Return a SHA-256 (16 hex digits) of the modules of jobs/sources/ that read the format `kind`.

    Comments and docstrings are ignored. Narrower than `code_version`, so that an unrelated change does not make all
    events look outdated.
    """
    digest, visited = hashlib.sha256(), set()
    queue = [f"{SOURCES}{name}" for name in (f"formats.{kind}", *COMMON_MODULES)]
    trees = {}
    while queue:
        module = queue.pop()
        path = root / f"{module.replace('.', '/')}.py"
        # packages are skipped: an __init__ only lists its modules, and that of formats/ lists all formats
        if module not in visited and path.is_file():
            tree = _DocstringRemover().visit(ast.parse(path.read_text()))
            trees[module] = ast.dump(tree)
            queue += _imported(tree)
        visited.add(module)
    for module in sorted(trees):
        digest.update(f"{module}\0{trees[module]}\0".encode())
    return digest.hexdigest()[:16]


class _DocstringRemover(ast.NodeTransformer):
    """Remove docstrings and other string statements. Comments and layout are not part of the tree."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """Return None for a statement that is a string."""
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(SOURCES):
            yield str(node.module)
            # `from jobs.sources.reading import raw_bytes` names a module too
            if f"{node.module}." != f"{SOURCES}formats.":
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
