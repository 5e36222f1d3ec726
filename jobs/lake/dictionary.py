"""Generate the data dictionary from the schemas that define the lake's tables."""

from textwrap import fill

from jobs.lake.schemas import TABLES
from jobs.lake.schemas.columns import Table

HEAD = """# Data dictionary: the lake

Generated from `jobs/lake/schemas/` by `make docs`; a test fails if it is outdated. [analysts.md](analysts.md) describes
the documents in MongoDB.

"""
MAX_LINE = 120


def data_dictionary() -> str:
    """Return every table with its meaning, writer, key and columns, as Markdown."""
    return HEAD + "\n".join(_section(table) for table in TABLES.values())


def _section(table: Table) -> str:
    rows = [
        f"| `{f.name}` | {f.dataType.simpleString()} | {'yes' if f.nullable else ''} | {f.metadata['comment']} |"
        for f in table.schema
    ]
    row = f"One row: {table.row}. Written by `{table.writer}`; key: {', '.join(table.key)}."
    head = f"## {table.name}\n\n{fill(row, MAX_LINE, break_long_words=False, break_on_hyphens=False)}\n\n"
    return head + "| column | type | null | meaning |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
