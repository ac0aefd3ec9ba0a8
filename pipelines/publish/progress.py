"""Telling how far a transfer is, in bytes."""

from typing import Protocol


class Progress(Protocol):
    """Is told what is done."""

    def begin(self, doing: str, size: int) -> None:
        """A new stage of so many bytes."""
        ...

    def done(self, size: int) -> None:
        """So many bytes more."""
        ...


class Silent:
    """Tells nobody."""

    def begin(self, doing: str, size: int) -> None:
        """See :class:`Progress`."""

    def done(self, size: int) -> None:
        """See :class:`Progress`."""


SILENT = Silent()
