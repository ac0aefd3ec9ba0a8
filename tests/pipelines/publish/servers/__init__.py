"""Real S3 servers on loopback for the tests of publishing: MinIO and Ceph RGW.

``required(name)`` ends a test that needs a server which is not there: with one line that says
how to get it, and as a failure where ``CI`` is set. ``start_server(name, folder)`` starts one, and
``serving_bucket(name, folder)`` does both and makes the bucket of the tests.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines.publish.servers import ceph_server, minio_server
from tests.pipelines.publish.servers.ceph_server import rgw_installed, start_rgw
from tests.pipelines.publish.servers.minio_server import (
    build_minio,
    may_be_built,
    minio_binary,
    start_minio,
)
from tests.pipelines.publish.servers.server import Server

STARTERS = {"minio": start_minio, "rgw": start_rgw}
ADD_USER = {"minio": minio_server.add_minio_user, "rgw": ceph_server.add_rgw_user}
NAMES = tuple(STARTERS)
BUCKET = "results"


def missing(name: str) -> str | None:
    """One line that says how to get a server which is not there; None where it is."""
    if name == "minio":
        return None if minio_binary() else minio_server.MISSING
    return None if rgw_installed() else ceph_server.MISSING


def required(name: str, config: pytest.Config | None = None) -> None:
    """Skip the test that asks where a server is missing; fail it where ``CI`` is set.

    MinIO is built first where Go is installed; with pytest's configuration a line says so at
    once, for it takes minutes.
    """
    if name == "minio" and missing(name) and may_be_built():
        if config is not None:
            announce(config, "building MinIO for the tests of publishing: three minutes, once")
        build_minio()
    reason = missing(name)
    if reason and "CI" in os.environ:
        pytest.fail(reason, pytrace=False)
    if reason:
        pytest.skip(reason)


def announce(config: pytest.Config, line: str) -> None:
    """Show a line now, in the middle of a test whose output pytest keeps to itself."""
    capture = config.pluginmanager.getplugin("capturemanager")
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if capture is not None and reporter is not None:
        with capture.global_and_fixture_disabled():
            reporter.write_line(f"\n{line}", flush=True)


def start_server(name: str, folder: Path, *, tls: bool = False) -> Server:
    """Start a server by name, in a folder of its own, with TLS where asked for.

    Raises:
        FileNotFoundError: It is not installed.
        ServerError: It did not start.
    """
    return STARTERS[name](folder, tls=tls)


@contextmanager
def serving_bucket(name: str, folder: Path, *, tls: bool = False) -> Iterator[Server]:
    """A server with the bucket of the tests, while the block runs; skips where it is missing."""
    required(name)
    with start_server(name, folder, tls=tls) as server:
        server.make_bucket(BUCKET)
        yield server


def add_user(
    server: Server, access_key: str, secret_key: str, policy: Mapping[str, Any] | None = None
) -> None:
    """Make a user who may do what a policy allows, and nothing where there is none.

    The policy is that of an identity: statements without ``Principal``, as AWS's IAM has them.
    MinIO takes it through its administration interface (``MinioAdmin``), Ceph through
    ``PutUserPolicy`` for a user that ``radosgw-admin`` made. A bucket policy names the user
    ``arn:aws:iam:::user/ACCESS_KEY`` on Ceph, where it binds the owner too; MinIO asks it about
    anonymous requests alone, so that a deny has to be in the policies of its users.

    Raises:
        ServerError: The server refused.
    """
    ADD_USER[server.name](server, access_key, secret_key, policy)
