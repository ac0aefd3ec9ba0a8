"""Keeps model libraries from talking on the terminal where nobody asked them anything."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

OLD_WAYS = (
    "The inplace keyword",
    "The 'convert_dates' keyword",
    "__array__ implementation doesn't accept a copy keyword",
)
CHATTY = ("cmdstanpy", "prophet", "prophet.plot")  # two lines a fit, whatever level is set


def silence_loggers() -> None:
    """Turn Prophet's loggers off; call it before Prophet is imported."""
    for name in CHATTY:
        logging.getLogger(name).disabled = True


@contextmanager
def without_deprecations() -> Iterator[None]:
    """Ignore warnings about how Prophet calls pandas and Keras calls NumPy.

    They are ours to know (prophet 1.5 with pandas 3.1, keras 3.15 with numpy 2.4), and nothing
    that a user could act on.
    """
    with warnings.catch_warnings():
        for pattern in OLD_WAYS:
            warnings.filterwarnings("ignore", pattern)
        yield


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
