"""Profiles of listeners in Last.fm-1K's manner: `#id gender age country registered`, by tab, dates as `Feb 24, 2006`."""

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import Fault, Layout, TextSnapshot, known_age, missing, named, or_null, trimmed_fields


def layout(source: Source) -> Layout:
    """Lines that start with `#` are headers. Ages outside 1 to 120 are kept as unknown, not rejected."""
    user, gender, age, country, day = (F.get(F.col("fields"), n) for n in range(5))
    years = age.try_cast("int")
    registered = F.try_to_timestamp(day, F.lit("MMM d, yyyy")).cast("date")
    return Layout(
        parts={"fields": trimmed_fields()},
        blank=F.col("text").startswith("#"),
        faults=(
            Fault("fields", "not five fields: id, gender, age, country, registered, by tab", F.size("fields") != 5),
            Fault("missing_user", "the user is empty", missing(user)),
            Fault("bad_age", "the age is not a whole number", ~missing(age) & years.isNull()),
            Fault("bad_date", "the date is not of the form Feb 24, 2006", ~missing(day) & registered.isNull()),
        ),
        columns={
            "user_id": named(source, user),
            "gender": or_null(gender),
            "age": known_age(years),
            "country": or_null(country),
            "registered": registered,
        },
    )


FORMAT = TextSnapshot("users", layout)
