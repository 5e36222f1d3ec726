"""30Music's artists (entities/persons.idomaar): an id and a name with the escapes of Last.fm's addresses."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import Fault, Layout, TextSnapshot, filled, missing, named
from jobs.sources.parsing import idomaar


def layout(source: Source) -> Layout:
    """Ids go behind the namespace: they are plain numbers, and tracks link to them."""
    name = F.trim(idomaar.decoded(F.col("said")["name"]))
    return Layout(
        parts={"head": idomaar.head(), "said": idomaar.one_object(idomaar.properties(), "name: string")},
        faults=(
            *idomaar.head_faults("person", "said"),
            idomaar.fault_of_id("missing_artist"),
            Fault("missing_name", "the name is empty", missing(name)),
        ),
        columns=filled("source_artists", artist_id=named(source, idomaar.own_id()), name=name),
    )


FORMAT = TextSnapshot("source_artists", layout)
