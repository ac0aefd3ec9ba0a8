"""What the S3 store does with answers, lost answers and settings, and what it never says."""

import ast
import re
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from ml.artifacts.errors import (
    ConflictError,
    DeniedError,
    MissingError,
    StoreRefusedError,
    UnreachableError,
    VerificationError,
)
from ml.artifacts.folder_store import FolderStore
from ml.artifacts.store import Body, read_small
from ml.errors import ConfigError
from ml.settings import settings
from pipelines.publish.policies import policies
from pipelines.publish.probe import probe
from pipelines.publish.reader import open_store
from pipelines.publish.s3_connection import HttpPool, Patience, RetryPolicy
from pipelines.publish.s3_store import S3Store
from pipelines.publish.s3_target import S3Target, check_target, settings_target
from tests.pipelines.publish.conftest import BUCKET, place_of, target_of
from tests.pipelines.publish.faults import BreakingPool
from tests.pipelines.publish.places import AT_ONCE, LIMIT, S3Place, keys
from tests.pipelines.sources.replay import Replay, Reply

ROOT = Path(__file__).resolve().parents[3]
KEY, BODY = "_probe/a", Body.of(b"content")
NETWORK = S3Target("store.example:9000", "b-1", "access", "secret")


@pytest.fixture
def store(fake):
    return S3Place(target_of(fake), "fake").fresh().open()


def impatient(target):
    return S3Store(target, retries=RetryPolicy(seconds=0.0, pause=lambda _: None))


