"""Versions of the program: a digest of modules and everything that they import. Rows are stored with it."""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from jobs.settings import REPOSITORY

PACKAGES = ("jobs", "models")
SCHEMAS = "schemas"
"""Folder of the tables' schemas. Their texts with spaces describe columns to readers."""


@cache
def code_version(*modules: str, within: str = "", excluded: str = "", root: Path = REPOSITORY) -> str:
    """Return a SHA-256 (16 hex digits) of modules of this project and what they import; of all modules if none is named.

    Comments, docstrings and layout do not count, nor do modules that none of these imports: a changed `--help` text
    makes no rows outdated. A `.toml` file of a module's name counts with it. Imports in functions are followed, names of modules
    in strings are not. `within`: imports are followed below this package only. `excluded`: a module that
    is left out. Raises ValueError if a module does not exist.
    """
    names = sorted(_closure(modules, within, excluded, root) if modules else _all_modules(root))
    digest = hashlib.sha256()
    for name in names:
        path = _file(name, root)
        if path is None:
            raise ValueError(f"there is no module {name} below {root}")
        digest.update(f"{name}\0{_syntax(path)[0]}\0".encode())
        data = path.with_suffix(".toml")
        if data.is_file():
            digest.update(data.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _closure(modules: tuple[str, ...], within: str, excluded: str, root: Path) -> set[str]:
    """Return the names of the modules and of all modules that they import, directly or not."""
    visited, queue = set(modules), list(modules)
    while queue:
        path = _file(queue.pop(), root)
        if path is not None:
            names = {name for entry in _syntax(path)[1] for name in _modules_of(entry, root) if name.startswith(within)}
            imported = names - {excluded}
            queue += imported - visited
            visited |= imported
    return visited


def _all_modules(root: Path) -> Iterator[str]:
    for package in PACKAGES:
        for path in (root / package).rglob("*.py"):
            yield ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def _modules_of(entry: tuple[str, tuple[str, ...]], root: Path) -> Iterator[str]:
    """Yield the modules that `from MODULE import NAMES` names; a package itself only if a name is not a module of it."""
    module, names = entry
    submodules = [f"{module}.{name}" for name in names if _file(f"{module}.{name}", root)]
    yield from submodules
    if not names or len(submodules) < len(names):
        yield module


def _file(module: str, root: Path) -> Path | None:
    path = root / module.replace(".", "/")
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


@cache
def _syntax(path: Path) -> tuple[str, tuple[tuple[str, tuple[str, ...]], ...]]:
    """Return a module's syntax tree without docstrings, and its imports of this project."""
    tree = _DocstringRemover().visit(ast.parse(path.read_bytes()))
    if path.parent.name == SCHEMAS:
        tree = _TextRemover().visit(tree)
    return ast.dump(tree, annotate_fields=False), tuple(_imports(tree))


class _TextRemover(ast.NodeTransformer):
    """Empty every text that has a space."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        """Return an empty text for one with a space."""
        return ast.Constant("") if isinstance(node.value, str) and " " in node.value else node


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING"):
            yield child
            yield from _walk(child)


class _DocstringRemover(ast.NodeTransformer):
    """Remove docstrings and other string statements. Comments and layout are not part of the tree."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """Return None for a statement that is a string."""
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node


def _imports(tree: ast.AST) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the imports of this project; those under TYPE_CHECKING are none of the running program."""
    for node in _walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in PACKAGES:
            yield str(node.module), tuple(alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names if alias.name.partition(".")[0] in PACKAGES)
