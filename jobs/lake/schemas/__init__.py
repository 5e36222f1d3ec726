"""The one truth about tables: `table(name)` gives the schema, key, meaning and writer of each."""

from jobs.errors import LakeError
from jobs.lake.schemas import audio, datasets, products, sources
from jobs.lake.schemas.columns import Table

TABLES: dict[str, Table] = {table.name: table for table in (*sources.TABLES, *datasets.TABLES, *audio.TABLES, *products.TABLES)}


def table(name: str) -> Table:
    """The table of this name; a part such as `events/app` belongs to `events`. Raises LakeError if unknown."""
    try:
        return TABLES[name.split("/", maxsplit=1)[0]]
    except KeyError:
        raise LakeError(f"There is no table {name!r}; jobs/lake/schemas/ knows {', '.join(sorted(TABLES))}.") from None
