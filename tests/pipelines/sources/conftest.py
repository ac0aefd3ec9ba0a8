"""What tests of the client and the adapters share."""

import pytest

from pipelines.sources.client import Client
from tests.pipelines.sources.replay import Replay


@pytest.fixture
def server():
    """A server without routes yet."""
    with Replay() as replay:
        yield replay


@pytest.fixture
def client(tmp_path):
    """A client with a small time limit, so that its first pause is 30 ms."""
    with Client(time_limit=3.0, scratch=tmp_path / "scratch") as client:
        yield client
