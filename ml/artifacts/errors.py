"""What can go wrong between this program and a store; each message begins with its kind."""

from typing import ClassVar

from ml.errors import PublishError


class StoreError(PublishError):
    """Root of the kinds. The message given is one line without the kind."""

    kind: ClassVar[str]

    def __init__(self, message: str, *, maybe_done: bool = False) -> None:
        self.message = message
        # Whether what was asked for may have been done all the same: an answer was lost.
        self.maybe_done = maybe_done
        super().__init__(f"{self.kind}: {message}")


class StoreRefusedError(StoreError):
    """The store cannot be used as it is: no such bucket, no space, no conditional writes."""

    kind = "store refused"


class ConflictError(StoreError):
    """Something else is where this program was about to write."""

    kind = "conflict"


class StaleError(StoreError):
    """What is published is as of a later day."""

    kind = "stale"


class VerificationError(StoreError):
    """Bytes are not what they were said to be."""

    kind = "verification failed"


class MissingError(VerificationError):
    """There is nothing under a key."""


class UnreachableError(StoreError):
    """The store did not answer, or not in time; as the end of a command, nothing was changed."""

    kind = "unreachable"

    def __init__(self, message: str, *, passing: bool = True, maybe_done: bool = False) -> None:
        self.passing = passing  # whether it may answer if asked again
        super().__init__(message, maybe_done=maybe_done)


class OutcomeUnknownError(StoreError):
    """The store went away when something had been changed, or may have been."""

    kind = "outcome unknown"


class DeniedError(StoreError):
    """The store knows the key it was given, or does not, and says no."""

    kind = "denied"


def after_change(error: StoreError, text: str) -> StoreError:
    """The error with what has been done before it; ``unreachable`` would say that nothing was."""
    kind = OutcomeUnknownError if isinstance(error, UnreachableError) else type(error)
    return kind(f"{error.message} {text}")
