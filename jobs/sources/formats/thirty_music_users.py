"""30Music's listeners (entities/users.idomaar): gender, age and country; the line's time is when they joined Last.fm."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import Layout, TextSnapshot, known_age, named, or_null
from jobs.sources.listening import number
from jobs.sources.parsing import idomaar

PROPERTIES = "gender: string, age: string, country: string"


def layout(source: Source) -> Layout:
    """Ages outside 1 to 120 and times of -1 are unknown. The name at Last.fm is not kept: nothing needs it."""
    said = F.col("said")
    years = number(said["age"])
    return Layout(
        parts={"head": idomaar.head(), "said": idomaar.one_object(idomaar.properties(), PROPERTIES)},
        faults=(
            *idomaar.head_faults("user", "said"),
            idomaar.fault_of_id("missing_user"),
        ),
        columns={
            "user_id": named(source, idomaar.own_id()),
            "gender": or_null(said["gender"]),
            "age": known_age(years),
            "country": or_null(said["country"]),
            "registered": idomaar.moment(F.get(F.col("head"), 2)).cast("date"),
        },
    )


FORMAT = TextSnapshot("users", layout)
