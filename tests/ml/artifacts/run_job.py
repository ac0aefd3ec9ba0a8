"""A run on small tables, as the power-cut test lets a process do it."""

from pathlib import Path

from ml.artifacts.version import commit_version, discard_stale_staging, repair_flat_view
from ml.locks import hold
from tests.ml.artifacts.conftest import Kit

OLD, NEW = "20261120T021503Z-1a2b3c4d", "20261121T021503Z-1a2b3c4d"
PARTS = ["forecasts", "metrics"]


def run(place):
    """Clear up after the run before, build the version unless it is built, commit it."""
    results = Path(place)
    with hold(results):
        discard_stale_staging(results)
        repair_flat_view(results)
        if not (results / "versions" / NEW).exists():
            Kit.version(results, NEW, level=2.0, only=PARTS)
        commit_version(results, NEW, publisher="host/test")
