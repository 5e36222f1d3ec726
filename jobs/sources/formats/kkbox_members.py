"""KKBox's users (WSDM Cup 2018, members.csv): age, gender and date of registration.

City and method of registration are numbers without a key, and the end of a subscription is not needed: they are
ignored.
"""

from functools import partial

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.line_format import LineFormat, Rule, TextSnapshotFormat, plausible_age, table_columns, with_namespace
from jobs.sources.reading.csv_records import cell, csv_line_format, read_records

HEADER = "msno"


def line_format(source: Source) -> LineFormat:
    """Return how a record is read. `bd` is the age: more than half are 0, others -43 or 1051. Dates have the form
    20110820.
    """
    user, years, day = cell(0), cell(2).try_cast("int"), cell(5)
    registered = F.when(day.rlike("^[0-9]{8}$"), F.try_to_timestamp(day, F.lit("yyyyMMdd")).cast("date"))
    return csv_line_format(
        HEADER,
        7,
        Rule("missing_user", "the user is empty", user.isNull()),
        Rule("bad_age", "the age is not a whole number", cell(2).isNotNull() & years.isNull()),
        Rule("bad_date", "the day of registration is not of the form 20110820", day.isNotNull() & registered.isNull()),
        columns=table_columns(
            "users",
            user_id=with_namespace(source, user),
            gender=cell(3),
            age=plausible_age(years),
            registered=registered,
        ),
    )


FORMAT = TextSnapshotFormat("users", line_format, read=partial(read_records, header=HEADER))
