"""Where an S3 store is and with which key to open it, checked before anything is sent."""

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from ml.artifacts.keys import valid_key
from ml.errors import ConfigError
from ml.settings import settings

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ENDPOINT = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
FACTORY_KEY = "minioadmin"


@dataclass(frozen=True, slots=True)
class S3Target:
    """An S3 bucket and how to reach it."""

    endpoint: str  # `host:port`
    bucket: str  # that exists; it is never made here
    # its id is kept out of messages too: on some servers it is enough to write
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)  # never shown
    prefix: str = ""  # key below which everything lies, empty for the whole bucket
    region: str = "us-east-1"  # named always, which saves a request and a permission
    secure: bool = True  # https
    ca_file: Path | None = None  # certificates to trust instead of the usual ones
    allow_insecure: bool = False  # allow http to another machine

    @property
    def name(self) -> str:
        """The place for people to read."""
        below = f"/{self.prefix}" if self.prefix else ""
        return f"s3://{self.bucket}{below} at {self.endpoint}"

    @property
    def loopback(self) -> bool:
        """Whether the endpoint is this machine and nothing travels over a network."""
        host = (self.endpoint.rpartition(":")[0] or self.endpoint).strip("[]")
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


def check_target(target: S3Target) -> S3Target:
    """The same target if it can be used.

    Raises:
        ConfigError: A setting is missing or wrong, or secrets would travel in the clear.
    """
    needed = {
        "S3_ENDPOINT": target.endpoint,
        "S3_BUCKET": target.bucket,
        "S3_ACCESS_KEY": target.access_key,
        "S3_SECRET_KEY": target.secret_key,
    }
    if lacking := [name for name, value in needed.items() if not value]:
        raise ConfigError(
            f"settings: {', '.join(lacking)} not set. Set all of {', '.join(needed)} in .env.ml "
            f"or the environment, or name a folder with --to."
        )
    _check_names(target)
    _check_secrecy(target)
    return target


def _check_names(target: S3Target) -> None:
    match = _ENDPOINT.fullmatch(target.endpoint)
    if match is None or int(match[1] or 1) > 65535:
        raise ConfigError(
            f"settings: S3_ENDPOINT={target.endpoint!r} is not host:port. Leave out http:// "
            f"and any path; S3_SECURE says which of http and https it is."
        )
    if not _BUCKET.fullmatch(target.bucket):
        raise ConfigError(f"settings: S3_BUCKET={target.bucket!r} is not the name of a bucket.")
    if target.prefix and not valid_key(target.prefix):
        raise ConfigError(
            f"settings: S3_PREFIX={target.prefix!r} is not a path of letters, digits and ._=- "
            f"without / at either end."
        )
    if target.ca_file is not None and not target.ca_file.is_file():
        raise ConfigError(f"settings: S3_CA_FILE: there is no file '{target.ca_file}'.")


def _check_secrecy(target: S3Target) -> None:
    if target.loopback:
        return
    if not target.secure and not target.allow_insecure:
        raise ConfigError(
            f"settings: S3_SECURE=false sends results in the clear to {target.endpoint}. Use "
            f"https, or set S3_ALLOW_INSECURE=true if you trust every machine on the way."
        )
    if target.access_key == target.secret_key == FACTORY_KEY:
        raise ConfigError(
            f"settings: S3_ACCESS_KEY and S3_SECRET_KEY are the ones that every MinIO server "
            f"starts with, and {target.endpoint} is on a network. Make a key for the publisher."
        )


def settings_target() -> S3Target:
    """The bucket that the settings name.

    Raises:
        ConfigError: They are not complete or not safe.
    """
    read = settings()
    return check_target(
        S3Target(
            endpoint=read.s3_endpoint,
            bucket=read.s3_bucket,
            access_key=_secret(read.s3_access_key, read.s3_access_key_file, "S3_ACCESS_KEY"),
            secret_key=_secret(read.s3_secret_key, read.s3_secret_key_file, "S3_SECRET_KEY"),
            prefix=read.s3_prefix.strip("/"),
            region=read.s3_region,
            secure=read.s3_secure,
            ca_file=read.s3_ca_file,
            allow_insecure=read.s3_allow_insecure,
        )
    )


def _secret(value: SecretStr, file: Path | None, name: str) -> str:
    if file is None:
        return value.get_secret_value()
    if value.get_secret_value():
        raise ConfigError(f"settings: {name} and {name}_FILE are both set. Keep one of them.")
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"settings: {name}_FILE: '{file}' cannot be read ({type(error).__name__})."
        ) from None
