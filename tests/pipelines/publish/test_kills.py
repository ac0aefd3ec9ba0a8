"""SIGKILL to the publishing process, and to the server, at any moment.

In CI a publisher is killed 12 times on a folder and 8 times on MinIO, and each server during 3
uploads; by `make drills` 50 times on both, and during 12 uploads.
"""

import json
import os
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
from tests.pipelines.publish.faults import Faults
from tests.pipelines.publish.places import S3Place, keys
from tests.pipelines.publish.servers import serving_bucket
from tests.pipelines.publish.versions import make_version, version_id

PROCESS = Path(__file__).with_name("publisher_process.py")
ROOT = Path(__file__).resolve().parents[3]
FULL = bool(os.environ.get("DRILLS"))
KILLS = {"folder": 50, "minio": 50} if FULL else {"folder": 12, "minio": 8}
UPLOADS = 12 if FULL else 3
SOON = RetryPolicy(seconds=5.0)  # a dead server is given up soon, and a busy one is waited for


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


class Killing:
    """Called before each request; starts a thread at one of them, so that it ends during it."""

    def __init__(self, thread, requests):
        self.thread, self.left = thread, requests
        self._lock = threading.Lock()

    def __call__(self, _):
        with self._lock:
            self.left -= 1
            now = self.left == -1
        if now:
            self.thread.start()


ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KILLS)
def test_a_publisher_killed_at_any_moment_leaves_whole_versions(kind, request, tmp_path):
    """Each process goes on with what the one before it left."""
    place = place_of(kind, request, tmp_path)
    chance, acknowledged = random.Random(20261121), []
    for _ in range(KILLS[kind]):
        acknowledged += killed(tmp_path / "results", place, chance.randrange(1, 120))
        store = place.open()
        if log.newest(store) is not None:
            drills.served(store)
    published = drills.sound_log(place.open())
    assert len(published) == len(set(published))
    assert set(acknowledged) <= set(published)
    assert len(published) > KILLS[kind] // 4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["minio", "rgw"])
def test_a_server_killed_during_an_upload_shows_the_old_version_and_the_next_run_finishes(
    name, tmp_path, made
):
    """The server dies while it works on a request drawn with a fixed seed."""
    chance = random.Random(20261122)
    with serving_bucket(name, tmp_path / "server") as server:
        place = S3Place(target_of(server), name, retries=SOON).fresh()
        undisturbed = Faults()
        old = publish(place.open(undisturbed), made(0), publisher="host/test").record
        for number in range(1, UPLOADS + 1):
            version = make_version(
                tmp_path / f"r{number}", version_id(number, days=number), rows=20_000
            )
            killer = threading.Thread(target=server.kill)
            kill = Killing(killer, chance.randrange(len(undisturbed.names)))
            try:
                publish(place.open(Faults(about=kill)), version, publisher="host/test")
            except StoreError as error:
                kind = str(error).partition(":")[0]
                assert kind in {"unreachable", "outcome unknown", "verification failed"}
            assert kill.left < 0, "the upload had fewer requests"
            killer.join()
            server.restart()
            assert drills.served(place.open()) in {old.version_id, version.version_id}
            old = publish(place.open(), version, publisher="host/test").record
            assert drills.served(place.open()) == version.version_id
            drills.mended(place.open())
        assert len(drills.sound_log(place.open())) == UPLOADS + 1
        assert keys(place.open(), "_commits/")