def test_one_module_imports_minio():
    importing = []
    for path in sorted(ROOT.glob("[mps]*/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.partition(".")[0] == "minio" for name in names):
                importing.append(path.relative_to(ROOT).as_posix())
    assert sorted(set(importing)) == ["pipelines/publish/s3_store.py"]


@pytest.mark.parametrize(
    ("status", "code", "kind", "text"),
    [
        (403, "InvalidAccessKeyId", DeniedError, "does not take the key"),
        (403, "SignatureDoesNotMatch", DeniedError, "does not take the key"),
        (403, "RequestTimeTooSkewed", DeniedError, "clock"),
        (403, "AccessDenied", DeniedError, "--print-policies"),
        (404, "NoSuchBucket", StoreRefusedError, "no such bucket"),
        (409, "NoSuchBucket", StoreRefusedError, "no such bucket"),
        (507, "XMinioStorageFull", StoreRefusedError, "no space left"),
        (403, "QuotaExceeded", StoreRefusedError, "no space left"),
        (501, "NotImplemented", StoreRefusedError, "conditional writes"),
        (301, "PermanentRedirect", StoreRefusedError, "S3_ENDPOINT"),
        (400, "BadDigest", VerificationError, "changed on the way"),
        (400, "AuthorizationHeaderMalformed", DeniedError, "S3_REGION"),
        (418, "Teapot", StoreRefusedError, "told so"),
        (503, "SlowDown", UnreachableError, "not able to answer"),
        (500, "InternalError", UnreachableError, "not able to answer"),
        (409, "ConditionalRequestConflict", UnreachableError, "in the way"),
    ],
)
def test_every_refusal_is_one_line_that_begins_with_its_kind(fake, status, code, kind, text):
    fake.answers["PUT"] = (status, code)
    store = impatient(target_of(fake))
    expected = rf"^{kind.kind}: s3://{BUCKET} at \S+: writing {KEY}: .*{re.escape(text)}.*{code}"
    with pytest.raises(kind, match=expected) as error:
        store.create(KEY, BODY)
    assert "\n" not in str(error.value)
    assert fake.secret_key not in str(error.value)
    assert fake.access_key not in str(error.value)


def test_a_write_that_others_got_in_the_way_of_is_tried_again(fake):
    answers = iter([(409, "ConditionalRequestConflict"), (503, "SlowDown"), None])

    class Busy(dict):
        def get(self, method):
            return next(answers, None) if method == "PUT" else None

    fake.answers, before = Busy(), fake.answers
    try:
        store = S3Place(target_of(fake), "fake").fresh().open()
        assert store.create(KEY, BODY)
    finally:
        fake.answers = before
    assert read_small(store, KEY, limit=LIMIT) == b"content"


def test_a_server_that_is_no_store_is_told_apart():
    page = Reply(404, b"<!DOCTYPE HTML>\n<title>Not found</title>", {"Content-Type": "text/html"})
    with Replay({"/": page}) as site:
        target = S3Target(site.host, BUCKET, "id", "key", secure=False)
        with pytest.raises(StoreRefusedError, match=r"is no S3 store; correct S3_ENDPOINT \(404\)"):
            read_small(impatient(target), KEY, limit=LIMIT)


def test_an_absent_store_is_waited_for_once_by_the_probe():
    waits = []

    class Away(FolderStore):
        def create(self, key, _):
            waits.append(key)
            raise UnreachableError("away")

        def remove(self, key):
            waits.append(key)
            raise UnreachableError("away")

    with pytest.raises(UnreachableError, match="away"):
        probe(Away(Path("nowhere")))
    assert len(waits) == 1


def test_a_server_that_is_not_there_is_unreachable(fake):
    target = S3Target("127.0.0.1:1", BUCKET, "access-id", "secret-key", secure=False)
    with pytest.raises(
        UnreachableError, match=r"^unreachable: s3://.*nothing listens there"
    ) as error:
        impatient(target).head(KEY)
    assert "access-id" not in str(error.value)
    assert "secret-key" not in str(error.value)


def test_a_server_that_stays_away_is_given_up_when_the_patience_ends():
    clock = [0.0]
    tries = []

    def attempt(patience):
        tries.append(clock[0] + patience.left)
        raise UnreachableError("away")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.publish.s3_connection.time.monotonic", lambda: clock[0])

        def pause(seconds):
            clock[0] += seconds

        with pytest.raises(UnreachableError, match="away"):
            RetryPolicy(pause=pause).retry(attempt)
    assert set(tries) == {60.0}
    assert 50 < clock[0] <= 60
    assert len(tries) > 10


def test_patience_begins_anew_with_progress_and_not_with_what_was_reached_before():
    clock = [0.0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.publish.s3_connection.time.monotonic", lambda: clock[0])
        patience = Patience(RetryPolicy())
        lefts = []
        for now, reached in [(50, 100), (70, 100), (90, 99), (100, 101)]:
            clock[0] = now
            patience.reached(reached)
            lefts.append(patience.left)
    # 60 s from the moments 50, 50 (the same again), 50 (less), 100
    assert lefts == [60, 40, 20, 60]


def test_the_patience_of_one_thread_is_not_that_of_another():
    pool = HttpPool()
    pool.have(Patience(RetryPolicy(seconds=60.0)))
    with Replay({"/": Reply(delay=1.5)}) as server:
        hurried = threading.Thread(target=pool.have, args=(Patience(RetryPolicy(seconds=0.0)),))
        hurried.start()
        hurried.join()
        assert pool.urlopen("GET", f"{server.base}/").status == 200


def test_a_listing_of_many_pages_takes_as_long_as_it_goes_on(fake):
    clock = [0.0]

    class Slow(HttpPool):
        """Each page takes 40 seconds."""

        def urlopen(self, method, url, redirect=True, **kw):
            answer = super().urlopen(method, url, redirect, **kw)
            clock[0] += 40
            lefts.append(self._thread.patience.left)
            return answer

    lefts = []
    place = S3Place(target_of(fake), "fake").fresh()
    for number in range(450):
        place.open().put(f"_probe/{number:04d}", BODY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.publish.s3_connection.time.monotonic", lambda: clock[0])
        store = S3Store(place.target, pool=Slow(), retries=AT_ONCE)
        assert len(keys(store, "_probe/")) == 450
    assert lefts == [20] * 5  # of 60, after each page


def test_a_certificate_that_is_not_trusted_is_not_tried_again():
    tries = []

    def attempt(_):
        tries.append(1)
        raise UnreachableError("certificate", passing=False)

    with pytest.raises(UnreachableError, match="certificate"):
        AT_ONCE.retry(attempt)
    assert len(tries) == 1


def test_a_read_that_breaks_off_goes_on_where_it_ended(fake):
    content = bytes(range(256)) * 20_000
    place = S3Place(target_of(fake), "fake").fresh()
    assert place.open().create(KEY, Body.of(content))
    pool = BreakingPool(answers=3)
    store = S3Store(place.target, pool=pool, retries=AT_ONCE)
    assert read_small(store, KEY, limit=LIMIT) == content
    block = 1 << 20
    assert pool.starts == [None, *(f"bytes={n * block}-" for n in (1, 2, 3))]


@pytest.mark.parametrize("kind", ["fake", "minio", pytest.param("rgw", marks=pytest.mark.slow)])
def test_a_body_that_changes_on_the_way_is_refused_by_the_server(kind, request, tmp_path):
    class Corrupting(HttpPool):
        def urlopen(self, method, url, redirect=True, **kw):
            if method == "PUT":
                kw["body"] = b"X" + bytes(kw["body"])[1:]
            return super().urlopen(method, url, redirect, **kw)

    place = place_of(kind, request, tmp_path)
    store = S3Store(place.target, pool=Corrupting(), retries=AT_ONCE)
    with pytest.raises(VerificationError, match=r"^verification failed: .*changed on the way"):
        store.create(KEY, BODY)
    assert place.open().head(KEY) is None


def test_what_is_too_large_is_not_read(store):
    store.put(KEY, Body.of(b"x" * 101))
    assert len(read_small(store, KEY, limit=101)) == 101
    with pytest.raises(VerificationError, match="has more than the 100 bytes it can have"):
        read_small(store, KEY, limit=100)


def test_what_is_not_there_is_missing(place):
    store = place.open()
    assert store.head(KEY) is None
    with pytest.raises(MissingError, match=rf"^verification failed: {KEY}: is missing in "):
        read_small(store, KEY, limit=LIMIT)
    store.remove(KEY)


def test_an_object_is_created_once_and_its_hash_is_kept(place):
    store = place.open()
    assert store.create(KEY, BODY)
    assert not store.create(KEY, Body.of(b"other"))
    assert read_small(store, KEY, limit=LIMIT) == b"content"
    found = store.head(KEY)
    assert (found.size, found.sha256) == (7, BODY.sha256)
    store.put(KEY, Body.of(b"other one"))
    assert read_small(store, KEY, limit=LIMIT) == b"other one"
    store.remove(KEY)
    assert store.head(KEY) is None


def test_a_listing_is_whole_and_in_order_and_begins_where_it_is_told(place):
    store = place.open()
    names = [f"_probe/{number:04d}" for number in range(230)]
    for name in reversed(names):
        store.put(name, BODY)
    store.put("_probes", BODY)
    assert keys(store, "_probe/") == names
    assert [e.key for e in store.listing("_probe/", after=names[100])] == names[101:]
    assert {entry.size for entry in store.listing("_probe/")} == {7}


@pytest.mark.parametrize("key", ["../a", "/a", "a//b", "a/%2e%2e/b", "a\nb", "a/..", "", "a" * 513])
def test_no_store_is_asked_for_a_hostile_key(near_place, key):
    store = near_place.open()
    for ask in (
        lambda: store.create(key, BODY),
        lambda: store.put(key, BODY),
        lambda: read_small(store, key, limit=LIMIT),
        lambda: store.head(key),
        lambda: store.remove(key),
    ):
        with pytest.raises(ConflictError, match="is no key of ours"):
            ask()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"endpoint": ""}, "S3_ENDPOINT not set"),
        ({"bucket": "", "secret_key": ""}, "S3_BUCKET, S3_SECRET_KEY not set"),
        ({"endpoint": "https://store.example"}, "is not host:port"),
        ({"endpoint": "store.example:99999"}, "is not host:port"),
        ({"bucket": "Not_A_Bucket"}, "is not the name of a bucket"),
        ({"prefix": "../up"}, "S3_PREFIX='../up'"),
        ({"secure": False}, "in the clear to store.example:9000"),
        ({"access_key": "minioadmin", "secret_key": "minioadmin"}, "every MinIO server"),
        ({"ca_file": Path("nowhere.pem")}, "there is no file 'nowhere.pem'"),
    ],
)
def test_settings_that_are_not_complete_or_not_safe_are_refused(changes, text):
    with pytest.raises(ConfigError, match=re.escape(text)) as error:
        check_target(replace(NETWORK, **changes))
    assert "secret" not in str(error.value).replace("S3_SECRET_KEY", "")


