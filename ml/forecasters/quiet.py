"""Keeps model libraries from talking on the terminal where nobody asked them anything."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

CHATTY = ("cmdstanpy", "prophet", "prophet.plot")  # two lines a fit, whatever level is set


def silence_loggers() -> None:
    """Turn Prophet's loggers off; call it before Prophet is imported."""
    for name in CHATTY:
        logging.getLogger(name).disabled = True


@contextmanager
def without_stderr() -> Iterator[None]:
    """Send the process's stderr nowhere, C code included.

    TensorFlow writes notes about missing CUDA drivers before any of its log settings apply. An
    import that fails still raises, so nothing that matters is lost.
    """
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
