"""A running S3 server: its address, its keys, and ways to break it."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import urllib3
from minio import Minio
from minio.error import InvalidResponseError, S3Error
from minio.error import ServerError as FailedResponse

from tests.pipelines.publish.servers.daemon import Daemon

REGION = "us-east-1"
REFUSALS = (S3Error, InvalidResponseError, FailedResponse, urllib3.exceptions.HTTPError)
Policy = Mapping[str, Any]
FOR_A_WEEK = ("req", "-x509", "-nodes", "-days", "7", "-newkey", "ec",
              "-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=tests of publishing",
              "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")  # fmt: skip
PUBLIC, PRIVATE = "public.crt", "private.key"  # the names that MinIO looks for


@dataclass(frozen=True, slots=True)
class Server:
    """An S3 server on loopback that this process started; as a context manager it stops it.

    Attributes:
        name: ``minio`` or ``rgw``.
        endpoint: ``127.0.0.1:PORT``, the same after :meth:`restart`.
        access_key: Key of the administrator, who makes buckets and owns what is in them.
        secret_key: Its secret, drawn anew for every server: nobody else's server accepts it.
        folder: Data and logs.
        gateway: The process that answers S3 requests.
        behind: Processes that keep the gateway's data, if it does not do so itself.
        ca_file: Certificate by which clients know it where it speaks TLS, else None.
    """

    name: str
    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    folder: Path
    gateway: Daemon = field(repr=False)
    behind: tuple[Daemon, ...] = field(default=(), repr=False)
    ca_file: Path | None = None

    @property
    def secure(self) -> bool:
        """Whether it speaks TLS."""
        return self.ca_file is not None

    @property
    def url(self) -> str:
        """Address with its scheme."""
        return f"http{'s' if self.secure else ''}://{self.endpoint}"

    def pool(self, read_timeout: float = 60.0) -> urllib3.PoolManager:
        """Connections to it, by which every request is sent once."""
        return urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=5.0, read=read_timeout),
            retries=False,
            maxsize=16,
            cert_reqs="CERT_REQUIRED",
            ca_certs=str(self.ca_file) if self.ca_file else None,
        )

    def client(
        self, access_key: str = "", secret_key: str = "", *, read_timeout: float = 60.0
    ) -> Minio:
        """A client with the given keys, else the administrator's, that never tries twice."""
        return Minio(
            endpoint=self.endpoint,
            access_key=access_key or self.access_key,
            secret_key=secret_key or self.secret_key,
            secure=self.secure,
            region=REGION,
            http_client=self.pool(read_timeout),
        )

    def make_bucket(self, name: str) -> None:
        """Make a bucket that the administrator owns."""
        self.client().make_bucket(bucket_name=name)

    def start(self) -> Self:
        """Start the gateway and return once it answers.

        Raises:
            ServerError: It ended, or does not answer within a minute.
        """
        self.gateway.start()
        self.gateway.wait_until(self.answers, f"{self.name} on {self.endpoint}")
        return self

    def answers(self) -> bool:
        """Whether it accepts its administrator's keys, which only the right server knows."""
        try:
            self.client(read_timeout=5.0).list_buckets()
        except REFUSALS:
            return False
        return True

    def kill(self) -> None:
        """SIGKILL the gateway in the middle of what it does. What it acknowledged stays."""
        self.gateway.kill()

    def restart(self) -> Self:
        """Start the gateway again with the same data, address and keys."""
        self.gateway.kill()
        return self.start()

    def stop(self) -> None:
        """End all of it. Ceph's data is gone then, for it was kept in memory."""
        for daemon in (self.gateway, *reversed(self.behind)):
            daemon.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def make_certificate(folder: Path) -> Path:
    """Write a new key and its certificate into a folder; the certificate is its own authority.

    Returns:
        The certificate, which is what a client is given as its CA file.

    Raises:
        subprocess.CalledProcessError: The program ``openssl`` refused.
    """
    files = ("-keyout", folder / PRIVATE, "-out", folder / PUBLIC)
    subprocess.run(["openssl", *FOR_A_WEEK, *files], check=True, capture_output=True)
    return folder / PUBLIC
