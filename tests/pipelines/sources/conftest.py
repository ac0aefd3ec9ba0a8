"""What tests of the client and the adapters share."""

from contextlib import contextmanager

import pytest

from pipelines.sources.base import SourceError
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


def wrong_bodies(*cases):
    """A test of each body that is no data, and of what is to be said of it."""
    ids = [cause[:40] for _, cause in cases]
    return pytest.mark.parametrize(("body", "cause"), cases, ids=ids)


@contextmanager
def one_line(start):
    """What is done is refused in one line that starts so."""
    with pytest.raises(SourceError, match=f"^{start}") as caught:
        yield caught
    assert "\n" not in str(caught.value)
