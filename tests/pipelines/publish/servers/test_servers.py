"""What the publishing tests rely on, asked of the servers themselves."""

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
