"""Places to publish to: a folder, a server in this process, and real servers if there are any."""

import os

import pytest

from pipelines.publish.s3_target import S3Target
from tests.commands import run_here
from tests.pipelines.publish.fake_s3 import FakeS3
from tests.pipelines.publish.places import FolderPlace, S3Place
from tests.pipelines.publish.servers import BUCKET, serving_bucket
from tests.pipelines.publish.versions import make_version, version_id


@pytest.fixture(autouse=True)
def _no_flushing(monkeypatch):
    """No test cuts the power, and thousands of flushes take minutes on a busy disk."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Run a command on ``results`` and ``out`` below the test's folder; code, lines and stderr."""
    monkeypatch.setenv("LOG_DIR", str(tmp_path / "logs"))

    def run(*options, script="scripts/deploy_ml_results.py", to=tmp_path / "out"):
        where = ["--results", str(tmp_path / "results"), *(["--to", str(to)] if to else [])]
        done = run_here(tmp_path, {}, script, *options, *where)
        return done.returncode, done.stdout.splitlines(), done.stderr

    return run


def target_of(server, bucket=BUCKET):
    return S3Target(
        endpoint=server.endpoint,
        bucket=bucket,
        access_key=server.access_key,
        secret_key=server.secret_key,
        secure=False,
    )


@pytest.fixture(scope="session")
def fake_server():
    server = FakeS3()
    server.make_bucket(BUCKET)
    yield server
    server.stop()


@pytest.fixture
def fake(fake_server):
    """The server in this process; told answers are forgotten after the test."""
    yield fake_server
    fake_server.answers.clear()


@pytest.fixture(scope="session")
def careless_server():
    """The negative fixture: it ignores the condition of a write."""
    server = FakeS3(keeps_conditions=False)
    server.make_bucket(BUCKET)
    yield server
    server.stop()


@pytest.fixture
def careless(careless_server):
    return S3Place(target_of(careless_server), "careless").fresh()


@pytest.fixture(scope="session")
def minio_server(tmp_path_factory):
    with serving_bucket("minio", tmp_path_factory.mktemp("minio")) as server:
        yield server


@pytest.fixture(scope="session")
def rgw_server(tmp_path_factory):
    with serving_bucket("rgw", tmp_path_factory.mktemp("rgw")) as server:
        yield server


def other_server():
    """The one that ``S3_TEST_ENDPOINT`` names, with its keys and a bucket that exists."""
    environment = os.environ
    return S3Target(
        endpoint=environment["S3_TEST_ENDPOINT"],
        bucket=environment["S3_TEST_BUCKET"],
        access_key=environment["S3_TEST_ACCESS_KEY"],
        secret_key=environment["S3_TEST_SECRET_KEY"],
        secure=environment.get("S3_TEST_SECURE", "true") == "true",
        region=environment.get("S3_TEST_REGION", "us-east-1"),
    )


PLACES = ["folder", "fake", "minio", pytest.param("rgw", marks=pytest.mark.slow)]
if os.environ.get("S3_TEST_ENDPOINT"):
    PLACES.append("other")


@pytest.fixture(params=PLACES)
def place(request, tmp_path):
    """A place with nothing in it, of each kind."""
    return place_of(request.param, request, tmp_path)


@pytest.fixture(params=["folder", "fake"])
def near_place(request, tmp_path):
    """A place with nothing in it, of the kinds that need no other program."""
    return place_of(request.param, request, tmp_path)


@pytest.fixture
def folder_place(tmp_path):
    """For what does not depend on the store: the fastest one."""
    return FolderPlace(tmp_path / "places").fresh()


def place_of(kind, request, tmp_path):
    if kind == "folder":
        return FolderPlace(tmp_path / "places").fresh()
    if kind == "other":
        return S3Place(other_server(), kind).fresh()
    server = request.getfixturevalue(f"{kind}_server")
    return S3Place(target_of(server), kind).fresh()


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Whole versions on the local disk by number, each a day and a hash later than the last."""
    cache = {}

    def version(number, **kwargs):
        key = (number, *sorted(kwargs.items()))
        if key not in cache:
            results = tmp_path_factory.mktemp(f"results-{number}")
            name = version_id(number, days=number)
            cache[key] = make_version(results, name, **kwargs)
        return cache[key]

    return version
