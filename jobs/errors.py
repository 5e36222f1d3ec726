"""The errors that a person is meant to read: one sentence saying what happened, to which thing, and what to do."""

LOST, CAUSE = "most recent failure: ", "Caused by: "
LINE = 500
"""Most characters of a line that tells an error nobody foresaw."""


class PmrsError(Exception):
    """Base of every error whose message is written for the operator; the CLI prints it alone and exits with 1."""


class SourceError(PmrsError):
    """A sources file, or an input that it names, is missing, unreadable or past its limit of bad rows."""


class LakeError(PmrsError):
    """A table, date or manifest that is not there, or rows that do not fit their schema."""


class MemoryLimitError(LakeError):
    """Rows that would need more memory than is set aside for them, with the numbers."""


class AuditError(PmrsError):
    """A night that may not be published: empty, shrunken, NaN, duplicate or too short."""


class LeaseError(PmrsError):
    """Another run holds the night, or this run has lost its lease."""


class StoreError(PmrsError):
    """MongoDB does not answer, refuses, or has no such user, list or run."""


class EvaluationError(PmrsError):
    """An evaluation that would say nothing: no relevant track, a model that knows the future, lists of other queries."""


def one_line(error: Exception) -> str:
    """Return one line on an error for a run's record; of an error that came through Java, the Python or Java cause."""
    lines = [line.rstrip() for line in str(error).splitlines() if line.strip()]
    kind = type(error).__name__
    traces = [index for index, line in enumerate(lines) if line.endswith("Traceback (most recent call last):")]
    raised = [line for line in lines[traces[-1] + 1 :] if not line[0].isspace()] if traces else []
    failures = [line.split(LOST, 1)[1] for line in lines if LOST in line]
    causes = [line.removeprefix(CAUSE) for line in lines if line.startswith(CAUSE)]
    if cause := raised[:1] or failures[:1] or causes[-1:]:
        return f"{cause[0]} ({kind})"[:LINE]
    return f"{kind}: {lines[0] if lines else ''}"[:LINE]
