"""What the publishing tests rely on, asked of the servers themselves."""

import io
import json
import sys
from pathlib import Path

import pytest
import urllib3
from minio.error import S3Error

from tests.pipelines.publish import servers
from tests.pipelines.publish.servers import add_user, required, start_server

READ = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": ["arn:aws:s3:::*"]}  # fmt: skip
LOOPBACK = {"0100007F", f"{0:024}01000000"}  # 127.0.0.1, and ::1 where MinIO listens as well
SECRET = "a-secret-of-twenty-characters"


def put(client, bucket, key, data=b"x", **headers):
    client._put_object(
        bucket_name=bucket,
        object_name=key,
        data=data,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def got(client, bucket, key):
    response = client.get_object(bucket_name=bucket, object_name=key)
    try:
        return response.read()
    finally:
        response.close()
        response.release_conn()


def keys(client, bucket):
    found = client.list_objects(bucket_name=bucket, recursive=True)
    return [entry.object_name for entry in found]


def status(call, *arguments, **options):
    """HTTP status that a call is answered with."""
    try:
        call(*arguments, **options)
    except S3Error as error:
        return error.response.status
    return 200


def test_what_is_put_is_got_listed_and_removed(server, bucket):
    client, data = server.client(), bytes(range(256)) * 5000
    client.put_object(bucket_name=bucket, object_name="a/b=1/c", data=io.BytesIO(data),
                      length=len(data))  # fmt: skip
    assert got(client, bucket, "a/b=1/c") == data
    assert keys(client, bucket) == ["a/b=1/c"]
    client.remove_object(bucket_name=bucket, object_name="a/b=1/c")
    assert keys(client, bucket) == []
    with pytest.raises(S3Error, match="NoSuchKey"):
        got(client, bucket, "a/b=1/c")


def test_a_second_create_only_put_is_refused_and_changes_nothing(server, bucket):
    client = server.client()
    put(client, bucket, "_commits/1.json", b"first", If_None_Match="*")
    assert status(put, client, bucket, "_commits/1.json", b"second", If_None_Match="*") == 412
    assert got(client, bucket, "_commits/1.json") == b"first"


def test_what_was_acknowledged_outlives_a_killed_server(server, bucket):
    client, before = server.client(), server.gateway.pid
    put(client, bucket, "kept", b"1234")
    server.kill()
    with pytest.raises(urllib3.exceptions.HTTPError, match="refused"):
        got(client, bucket, "kept")
    server.restart()
    assert server.gateway.pid not in {before, None}
    assert got(client, bucket, "kept") == b"1234"
    put(client, bucket, "later")
    assert keys(client, bucket) == ["kept", "later"]


def test_a_user_may_do_what_the_policy_says_and_nothing_else(server, bucket):
    allowed = {"Effect": "Allow", "Action": ["s3:GetObject"],
               "Resource": [f"arn:aws:s3:::{bucket}/open/*"]}  # fmt: skip
    reader, nobody = f"reader-{bucket}", f"nobody-{bucket}"
    add_user(server, reader, SECRET, {"Version": "2012-10-17", "Statement": [allowed]})
    add_user(server, nobody, SECRET)
    for key in ("open/1", "closed/1"):
        put(server.client(), bucket, key, b"data")
    client = server.client(reader, SECRET)
    assert got(client, bucket, "open/1") == b"data"
    assert status(got, client, bucket, "closed/1") == 403
    assert status(put, client, bucket, "open/2") == 403
    assert status(client.remove_object, bucket_name=bucket, object_name="open/1") == 403
    assert status(got, server.client(nobody, SECRET), bucket, "open/1") == 403
    assert status(got, server.client(reader, SECRET[::-1]), bucket, "open/1") == 403
    anonymous = urllib3.request("GET", f"{server.url}/{bucket}/open/1", retries=False)
    assert anonymous.status == 403


DELETES_OF = {"minio": 200, "rgw": 403}  # what deleting is answered under a bucket policy's deny


def test_a_deny_binds_as_a_users_policy_and_on_ceph_as_a_buckets(server, bucket):
    everything = {"Effect": "Allow", "Action": ["s3:*"], "Resource": [f"arn:aws:s3:::{bucket}/*"]}
    deny = {"Effect": "Deny", "Action": ["s3:DeleteObject"],
            "Resource": [f"arn:aws:s3:::{bucket}/_commits/*"]}  # fmt: skip
    free, bound = f"free-{bucket}", f"bound-{bucket}"
    add_user(server, free, SECRET, {"Version": "2012-10-17", "Statement": [everything]})
    add_user(server, bound, SECRET, {"Version": "2012-10-17", "Statement": [everything, deny]})
    to_all = {"Version": "2012-10-17", "Statement": [deny | {"Principal": {"AWS": ["*"]}}]}
    owner = server.client()
    owner.set_bucket_policy(bucket_name=bucket, policy=json.dumps(to_all))
    for key in ("_commits/1", "_commits/2", "_commits/3", "data/1"):
        put(owner, bucket, key)

    def removing(client, key):
        return status(client.remove_object, bucket_name=bucket, object_name=key)

    assert removing(server.client(bound, SECRET), "_commits/1") == 403
    assert removing(server.client(bound, SECRET), "data/1") == 200
    # MinIO asks the policy of a bucket about strangers alone: not about users, nor about root.
    assert removing(server.client(free, SECRET), "_commits/2") == DELETES_OF[server.name]
    assert removing(owner, "_commits/3") == DELETES_OF[server.name]


def listening(pid):
    """Addresses on which a process listens, as Linux's tables of sockets show them."""
    links = (str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir())
    own = {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
    ]
    return {row[1] for row in rows if row[3] == "0A" and row[9] in own}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's /proc")
def test_servers_listen_on_the_loopback_alone(server):
    for daemon in (server.gateway, *server.behind):
        addresses = listening(daemon.pid)
        assert addresses
        assert {address.partition(":")[0] for address in addresses} <= LOOPBACK


def test_two_servers_do_not_know_each_others_keys(server, tmp_path):
    required("minio")
    with start_server("minio", tmp_path / "other") as other:
        assert other.endpoint != server.endpoint
        stranger = server.client(other.access_key, other.secret_key)
        with pytest.raises(S3Error, match="SignatureDoesNotMatch"):
            stranger.list_buckets()
    assert other.gateway.pid is None


@pytest.mark.parametrize("name", servers.NAMES)
def test_a_server_with_tls_is_known_by_its_certificate_alone(name, tmp_path, request):
    required(name, request.config)
    with start_server(name, tmp_path / name, tls=True) as server:
        server.make_bucket("bucket")
        add_user(server, "nobody", SECRET, {"Version": "2012-10-17", "Statement": [READ]})
        assert keys(server.client("nobody", SECRET), "bucket") == []
        with pytest.raises(urllib3.exceptions.SSLError, match="self-signed certificate"):
            urllib3.request("GET", f"{server.url}/", retries=False)