@pytest.mark.parametrize("endpoint", ["127.0.0.1:9000", "localhost:9000", "[::1]:9000"])
def test_http_and_the_factory_key_are_fine_on_this_machine(endpoint):
    check_target(S3Target(endpoint, "b-1", "minioadmin", "minioadmin", secure=False))


def test_http_to_another_machine_is_fine_where_it_is_allowed():
    check_target(replace(NETWORK, secure=False, allow_insecure=True))


def test_secrets_are_shown_by_no_repr(fake):
    assert "secret" not in repr(NETWORK)
    assert "access" not in repr(NETWORK).replace("access_key", "")
    assert fake.secret_key not in repr(impatient(target_of(fake)))


def test_minio_names_of_settings_are_understood(monkeypatch):
    values = {"ENDPOINT": "localhost:9", "BUCKET": "b-1", "ACCESS_KEY": "a", "SECRET_KEY": "s"}
    for name, value in values.items():
        monkeypatch.setenv(f"MINIO_{name}", value)
    monkeypatch.setenv("MINIO_SECURE", "false")
    monkeypatch.setenv("S3_BUCKET", "b-2")  # the S3_* name wins
    target = settings_target()
    assert (target.endpoint, target.bucket, target.secure) == ("localhost:9", "b-2", False)
    assert (target.access_key, target.secret_key, target.region) == ("a", "s", "us-east-1")
    assert open_store().name == "s3://b-2 at localhost:9"


