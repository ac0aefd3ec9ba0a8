"""Large objects on a slow line, and answers that are lost for good."""

import os
import secrets
from dataclasses import replace

import pytest

from pipelines.publish.publishing import publish
from tests.pipelines.publish import drills
from tests.pipelines.publish.bad_line import BadLine
from tests.pipelines.publish.conftest import place_of
from tests.pipelines.publish.versions import make_version, version_id

FULL = bool(os.environ.get("DRILLS"))
SERVERS = ["minio", "rgw"] if FULL else ["minio"]
RATE = 1_000_000 if FULL else 6_000_000


@pytest.mark.slow
@pytest.mark.parametrize("kind", SERVERS)
def test_40_mb_are_published_over_a_slow_line_in_a_bandwidth_drill(kind, request, tmp_path):
    """Here at 6 MB/s to MinIO, in 30 seconds; by `make drills` at 1 MB/s, to Ceph RGW as well."""
    size = 40_000_000
    items = sorted(secrets.token_hex(32) for _ in range(size // 34))  # packed, 34 bytes each
    version = make_version(tmp_path / "results", version_id(1), names=items)
    assert version.manifest.size > size
    place = place_of(kind, request, tmp_path)
    with BadLine(f"http://{place.target.endpoint}", rate=RATE) as line:
        slow = replace(place, target=replace(place.target, endpoint=line.endpoint))
        assert publish(slow.open(), version, publisher="host/test", streams=4).is_new
    assert drills.served(place.open()) == version.version_id
