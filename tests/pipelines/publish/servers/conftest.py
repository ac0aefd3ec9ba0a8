"""One server of each kind for the tests of this folder."""

from zlib import crc32

import pytest

from tests.pipelines.publish.servers import NAMES, required, start_server


@pytest.fixture(scope="session", params=NAMES)
def server(request, tmp_path_factory):
    required(request.param, request.config)
    with start_server(request.param, tmp_path_factory.mktemp(request.param)) as started:
        yield started


@pytest.fixture
def bucket(server, request):
    """A bucket of the test's own."""
    name = f"bucket-{crc32(request.node.name.encode()):x}"
    server.make_bucket(name)
    return name
