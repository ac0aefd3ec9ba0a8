"""Whether Ray is here, and what a test that needs it says where it is not."""

import os
from importlib.util import find_spec

import pytest

MISSING = "Ray's workers were left out: make setup-ray brings them in"
# Where CI is set a missing Ray fails; elsewhere it is left out with a line that says so.
with_ray = (
    pytest.mark.slow
    if find_spec("ray") is not None or "CI" in os.environ
    else pytest.mark.skip(reason=MISSING)
)
HERE = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # on loopback alone
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "0123456789abcdef" * 4,
}
"""For a cluster that a test starts by itself."""
