"""SIGKILL to the publishing process, and to the server, at any moment."""

import json
import random
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path

import pytest

from ml.artifacts import log
from ml.artifacts.errors import StoreError
from pipelines.publish.publishing import publish
from pipelines.publish.s3_connection import RetryPolicy
from tests.pipelines.publish import drills
from tests.pipelines.publish.conftest import place_of, target_of
from tests.pipelines.publish.places import S3Place, keys
from tests.pipelines.publish.servers import required, start_server
from tests.pipelines.publish.versions import make_version, version_id

PROCESS = Path(__file__).with_name("publisher_process.py")
ROOT = Path(__file__).resolve().parents[3]
KILLS = 50
QUICK = RetryPolicy(seconds=0.0, pause=lambda _: None)


def described(place):
    if place.name == "folder":
        return json.dumps({"root": str(place.root)})
    return json.dumps(asdict(place.target))


def killed(results, place, requests):
    """Run the publisher until it has said so many requests, kill it; what it acknowledged."""
    command = [sys.executable, str(PROCESS), str(results), described(place)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=ENVIRONMENT
    ) as run:
        lines = []
        while sum(line == "request\n" for line in lines) < requests:
            lines.append(run.stdout.readline())
            assert lines[-1], "the publisher ended by itself"
        run.kill()
        lines += run.stdout.readlines()
    return [line.split()[1] for line in lines if line.startswith("published ")]


ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "minio"])
def test_a_publisher_killed_at_any_moment_leaves_whole_versions(kind, request, tmp_path):
    """Fifty times; each process goes on with what the one before it left."""
    place = place_of(kind, request, tmp_path)
    chance, acknowledged = random.Random(20261121), []
    for _ in range(KILLS):
        acknowledged += killed(tmp_path / "results", place, chance.randrange(1, 120))
        store = place.open()
        if log.newest(store) is not None:
            drills.served(store)
    published = drills.sound_log(place.open())
    assert len(published) == len(set(published))
    assert set(acknowledged) <= set(published)
    assert len(published) > KILLS // 4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["minio", "rgw"])
def test_a_server_killed_during_an_upload_shows_the_old_version_and_the_next_run_finishes(
    name, tmp_path, made
):
    required(name)
    chance = random.Random(20261122)
    with start_server(name, tmp_path / "server") as server:
        server.make_bucket("results")
        place = S3Place(target_of(server), name, retries=QUICK).fresh()
        old = publish(place.open(), made(0), publisher="host/test").record
        for number in range(1, 7):
            version = make_version(
                tmp_path / f"r{number}", version_id(number, days=number), rows=20_000
            )
            timer = threading.Timer(chance.uniform(0.0, 0.06), server.kill)
            timer.start()
            try:
                publish(place.open(), version, publisher="host/test")
            except StoreError as error:
                kind = str(error).partition(":")[0]
                assert kind in {"unreachable", "outcome unknown", "verification failed"}
            timer.join()
            server.restart()
            assert drills.served(place.open()) in {old.version_id, version.version_id}
            old = publish(place.open(), version, publisher="host/test").record
            assert drills.served(place.open()) == version.version_id
            drills.mended(place.open())
        assert len(drills.sound_log(place.open())) == 7
        assert keys(place.open(), "_commits/")
