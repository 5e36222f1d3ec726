"""Structured logs on stderr as key=value. They contain no secrets, and user ids only as hashes."""

import hashlib
import logging
import sys

import structlog

structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
    ],
    wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    logger_factory=structlog.PrintLoggerFactory(sys.stderr),
)


def logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """Return the logger of one module."""
    bound: structlog.typing.FilteringBoundLogger = structlog.get_logger(name)
    return bound


def user_hash(user_id: str) -> str:
    """Return the name of a user in logs: the first 12 hex digits of the id's SHA-256."""
    return hashlib.sha256(user_id.encode()).hexdigest()[:12]
