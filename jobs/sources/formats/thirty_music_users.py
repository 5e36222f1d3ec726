"""30Music's users (entities/users.idomaar): gender, age and country; the line's time is when they joined Last.fm."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.event_format import parse_number
from jobs.sources.line_format import LineFormat, TextSnapshotFormat, empty_to_null, plausible_age, with_namespace
from jobs.sources.parsing import idomaar

PROPERTIES = "gender: string, age: string, country: string"


def line_format(source: Source) -> LineFormat:
    """Return how a line is read. Ages outside 1 to 120 and times of -1 are unknown. The name at Last.fm is not needed
    and not stored.
    """
    properties = F.col("properties")
    years = parse_number(properties["age"])
    return LineFormat(
        parsed={
            "head": idomaar.head_fields(),
            "properties": idomaar.parse_object(idomaar.properties_json(), PROPERTIES),
        },
        rules=(
            *idomaar.head_rules("user", "properties"),
            idomaar.id_rule("missing_user"),
        ),
        columns={
            "user_id": with_namespace(source, idomaar.own_id()),
            "gender": empty_to_null(properties["gender"]),
            "age": plausible_age(years),
            "country": empty_to_null(properties["country"]),
            "registered": idomaar.parse_time(F.get(F.col("head"), 2)).cast("date"),
        },
    )


FORMAT = TextSnapshotFormat("users", line_format)
