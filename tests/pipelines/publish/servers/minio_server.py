"""MinIO: where its program is found or built, how it is started, and its users."""

import json
import os
import secrets
import shutil
import subprocess
from functools import cache
from pathlib import Path

from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

from tests.pipelines.publish.servers.daemon import Daemon, free_port
from tests.pipelines.publish.servers.server import Policy, Server, make_certificate

INSTALL = Path(__file__).resolve().parents[4] / ".ci" / "install_servers"
MISSING = (
    "MinIO was left out: no minio on PATH or in ~/.cache/previsor/bin; "
    "`.ci/install_servers minio` builds it (Go 1.24 or newer, three minutes, once a machine)"
)


def cached_binary() -> Path:
    """Where ``.ci/install_servers`` puts the program: outside of any checkout, one a machine."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "previsor" / "bin" / "minio"


def minio_binary() -> Path | None:
    """MinIO's program, from PATH or from the cache folder; None where it has to be built."""
    found = shutil.which("minio") or shutil.which(cached_binary())
    return Path(found) if found else None


def may_be_built() -> bool:
    """Whether tests build MinIO: where Go is installed, unless ``PREVISOR_BUILD_MINIO`` is 0."""
    return os.environ.get("PREVISOR_BUILD_MINIO") != "0" and shutil.which("go") is not None


@cache
def build_minio() -> Path | None:
    """Build MinIO where it is not found and may be built; its program, None where there is none.

    It takes some three minutes, once a machine, and is tried once a process. What the build said
    is beside the program, in ``minio_build.log``.
    """
    if minio_binary() is None and may_be_built():
        log = cached_binary().with_name("minio_build.log")
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as out:
            subprocess.run([INSTALL, "minio"], stdout=out, stderr=out, check=False)
    return minio_binary()


def start_minio(folder: Path, *, tls: bool = False) -> Server:
    """A MinIO with nothing in it, on a free port of 127.0.0.1, ready within a second.

    Args:
        folder: A folder for its data and its log; made where it is missing.
        tls: Whether it speaks TLS, by a certificate of its own.

    Raises:
        FileNotFoundError: There is no program; the message says how to get one.
        ServerError: It did not start.
    """
    program = minio_binary()
    if program is None:
        raise FileNotFoundError(MISSING)
    data, certificates = folder / "data", folder / "certificates"
    for path in (data, certificates):
        path.mkdir(parents=True)
    endpoint, secret = f"127.0.0.1:{free_port()}", secrets.token_hex(20)
    address = ("--address", endpoint, "--certs-dir", certificates)
    env = {
        "MINIO_ROOT_USER": "administrator",
        "MINIO_ROOT_PASSWORD": secret,
        "MINIO_BROWSER": "off",  # it would take a second port
        "MINIO_UPDATE": "off",  # it would look for a newer release
    }
    gateway = Daemon([program, "server", data, *address], folder / "minio.log", env)
    ca_file = make_certificate(certificates) if tls else None
    return Server(
        "minio", endpoint, "administrator", secret, folder, gateway, ca_file=ca_file
    ).start()


def add_minio_user(server: Server, access_key: str, secret_key: str, policy: Policy | None) -> None:
    """Make a user, and a policy of the user's name that is attached to nobody else."""
    keys = StaticProvider(server.access_key, server.secret_key)
    admin = MinioAdmin(
        endpoint=server.endpoint, credentials=keys, secure=server.secure, http_client=server.pool()
    )
    admin.user_add(access_key=access_key, secret_key=secret_key)
    if policy is not None:
        copied = json.loads(json.dumps(policy))
        admin.policy_add(policy_name=access_key, policy=copied)
        admin.policy_set(policy_name=access_key, user=access_key)
