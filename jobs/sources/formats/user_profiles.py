"""User profiles in the format of Last.fm-1K: `#id gender age country registered`, separated by tabs, dates as `Feb 24,
2006`.
"""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.line_format import (
    LineFormat,
    Rule,
    TextSnapshotFormat,
    empty_to_null,
    is_missing,
    plausible_age,
    tab_fields,
    with_namespace,
)


def line_format(source: Source) -> LineFormat:
    """Return how a line is read. Lines that start with `#` are headers. Ages outside 1 to 120 are unknown, not
    rejected.
    """
    user, gender, age, country, day = (F.get(F.col("fields"), n) for n in range(5))
    years = age.try_cast("int")
    registered = F.try_to_timestamp(day, F.lit("MMM d, yyyy")).cast("date")
    return LineFormat(
        parsed={"fields": tab_fields()},
        is_blank=F.col("text").startswith("#"),
        rules=(
            Rule(
                "fields", "not five tab-separated fields: id, gender, age, country, registered", F.size("fields") != 5
            ),
            Rule("missing_user", "the user is empty", is_missing(user)),
            Rule("bad_age", "the age is not a whole number", ~is_missing(age) & years.isNull()),
            Rule("bad_date", "the date is not of the form Feb 24, 2006", ~is_missing(day) & registered.isNull()),
        ),
        columns={
            "user_id": with_namespace(source, user),
            "gender": empty_to_null(gender),
            "age": plausible_age(years),
            "country": empty_to_null(country),
            "registered": registered,
        },
    )


FORMAT = TextSnapshotFormat("users", line_format)
