"""Servers whose store changes, breaks and goes away under them."""

import json
import os
import secrets
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest

from ml.artifacts.folder_store import FolderStore
from ml.artifacts.store import Body, read_small
from pipelines.publish.collect_garbage import mark_key, put_mark
from pipelines.publish.policies import policies
from pipelines.publish.publishing import publish
from pipelines.publish.rollback import roll_back
from pipelines.publish.s3_store import S3Store
from tests.pipelines.publish.conftest import target_of
from tests.pipelines.publish.places import AT_ONCE
from tests.pipelines.publish.servers import BUCKET, add_user, serving_bucket
from tests.pipelines.publish.versions import STARTED
from tests.serving.conftest import API, item_path, serving
from tests.serving.versions import PLAIN, make_served

FULL = os.environ.get("DRILLS") == "full"
MOST = 1 << 30


@pytest.fixture(scope="module")
def minio(tmp_path_factory):
    with serving_bucket("minio", tmp_path_factory.mktemp("minio")) as server:
        yield server


@pytest.fixture
def bucket(minio):
    """The owner's store below a prefix of its own, and the settings of one who may only read."""
    prefix, access, secret = secrets.token_hex(8), f"r{secrets.token_hex(6)}", secrets.token_hex(16)
    target = replace(target_of(minio, BUCKET), prefix=prefix)
    add_user(minio, access, secret, policies(BUCKET, prefix)["reader"])
    env = {
        "S3_ENDPOINT": minio.endpoint, "S3_BUCKET": BUCKET, "S3_PREFIX": prefix,
        "S3_ACCESS_KEY": access, "S3_SECRET_KEY": secret, "S3_SECURE": "false",
    }  # fmt: skip
    return S3Store(target, retries=AT_ONCE), env


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    """Local versions by number, of the same items."""
    made = {}

    def make(number):
        if number not in made:
            made[number] = make_served(tmp_path_factory.mktemp("made"), number, items=PLAIN)
        return made[number]

    return make


def shown(server):
    return json.loads(server.get("/ready").data).get("version_id")


