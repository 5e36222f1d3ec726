"""Definitions of all lake tables: `table(name)` returns the schema, key, meaning and writer of a table."""

from jobs.errors import LakeError
from jobs.lake.schemas import artists, audio, datasets, products, sources, text
from jobs.lake.schemas.columns import Table

PRODUCTS = (sources, datasets, audio, text, products, artists)
TABLES: dict[str, Table] = {table.name: table for product in PRODUCTS for table in product.TABLES}


def table(name: str) -> Table:
    """Return the table of this name; a part such as `events/app` belongs to `events`. Raises LakeError if unknown."""
    try:
        return TABLES[name.split("/", maxsplit=1)[0]]
    except KeyError:
        raise LakeError(f"There is no table {name!r}; jobs/lake/schemas/ defines {', '.join(sorted(TABLES))}.") from None
