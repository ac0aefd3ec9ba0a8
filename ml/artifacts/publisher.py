"""Who commits a version, for the log."""

import getpass
import socket


def publisher() -> str:
    """Host and user."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = "unknown"
    return f"{socket.gethostname()}/{user}"