@contextmanager
def many_requests(server, threads=4):
    """Ask without a pause, of several threads at once, while the block runs; what was answered."""
    answers, done = [], threading.Event()
    addresses = [
        f"{API}/forecasts?item_id=PART-007", item_path("PART-011"), f"{API}/forecasts?limit=40",
        f"{API}/documents/model_versions", f"{API}/forecasts?f=csv&limit=7",
    ]  # fmt: skip

    def ask(first):
        turn = first
        while not done.is_set():
            turn += 1
            path = addresses[turn % len(addresses)]
            answer = server.get(path)
            answers.append((path, answer.status, answer.headers, answer.data))

    workers = [threading.Thread(target=ask, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield answers
    finally:
        done.set()
        for worker in workers:
            worker.join()


def versions_in(path, headers, data):
    """All versions that an answer names: in its head, and in its rows."""
    found = {headers["X-Version-Id"]}
    if "f=csv" in path:
        lines = data.decode().splitlines()
        place = lines[0].split(",").index("model_version")
        return found | {line.split(",")[place] for line in lines[1:]}
    document = json.loads(data)
    if path.startswith(f"{API}/documents"):
        return found | {document["model_version"]}
    rows = document["data"]
    rows = rows["forecasts"] if isinstance(rows, dict) else rows
    assert rows
    return found | {document["version_id"]} | {row["model_version"] for row in rows}


@pytest.mark.slow
def test_no_answer_mixes_versions_while_many_are_published_drill(bucket, version, tmp_path):
    publishes, wanted = (50, 10_000) if FULL else (8, 1_000)
    store, env = bucket
    publish(store, version(0), publisher="host/test")
    with serving(tmp_path, "--store", **env) as server:
        with many_requests(server) as answers:
            for number in range(1, publishes + 1):
                publish(store, version(number), publisher="host/test")
                name, enough = version(number).version_id, wanted * number // publishes
                server.until(lambda n=name, e=enough: shown(server) == n and len(answers) >= e)
        assert len(answers) >= wanted
        assert {status for _, status, _, _ in answers} == {200}
        named = [versions_in(path, headers, data) for path, _, headers, data in answers]
        assert [found for found in named if len(found) != 1] == []
        assert len(set().union(*named)) == publishes + 1
        print(f"{len(answers)} answers during {publishes} publishes, none mixed")  # noqa: T201 - for make drills


@pytest.mark.slow
def test_a_store_that_dies_is_told_and_the_last_version_served(version, tmp_path):
    with serving_bucket("minio", tmp_path / "minio") as minio:
        store = S3Store(target_of(minio, BUCKET), retries=AT_ONCE)
        publish(store, version(0), publisher="host/test")
        env = {
            "S3_ENDPOINT": minio.endpoint, "S3_BUCKET": BUCKET, "S3_SECURE": "false",
            "S3_ACCESS_KEY": minio.access_key, "S3_SECRET_KEY": minio.secret_key,
        }  # fmt: skip
        with serving(tmp_path / "server", "--store", **env) as server:
            path = f"{API}/forecasts?item_id=PART-007"
            tag = server.get(path).headers["ETag"]
            with many_requests(server) as answers:
                minio.kill()
                server.until(lambda: server.json(path)["stale"])
                before = len(answers)
                server.until(lambda: len(answers) > before + 200)
            assert {status for _, status, _, _ in answers} == {200}
            told = server.get(path, If_None_Match=tag)
            assert told.status == 200  # for it says something new
            assert told.headers["X-Stale"] == "true; store-lost"
            assert server.json("/ready")["reason"] == "store-lost"
            assert "previsor_stale 1.0" in server.get("/metrics").data.decode()
            minio.restart()
            publish(store, version(1), publisher="host/test")
            server.until(lambda: shown(server) == version(1).version_id)
            assert server.json(path)["stale"] is False
            minio.kill()
        # A server that starts on the same cache while the store is away has something to say.
        port = int(server.url.rpartition(":")[2])
        with serving(tmp_path / "server", "--store", port=port, **env) as again:
            answer = again.json(path)
            assert (answer["version_id"], answer["stale"]) == (version(1).version_id, True)


def test_a_rollback_and_an_earlier_day_are_served(version, tmp_path):
    store = FolderStore(tmp_path / "store")
    for number in (1, 2):
        publish(store, version(number), publisher="host/test")
    with serving(tmp_path / "server", "--results", str(store.root)) as server:
        assert shown(server) == version(2).version_id
        path = f"{API}/forecasts?item_id=PART-001&columns=model_version&limit=1"
        today = server.json(path)["published_at"][:10]
        assert server.json(f"{path}&at={today}")["version_id"] == version(2).version_id
        fixed = path.replace(API, f"{API}/versions/{version(1).version_id}")
        answer = server.get(fixed)
        assert json.loads(answer.data)["data"] == [{"model_version": version(1).version_id}]
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert server.get(path).headers["Cache-Control"] == "public, no-cache"
        roll_back(store, publisher="host/test")
        server.until(lambda: shown(server) == version(1).version_id)
        server.until(lambda: server.json(f"{API}/versions")["data"][0]["seq"] == 3)
        told = server.json(f"{API}/versions")["data"]
        assert [(one["seq"], one["kind"], one["version_id"]) for one in told] == [
            (3, "rollback", version(1).version_id),
            (2, "publish", version(2).version_id),
            (1, "publish", version(1).version_id),
        ]
        assert [one["seq"] for one in server.pages(f"{API}/versions?limit=1")] == [3, 2, 1]


def test_a_page_goes_on_in_its_own_version_when_a_newer_one_is_published(version, tmp_path):
    store = FolderStore(tmp_path / "store")
    publish(store, version(1), publisher="host/test")
    with serving(tmp_path / "server", "--results", str(store.root)) as server:
        first = server.json(f"{API}/forecasts?limit=100&columns=item_id,model_version")
        publish(store, version(2), publisher="host/test")
        server.until(lambda: shown(server) == version(2).version_id)
        rows = first["data"] + server.pages(first["next"])
    assert {row["model_version"] for row in rows} == {version(1).version_id}
    assert len(rows) == 6 * len(PLAIN)


def damage_file(store, made):
    path = made.manifest.datasets["forecasts"][0].path
    data = read_small(store, path, limit=MOST)
    store.put(path, Body.of(data[:-1] + b"x"))


def raise_format(store, made):
    key = f"versions/{made.version_id}/manifest.json"
    data = read_small(store, key, limit=MOST).replace(b'"format": 1', b'"format": 2')
    store.put(key, Body.of(data))


def lose_file(store, made):
    store.remove(made.manifest.datasets["metrics"][0].path)


@pytest.mark.parametrize("harm", [damage_file, raise_format, lose_file])
def test_a_version_that_is_broken_is_not_shown_until_it_is_mended(version, tmp_path, harm):
    store, mirror = FolderStore(tmp_path / "store"), FolderStore(tmp_path / "store")
    publish(store, version(1), publisher="host/test")
    with serving(tmp_path / "server", "--results", str(store.root)) as server:
        other = FolderStore(tmp_path / "other")
        for number in (1, 2):
            publish(other, version(number), publisher="host/test")
        harm(other, version(2))
        # The log last, as it is when a version is published.
        for entry in sorted(other.listing(""), key=lambda one: one.key.startswith("_commits")):
            if version(2).version_id in entry.key or "_commits" in entry.key:
                store.put(entry.key, Body.of(read_small(other, entry.key, limit=MOST)))
        server.until(lambda: json.loads(server.get("/ready").data)["stale"])
        answer = server.json(f"{API}/forecasts?item_id=PART-001")
        assert (answer["version_id"], answer["stale"]) == (version(1).version_id, True)
        assert server.get("/ready").status == 200
        assert server.json("/ready")["reason"] == "version-broken"
        for file in version(2).results.rglob("*"):
            key = file.relative_to(version(2).results).as_posix()
            if file.is_file() and key.startswith("versions/"):
                mirror.put(key, Body.of(file.read_bytes()))
        server.until(lambda: shown(server) == version(2).version_id)
        assert server.json(f"{API}/forecasts?item_id=PART-001")["stale"] is False


def test_a_version_that_was_removed_is_gone_and_the_one_that_is_shown_stays(version, tmp_path):
    store = FolderStore(tmp_path / "store")
    for number in (1, 2):
        publish(store, version(number), publisher="host/test")
    gone = version(1).version_id
    put_mark(store, gone, STARTED)
    assert read_small(store, mark_key(gone), limit=MOST)
    for number in (1, 2):
        for file in version(number).manifest.files:
            if number == 1:
                store.remove(file.path)
    store.remove(f"versions/{gone}/manifest.json")
    with serving(tmp_path / "server", "--results", str(store.root)) as server:
        answer = server.get(f"{API}/versions/{gone}/forecasts")
        assert answer.status == 410
        assert "was removed from the store" in json.loads(answer.data)["detail"]
        for file in version(2).manifest.files:  # while it is served
            store.remove(file.path)
        assert server.get(f"{API}/forecasts.parquet").status == 200


def test_a_folder_without_any_version_is_served_as_soon_as_there_is_one(version, tmp_path):
    (tmp_path / "store").mkdir()
    options = ("--results", str(tmp_path / "store"))
    with serving(tmp_path / "server", *options, ready=False) as server:
        answer = server.get(f"{API}/forecasts")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert "nothing can be shown yet" in json.loads(answer.data)["detail"]
        publish(FolderStore(tmp_path / "store"), version(1), publisher="host/test")
        server.until(lambda: server.get("/ready").status == 200)


WRITES = {
    "a file of a version": ("put", "versions/{id}/forecasts/forecasts_2026-11-20.parquet"),
    "a new file of a version": ("put", "versions/{id}/forecasts/new.parquet"),
    "a manifest": ("put", "versions/{id}/manifest.json"),
    "a record": ("put", "_commits/00000000000000000099.json"),
    "the pointer": ("put", "metadata/last_updated.json"),
    "a flat file": ("put", "forecasts/forecasts_2026-11-20.parquet"),
    "a mark": ("put", "_gc/{id}.json"),
    "the past": ("put", "history/scores/{id}.parquet"),
    "a probe": ("put", "_probe/x"),
    "removing a file": ("remove", "versions/{id}/manifest.json"),
    "removing a record": ("remove", "_commits/00000000000000000001.json"),
    "a copy": ("copy", "versions/{id}/copied.json"),
    "the policy": ("policy", ""),
}


def test_the_key_that_serves_may_write_nothing(minio, bucket, version, tmp_path):
    from minio.commonconfig import CopySource
    from minio.error import S3Error

    store, env = bucket
    publish(store, version(0), publisher="host/test")
    with serving(tmp_path, "--store", **env) as server:
        assert shown(server) == version(0).version_id
    client = minio.client(env["S3_ACCESS_KEY"], env["S3_SECRET_KEY"])
    base, name = env["S3_PREFIX"], version(0).version_id

    def attempt(how, key):
        about = {"bucket_name": BUCKET, "object_name": f"{base}/{key.format(id=name)}"}
        if how == "put":
            client._put_object(BUCKET, about["object_name"], b"x", {})
        elif how == "remove":
            client.remove_object(**about)
        elif how == "copy":
            client.copy_object(
                **about, source=CopySource(bucket_name=BUCKET,
                                           object_name=f"{base}/metadata/last_updated.json")
            )  # fmt: skip
        else:
            client.set_bucket_policy(bucket_name=BUCKET, policy="{}")

    statuses = {}
    for what, (how, key) in WRITES.items():
        with pytest.raises(S3Error) as refused:
            attempt(how, key)
        statuses[what] = refused.value.response.status
    assert statuses == dict.fromkeys(WRITES, 403)
    assert len(statuses) == 13
