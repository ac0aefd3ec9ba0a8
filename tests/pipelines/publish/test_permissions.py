"""The three keys on real servers: each does its work, and nothing else is allowed."""

import json
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ml.artifacts import log
from ml.artifacts.errors import DeniedError
from ml.artifacts.folder_store import results_store
from ml.artifacts.keys import commit_key, past_key
from ml.artifacts.store import Body, read_small
from pipelines.publish.collect_garbage import Retention, collect_garbage, mark_key, put_mark
from pipelines.publish.doctor import NO_RECORD, examine
from pipelines.publish.policies import policies
from pipelines.publish.probe import require_conditions, require_rights
from pipelines.publish.publishing import publish
from pipelines.publish.reader import open_ml_results, read_ml_results
from pipelines.publish.repair import repair
from pipelines.publish.rollback import roll_back
from tests.pipelines.publish.conftest import target_of
from tests.pipelines.publish.places import LIMIT, S3Place
from tests.pipelines.publish.servers import add_user
from tests.pipelines.publish.versions import STARTED

BODY = Body.of(b"not allowed")
MARKED = "20200101T000000Z-00000000"
ROLES = ("reader", "publisher", "janitor")


@pytest.fixture(scope="module", params=["minio", pytest.param("rgw", marks=pytest.mark.slow)])
def server(request):
    return request.getfixturevalue(f"{request.param}_server")


@pytest.fixture(scope="module", params=["", "team/a"], ids=["whole bucket", "prefix"])
def stores(server, request):
    """A store for each role in a bucket of its own, and one for the owner."""
    bucket = f"b{secrets.token_hex(6)}"
    server.make_bucket(bucket)
    target = replace(target_of(server, bucket), prefix=request.param)
    allowed = policies(bucket, request.param)
    opened = {"owner": S3Place(target, "owner").open()}
    for role in ROLES:
        access, secret = f"{role}{secrets.token_hex(4)}", secrets.token_hex(16)
        add_user(server, access, secret, allowed[role])
        place = S3Place(replace(target, access_key=access, secret_key=secret), role)
        opened[role] = place.open()
    if server.name == "rgw":  # on MinIO the owner stands above the bucket's policy
        server.client().set_bucket_policy(bucket_name=bucket, policy=json.dumps(allowed["log"]))
    return opened


@pytest.fixture(scope="module")
def published(stores, made):
    """The publisher's work, done with nothing but its own key."""
    require_conditions(stores["publisher"])
    for number in (1, 2, 3):
        publish(stores["publisher"], made(number, past=()), publisher="host/test")
    roll_back(stores["publisher"], publisher="host/test")
    put_mark(stores["owner"], MARKED, STARTED)
    return stores


def test_the_reader_reads_what_the_publisher_published(published, made):
    table = read_ml_results("forecasts", store=published["reader"])
    assert table["item_id"][0].as_py().startswith(made(2, past=()).version_id)
    past = open_ml_results(published["reader"], made(3, past=()).version_id).read_past("scores")
    assert past["item_id"].to_pylist() == [made(3, past=()).version_id]


@pytest.mark.parametrize(
    ("role", "what"),
    [
        ("reader", "put a version"),
        ("reader", "put the pointer"),
        ("reader", "put a record"),
        ("reader", "remove a version"),
        ("reader", "read a mark"),
        ("reader", "add to the past"),
        ("publisher", "remove of the past"),
        ("janitor", "remove of the past"),
        ("janitor", "add to the past"),
        ("publisher", "remove a version"),
        ("publisher", "remove a record"),
        ("publisher", "put a mark"),
        ("janitor", "remove a record"),
        ("janitor", "put a record"),
        ("janitor", "put a version"),
        ("janitor", "put the pointer"),
    ],
)
def test_what_a_key_is_not_for_is_denied(published, made, role, what):
    store, path = published[role], made(3, past=()).manifest.files[0].path
    mark = mark_key(MARKED)
    ask = {
        "put a version": lambda: store.put(f"{path}x", BODY),
        "put the pointer": lambda: store.put("metadata/last_updated.json", BODY),
        "put a record": lambda: store.create(commit_key(99), BODY),
        "remove a version": lambda: store.remove(path),
        "remove a record": lambda: store.remove(commit_key(1)),
        "read a mark": lambda: read_small(store, mark, limit=LIMIT),
        "put a mark": lambda: store.create(f"{mark}x", BODY),
        "add to the past": lambda: store.create(past_key("scores", MARKED), BODY),
        "remove of the past": lambda: store.remove(past_key("scores", made(3, past=()).version_id)),
    }
    with pytest.raises(DeniedError, match=r"^denied: .*not allowed"):
        ask[what]()


