"""The errors that a person is meant to read: one sentence saying what happened, to which thing, and what to do."""


class PmrsError(Exception):
    """Base of every error whose message is written for the operator; the CLI prints it alone and exits with 1."""


class SourceError(PmrsError):
    """A sources file, or an input that it names, is missing, unreadable or past its limit of bad rows."""


class LakeError(PmrsError):
    """A table, date or manifest that is not there, or rows that do not fit their schema."""


class AuditError(PmrsError):
    """A night that may not be published: empty, shrunken, NaN, duplicate or too short."""


class LeaseError(PmrsError):
    """Another run holds the night, or this run has lost its lease."""


class StoreError(PmrsError):
    """MongoDB does not answer, refuses, or has no such user, list or run."""


class EvaluationError(PmrsError):
    """An evaluation that would say nothing: no relevant track, a model that knows the future, lists of other queries."""
