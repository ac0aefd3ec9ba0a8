"""Ceph's S3 gateway (RGW) with the smallest cluster that carries it: a monitor and one OSD.

All of it listens on 127.0.0.1 and keeps its objects in memory, so it needs no disk to itself, no
service manager and, once installed, no root.
"""

import json
import secrets
import shutil
import subprocess
import uuid
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from minio.credentials.credentials import Credentials
from minio.signer import sign_v4_s3

from tests.pipelines.publish.servers.daemon import (
    LONGEST_WAIT,
    Daemon,
    ServerError,
    free_port,
    search_path,
)
from tests.pipelines.publish.servers.server import PRIVATE, REGION, Policy, Server, make_certificate

PROGRAMS = (
    "ceph-mon",
    "ceph-osd",
    "radosgw",
    "radosgw-admin",
    "ceph",
    "ceph-authtool",
    "monmaptool",
)
MISSING = (
    "Ceph RGW was left out: it is not installed; `.ci/install_servers rgw` installs it as root "
    "(Debian: apt-get install --no-install-recommends radosgw ceph-mon ceph-osd)"
)
NO_KEYS = {f"auth {who} required": "none" for who in ("cluster", "service", "client")}
ONE_OF_EACH = {
    "osd pool default size": 1,
    "osd pool default min size": 1,
    "mon allow pool size one": "true",
    "osd crush chooseleaf type": 0,  # copies may share a machine: there is one
    # The gateway makes eight pools; with the usual number of parts the one OSD refuses them.
    "osd pool default pg num": 4,
    "osd pool default pgp num": 4,
    "osd pool default pg autoscale mode": "off",
    "mon max pg per osd": 1000,
    # An OSD that announces its own place does so by an address form that this monitor has not
    # got, and ends. Its place is set below.
    "osd crush update on start": "false",
    "osd class update on start": "false",
    # Each new pool is a vote of the monitors; alone it need not wait a second for more to vote on.
    "paxos propose interval": 0.02,
    "paxos min wait": 0.01,
    "mon data avail warn": 1,  # a nearly full disk is no reason to stop
    "mon data avail crit": 1,
}
IN_MEMORY = {"osd objectstore": "memstore", "memstore device bytes": 4 << 30}
GATEWAY = {
    "rgw enable apis": "s3, iam, admin",
    "rgw thread pool size": 64,
    # After a change of users or buckets the gateway waits for others of its kind to hear of it:
    # for one that was killed until it is given up for dead, by default half a minute.
    "osd client watch timeout": 2,
    "objecter tick interval": 0.5,  # seconds between signs of life
    "rgw gc obj min wait": 10,  # seconds until the memory of a removed object is free again
    "rgw gc processor period": 10,
}


def rgw_installed() -> bool:
    """Whether every program that :func:`start_rgw` runs is there."""
    return all(shutil.which(program, path=search_path()) for program in PROGRAMS)


def start_rgw(folder: Path, *, tls: bool = False) -> Server:
    """A Ceph gateway with nothing in it, on a free port of 127.0.0.1, ready in a second or two.

    Its administrator is a user like others who owns the buckets that :meth:`Server.make_bucket`
    makes; bucket policies bind this user too.

    Args:
        folder: A folder for settings and logs; made where it is missing.
        tls: Whether it speaks TLS, by a certificate of its own.

    Raises:
        FileNotFoundError: Ceph is not installed; the message says how to install it.
        ServerError: A part of it did not start.
    """
    if not rgw_installed():
        raise FileNotFoundError(MISSING)
    folder.mkdir(parents=True, exist_ok=True)
    cluster, monitor_at = str(uuid.uuid4()), f"v1:127.0.0.1:{free_port()}"
    write_settings(folder, cluster, monitor_at)
    monitor = start_monitor(folder, cluster, monitor_at)
    storage = start_storage(folder, monitor)
    access, secret = "administrator", secrets.token_hex(20)
    make_user(folder, access, secret, "--caps", "users=*;user-policy=*")
    endpoint = f"127.0.0.1:{free_port()}"
    ca_file = make_certificate(folder) if tls else None
    door = f"endpoint={endpoint}"
    if ca_file:
        private = ca_file.with_name(PRIVATE)
        door = f"ssl_{door} ssl_certificate={ca_file} ssl_private_key={private}"
    frontend = f"beast {door} tcp_nodelay=1"  # else small answers wait for 40 ms
    command = ceph(folder, "radosgw", "-d", "-n", "client.admin", "--rgw-frontends", frontend)
    gateway = Daemon(command, folder / "radosgw.log")
    behind = (monitor, storage)
    return Server("rgw", endpoint, access, secret, folder, gateway, behind, ca_file).start()


