"""The error message in a run's record for an unexpected error."""

import os
from collections.abc import Iterator

import pyarrow as pa
import pytest
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PythonException
from pyspark.sql import SparkSession

from jobs.errors import one_line

Batches = Iterator[pa.RecordBatch]


def raises(batches: Batches) -> Batches:
    for _ in batches:
        raise ValueError("the third wheel is missing")
    yield from ()


def dies(batches: Batches) -> Batches:
    for _ in batches:
        os._exit(1)
    yield from ()


@pytest.mark.parametrize(
    ("task", "message"), [(raises, "ValueError: the third wheel is missing"), (dies, "Python worker exited unexpectedly")]
)
def test_error_of_a_task_becomes_one_line_with_its_cause(spark: SparkSession, task: object, message: str) -> None:
    with pytest.raises((PythonException, Py4JJavaError)) as caught:
        spark.range(1).mapInArrow(task, "id long").isEmpty()  # type: ignore[arg-type]
    assert message in one_line(caught.value)
    assert "\n" not in one_line(caught.value)


def test_python_error_becomes_its_type_and_first_line() -> None:
    assert one_line(KeyError("genre")) == "KeyError: 'genre'"
    assert one_line(OSError("disk full\nand more")) == "OSError: disk full"
    assert one_line(ValueError()) == "ValueError: "