@pytest.mark.parametrize("role", ROLES)
def test_a_key_that_will_not_do_is_found_before_the_work(published, role):
    store = published[role]
    before = sorted((entry.key, entry.size) for entry in published["owner"].listing("_commits/"))
    if role == "publisher":
        require_rights(store)
    else:
        with pytest.raises(DeniedError, match=r"^denied: .*writing _probe/"):
            require_rights(store)
    after = sorted((entry.key, entry.size) for entry in published["owner"].listing("_commits/"))
    assert after == before


@pytest.mark.parametrize("folder", ["_commits", "versions", "metadata", "history"])
def test_a_key_that_may_probe_but_not_publish_is_found_before_the_work(published, server, folder):
    target = published["owner"]._target
    policy = policies(target.bucket, target.prefix)["publisher"]
    put = policy["Statement"][0]
    named = [one for one in put["Resource"] if f"/{folder}/" not in one]
    read = put | {"Sid": "Read", "Action": ["s3:GetObject"]}
    narrow = [put | {"Resource": named}, read, *policy["Statement"][1:]]
    access, secret = f"narrow{secrets.token_hex(4)}", secrets.token_hex(16)
    add_user(server, access, secret, policy | {"Statement": narrow})
    key = replace(target, access_key=access, secret_key=secret)
    with pytest.raises(DeniedError, match=rf"^denied: .*writing {folder}/"):
        require_rights(S3Place(key, "narrow").open())


def test_the_owner_may_not_remove_a_record_either_or_is_warned(published, server):
    """Ceph's owner is bound by the bucket's policy, MinIO's administrator stands above it."""
    owner = published["owner"]
    if server.name == "minio":
        levels = {f.level for f in examine(owner, owner.anonymous_status) if "records of" in f.text}
        assert levels == {"warning"}
        return
    with pytest.raises(DeniedError, match="denied"):
        owner.remove(commit_key(1))
    with pytest.raises(DeniedError, match="denied"):
        owner.remove(NO_RECORD)


def test_the_doctor_tells_a_publisher_that_the_log_is_safe_from_it(published, made):
    findings = list(examine(published["publisher"], published["publisher"].anonymous_status))
    texts = [finding.text for finding in findings if finding.level == "ok"]
    assert "this key may not remove records of the log" in texts
    assert any(text.startswith("a request without a key is refused") for text in texts)


def test_the_publisher_puts_a_damaged_file_back_and_the_others_may_not(published, made):
    record, local = log.read_record(published["reader"], 3), results_store(made(3, past=()).results)
    path = made(3, past=()).manifest.files[0].path
    published["owner"].put(path, Body.of(b"damaged"))
    for role in ("reader", "janitor"):
        with pytest.raises(DeniedError, match=r"^denied: .*not allowed"):
            repair(published[role], record, local)
    assert repair(published["publisher"], record, local).restored == (path,)
    assert repair(published["reader"], record, local).restored == ()


def test_the_janitor_clears_up_with_nothing_but_its_own_key(stores, published, made):
    retention = Retention(versions=1, age=timedelta(0), grace=timedelta(0))
    now = datetime.now(UTC) + timedelta(days=1)
    assert collect_garbage(stores["janitor"], retention, now=now).marked
    removed = collect_garbage(stores["janitor"], retention, now=now + timedelta(hours=1)).removed
    assert set(removed) == {made(1, past=()).version_id, made(3, past=()).version_id}
    table = read_ml_results("forecasts", store=published["reader"])
    assert table["item_id"][0].as_py().startswith(made(2, past=()).version_id)


@pytest.mark.parametrize("role", ROLES)
def test_the_doctor_says_what_a_narrow_key_cannot_see_and_goes_on(published, role):
    findings = list(examine(published[role], None))
    assert not [one for one in findings if one.level == "problem"]
    flat = next(one for one in findings if "flat view" in one.text)
    assert (flat.level == "warning") == (role != "publisher")
