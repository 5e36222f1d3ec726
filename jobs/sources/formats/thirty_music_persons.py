"""30Music's artists (entities/persons.idomaar): an id and a name with the escapes of Last.fm's addresses."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import Fault, Layout, TextSnapshot, missing, named
from jobs.sources.parsing.idomaar import decoded, head, head_faults, identifier, one_object, properties


def layout(source: Source) -> Layout:
    """Ids go behind the namespace: they are plain numbers, and tracks link to them."""
    artist, name = identifier(F.get(F.col("head"), 1)), F.trim(decoded(F.col("said")["name"]))
    unknown = F.lit(None).cast("double")
    return Layout(
        parts={"head": head(), "said": one_object(properties(), "name: string")},
        faults=(
            *head_faults("person"),
            Fault("not_json", "the properties are not a JSON object", F.col("said").isNull()),
            Fault("missing_artist", "the id is not of letters, digits and . _ : -", artist.isNull()),
            Fault("missing_name", "the name is empty", missing(name)),
        ),
        columns={"artist_id": named(source, artist), "name": name, "latitude": unknown, "longitude": unknown},
    )


FORMAT = TextSnapshot("source_artists", layout)