def write_settings(folder: Path, cluster: str, monitor_at: str) -> None:
    """Write ``ceph.conf``, from which all programs of the cluster read what they need."""
    files = {
        "run dir": folder,
        "admin socket": "",  # nobody asks by it, and the path of a socket must be short
        "log file": folder / "commands.log",  # the three that stay log to their own, see -d
        "mon data": folder / "mon",
        "osd data": folder / "osd",
        "osd journal": folder / "osd" / "journal",
        "rgw data": folder / "rgw",
        "keyring": folder / "keyring",
    }
    address = {
        "fsid": cluster,
        "mon host": monitor_at,
        "public addr": "127.0.0.1",
        "cluster addr": "127.0.0.1",
    }
    settings = address | NO_KEYS | ONE_OF_EACH | IN_MEMORY | GATEWAY | files
    lines = ["[global]", *(f"{name} = {value}" for name, value in settings.items()), ""]
    (folder / "ceph.conf").write_text("\n".join(lines))
    for name in ("mon", "osd", "rgw"):
        (folder / name).mkdir()


def start_monitor(folder: Path, cluster: str, monitor_at: str) -> Daemon:
    """Make and start the cluster's only monitor."""
    keyring, plan = folder / "keyring", folder / "monmap"
    for user, services in (("mon.", ("mon",)), ("client.admin", ("mon", "osd", "mgr"))):
        caps = [part for service in services for part in ("--cap", service, "allow *")]
        new = () if keyring.exists() else ("--create-keyring",)
        run(folder, "ceph-authtool", keyring, *new, "--gen-key", "-n", user, *caps)
    run(folder, "monmaptool", "--create", "--fsid", cluster, "--addv", "a", f"[{monitor_at}]", plan)
    run(folder, "ceph-mon", "--mkfs", "-i", "a", "--monmap", plan, "--keyring", keyring)
    monitor = Daemon(ceph(folder, "ceph-mon", "-d", "-i", "a"), folder / "monitor.log")
    monitor.start()
    return monitor


def start_storage(folder: Path, monitor: Daemon) -> Daemon:
    """Make and start the only OSD, and give it its place in the cluster."""
    own = str(uuid.uuid4())
    settle(folder, monitor, "osd", "new", own)
    run(folder, "ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", own)
    storage = Daemon(ceph(folder, "ceph-osd", "-d", "-i", "0"), folder / "osd.log")
    storage.start()
    # Without the host its weight stays zero, and the gateway waits for ever for its first pool.
    settle(folder, monitor, "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=localhost")
    return storage


def settle(folder: Path, monitor: Daemon, *command: str) -> None:
    """Give the monitor a command that may be repeated, until it is accepted.

    Where nobody has to prove who they are, ``ceph`` may be quicker with its command than the
    monitor with the cluster's id, and is refused (``EPERM``) for not naming it.
    """

    def accepted() -> bool:
        try:
            run(folder, "ceph", "--connect-timeout", "20", *command)
        except ServerError as error:
            with (folder / "commands.log").open("a") as log:
                log.write(f"{error}\n")
            return False
        return True

    monitor.wait_until(accepted, f"ceph {' '.join(command)}")


def ceph(folder: Path, program: str, *arguments: str | Path) -> list[str | Path]:
    """A command of this cluster, whatever else is set up on the machine."""
    path = shutil.which(program, path=search_path()) or program
    return [path, "-c", folder / "ceph.conf", *arguments]


def run(folder: Path, program: str, *arguments: str | Path) -> str:
    """What a command of this cluster prints.

    Raises:
        ServerError: It failed, or did not end within a minute.
    """
    path = {"PATH": search_path(), "HOME": str(folder)}
    try:
        done = subprocess.run(
            ceph(folder, program, *arguments),
            env=path, capture_output=True, text=True, timeout=LONGEST_WAIT, check=True,
        )  # fmt: skip
    except subprocess.SubprocessError as error:
        said = str(getattr(error, "stderr", "") or error).strip().replace("\n", " | ")
        raise ServerError(f"{program} failed: {said[-500:]}") from error
    return done.stdout


def make_user(folder: Path, access_key: str, secret_key: str, *options: str) -> None:
    """Make a user whose id is the access key."""
    keys = ("--access-key", access_key, "--secret-key", secret_key)
    names = ("--uid", access_key, "--display-name", access_key)
    run(folder, "radosgw-admin", "user", "create", *names, *keys, *options)


def add_rgw_user(server: Server, access_key: str, secret_key: str, policy: Policy | None) -> None:
    """Make a user, and attach a policy to it by the request of AWS that MinIO has not got."""
    make_user(server.folder, access_key, secret_key)
    if policy is None:
        return
    form = {
        "Action": "PutUserPolicy",
        "UserName": access_key,
        "PolicyName": access_key,
        "PolicyDocument": json.dumps(policy),
    }
    body = urlencode(form).encode()
    now, digest = datetime.now(UTC), sha256(body).hexdigest()
    headers = sign_v4_s3(
        method="POST",
        url=urlsplit(f"{server.url}/"),
        region=REGION,
        headers={
            "Host": server.endpoint,
            "Content-Type": "application/x-www-form-urlencoded",
            "x-amz-content-sha256": digest,
            "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ"),
        },
        credentials=Credentials(server.access_key, server.secret_key),
        content_sha256=digest,
        date=now,
    )
    plain = {name: str(value) for name, value in headers.items()}
    answer = server.pool().request("POST", f"{server.url}/", body=body, headers=plain)
    if answer.status != 200:
        raise ServerError(f"PutUserPolicy for {access_key}: {answer.status} {answer.data!r}")
