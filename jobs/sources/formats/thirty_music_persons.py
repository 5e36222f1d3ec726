"""30Music's artists (entities/persons.idomaar): an id, and a name with the escapes of Last.fm's URLs."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.line_format import LineFormat, Rule, TextSnapshotFormat, is_missing, table_columns, with_namespace
from jobs.sources.parsing import idomaar


def line_format(source: Source) -> LineFormat:
    """Return how a line is read. Ids, which are plain numbers, get the namespace; tracks link to them."""
    name = F.trim(idomaar.url_decoded(F.col("properties")["name"]))
    return LineFormat(
        parsed={
            "head": idomaar.head_fields(),
            "properties": idomaar.parse_object(idomaar.properties_json(), "name: string"),
        },
        rules=(
            *idomaar.head_rules("person", "properties"),
            idomaar.id_rule("missing_artist"),
            Rule("missing_name", "the name is empty", is_missing(name)),
        ),
        columns=table_columns("source_artists", artist_id=with_namespace(source, idomaar.own_id()), name=name),
    )


FORMAT = TextSnapshotFormat("source_artists", line_format)
