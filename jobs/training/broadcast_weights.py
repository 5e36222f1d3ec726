"""Weights of a network for the tasks of a Spark job: a Python worker keeps the network that it has loaded."""

from dataclasses import dataclass, field
from hashlib import sha256

from pyspark import Broadcast
from pyspark.sql import SparkSession


@dataclass(frozen=True)
class BroadcastWeights:
    """Weights of a network. Two of the same digest are equal, so that a cached function loads a network once per worker."""

    digest: str
    """SHA-256 (hex)."""
    broadcast: Broadcast[bytes] = field(compare=False)

    @property
    def value(self) -> bytes:
        """The weights; the first access in a worker reads them."""
        return self.broadcast.value


def broadcast_weights(spark: SparkSession, weights: bytes) -> BroadcastWeights:
    """Return the weights for use in tasks."""
    return BroadcastWeights(sha256(weights).hexdigest(), spark.sparkContext.broadcast(weights))