def test_secrets_may_be_files(monkeypatch, tmp_path):
    (tmp_path / "id").write_text("the-id\n")
    (tmp_path / "key").write_text("the-key\n")
    monkeypatch.setenv("S3_ENDPOINT", "localhost:9")
    monkeypatch.setenv("S3_BUCKET", "b-1")
    monkeypatch.setenv("S3_ACCESS_KEY_FILE", str(tmp_path / "id"))
    monkeypatch.setenv("S3_SECRET_KEY_FILE", str(tmp_path / "key"))
    target = settings_target()
    assert (target.access_key, target.secret_key) == ("the-id", "the-key")
    monkeypatch.setenv("S3_SECRET_KEY", "another")
    settings.cache_clear()
    with pytest.raises(ConfigError, match="S3_SECRET_KEY and S3_SECRET_KEY_FILE are both set"):
        settings_target()
    monkeypatch.delenv("S3_SECRET_KEY")
    (tmp_path / "key").unlink()
    settings.cache_clear()
    with pytest.raises(ConfigError, match=r"S3_SECRET_KEY_FILE: .* cannot be read"):
        settings_target()


def test_only_the_janitor_may_remove_and_nobody_a_record():
    roles = policies("b", "team/a")
    log = roles.pop("log")["Statement"]
    kept = [f"arn:aws:s3:::b/team/a/{folder}/*"
            for folder in ("_commits", "history/past_forecasts", "history/scores")]  # fmt: skip
    assert [(s["Effect"], s["Resource"]) for s in log] == [("Deny", kept)]
    for role, policy in roles.items():
        naming = [s for s in policy["Statement"] if "s3:DeleteObject" in s["Action"]]
        allowed = [s for s in naming if s["Effect"] == "Allow"]
        assert bool(allowed) == (role == "janitor")
        assert not {r for s in allowed for r in s["Resource"]} & {*kept}
        denied = [r for s in naming if s["Effect"] == "Deny" for r in s["Resource"]]
        assert denied == kept
