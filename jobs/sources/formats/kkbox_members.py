"""KKBox's users (WSDM Cup 2018, members.csv): age, gender and the day of registration.

City and way of registration are numbers without a key, and a subscription's end is none of ours: they are not read.
"""

from functools import partial

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import Fault, Layout, TextSnapshot, filled, known_age, named
from jobs.sources.reading.records import cell, read_records, record_layout

HEADER = "msno"


def layout(source: Source) -> Layout:
    """`bd` is the age; more than half are 0, others -43 or 1051: what lies outside 1 to 120 is unknown. Days are 20110820."""
    user, years, day = cell(0), cell(2).try_cast("int"), cell(5)
    registered = F.when(day.rlike("^[0-9]{8}$"), F.try_to_timestamp(day, F.lit("yyyyMMdd")).cast("date"))
    return record_layout(
        HEADER,
        7,
        Fault("missing_user", "the user is empty", user.isNull()),
        Fault("bad_age", "the age is not a whole number", cell(2).isNotNull() & years.isNull()),
        Fault("bad_date", "the day of registration is not of the form 20110820", day.isNotNull() & registered.isNull()),
        columns=filled(
            "users", user_id=named(source, user), gender=cell(3), age=known_age(years), registered=registered
        ),
    )


FORMAT = TextSnapshot("users", layout, read=partial(read_records, header=HEADER))
