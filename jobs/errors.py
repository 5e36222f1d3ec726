"""Errors for operators. A message is one sentence: what failed, on which object, and the remedy."""

LOST, CAUSE = "most recent failure: ", "Caused by: "
LINE = 500
"""Maximum length of the line on an unexpected error, in characters."""


class PmrsError(Exception):
    """Base class of errors with a message for the operator. The CLI prints the message alone and exits with 1."""


class SourceError(PmrsError):
    """A sources file, or an input that it names, is missing, unreadable, or has too many bad rows."""


class LakeError(PmrsError):
    """A table, date or manifest is missing, or rows do not match their schema."""


class MemoryLimitError(LakeError):
    """Rows would exceed a memory limit; the message has both numbers."""


class AuditError(PmrsError):
    """A night must not be published: its lists are empty, too few, too short, or have NaN or duplicates."""


class LeaseError(PmrsError):
    """Another run has the night's lease, or this run has lost it."""


class StoreError(PmrsError):
    """MongoDB does not answer, rejects a command, or has no such user, list or run."""


class EvaluationError(PmrsError):
    """An evaluation would be invalid: no relevant track, a model trained on test data, or lists of other queries."""


def one_line(error: Exception) -> str:
    """Return an error as one line for a run's record.

    For an error that passed through Java, that is the cause in Python or Java.
    """
    lines = [line.rstrip() for line in str(error).splitlines() if line.strip()]
    kind = type(error).__name__
    traces = [index for index, line in enumerate(lines) if line.endswith("Traceback (most recent call last):")]
    raised = [line for line in lines[traces[-1] + 1 :] if not line[0].isspace()] if traces else []
    failures = [line.split(LOST, 1)[1] for line in lines if LOST in line]
    causes = [line.removeprefix(CAUSE) for line in lines if line.startswith(CAUSE)]
    if cause := raised[:1] or failures[:1] or causes[-1:]:
        return f"{cause[0]} ({kind})"[:LINE]
    return f"{kind}: {lines[0] if lines else ''}"[:LINE]
