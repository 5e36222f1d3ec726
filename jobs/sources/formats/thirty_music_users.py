"""30Music's listeners (entities/users.idomaar): gender, age and country; the line's time is when they joined Last.fm."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.formats.user_profiles import OLDEST
from jobs.sources.layout import Fault, Layout, TextSnapshot, named, or_null
from jobs.sources.listening import number
from jobs.sources.parsing.idomaar import head, head_faults, identifier, moment, one_object, properties


def layout(source: Source) -> Layout:
    """Ages outside 1 to 120 and times of -1 are unknown. The name at Last.fm is not kept: nothing needs it."""
    user, said = identifier(F.get(F.col("head"), 1)), F.col("said")
    years = number(said["age"])
    return Layout(
        parts={"head": head(), "said": one_object(properties(), "gender: string, age: string, country: string")},
        faults=(
            *head_faults("user"),
            Fault("not_json", "the properties are not a JSON object", F.col("said").isNull()),
            Fault("missing_user", "the id is not of letters, digits and . _ : -", user.isNull()),
        ),
        columns={
            "user_id": named(source, user),
            "gender": or_null(said["gender"]),
            "age": F.when(years.between(1, OLDEST), years.cast("int")),
            "country": or_null(said["country"]),
            "registered": moment(F.get(F.col("head"), 2)).cast("date"),
        },
    )


FORMAT = TextSnapshot("users", layout)
