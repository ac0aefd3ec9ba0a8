"""Choosing the store: a folder that was named, or the bucket of the settings."""

from pathlib import Path

from pydantic import SecretStr

from ml.artifacts.folder_store import folder_store
from ml.artifacts.store import Store
from ml.errors import ConfigError
from pipelines.publish.s3_target import S3Target, checked_target


def open_store(folder: Path | None = None, *, single_writer: bool = False) -> Store:
    """A store to work with; nothing is sent yet.

    Args:
        folder: Of the store; the settings' bucket without it.
        single_writer: See :class:`ml.artifacts.store.Store`.

    Raises:
        ConfigError: The settings are not complete or not safe.
    """
    if folder is not None:
        return folder_store(folder, single_writer=single_writer)
    from pipelines.publish.s3_store import S3Store

    return S3Store(settings_target(), single_writer=single_writer)


def settings_target() -> S3Target:
    """The bucket that the settings name.

    Raises:
        ConfigError: They are not complete or not safe.
    """
    from ml.settings import settings

    read = settings()
    return checked_target(
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
