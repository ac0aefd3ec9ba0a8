"""All settings of the project, read once from ``.env.ml`` and the environment (which wins)."""

import logging
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from dotenv.parser import Binding, parse_stream
from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from ml.errors import ConfigError, first_few
from ml.setting_groups import (
    PROJECT,
    AddressSettings,
    BacktestSettings,
    FolderSettings,
    GeneralSettings,
    IntakeSettings,
    NightSettings,
    OutsideSettings,
    PolicySettings,
    ServingSettings,
    StoreSettings,
    WatchSettings,
    WorkerSettings,
)


class Settings(
    GeneralSettings, FolderSettings, OutsideSettings, IntakeSettings, AddressSettings,
    PolicySettings, BacktestSettings, WorkerSettings, NightSettings, WatchSettings, StoreSettings,
    ServingSettings, BaseSettings,
):  # fmt: skip
    """Everything stable; what changes between runs is an option of the command."""

    model_config = SettingsConfigDict(
        env_file=PROJECT / ".env.ml", env_ignore_empty=True, extra="ignore", frozen=True
    )

    @property
    def current_day(self) -> date:
        """The day on which every command believes to run."""
        return self.day_of(datetime.now(UTC))

    def day_of(self, instant: datetime) -> date:
        """The day on which a command that was given at an instant believes to run."""
        told = self.today or self.night_day
        return told or instant.astimezone(ZoneInfo(self.timezone)).date()

    @property
    def plain(self) -> dict[str, str]:
        """Every setting that is no secret, nor where one lies, as a file of settings says it.

        The day of a night is none that anyone has set.
        """
        found = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            kept = name != "night_day" and not name.endswith("_key_file")
            if kept and not isinstance(value, SecretStr):
                text = "" if value is None else str(value)
                found[name] = text.lower() if isinstance(value, bool) else text
        return found

    @property
    def policy(self) -> PolicySettings:
        """The group of this name alone, to hand on without the secrets."""
        return PolicySettings(**{name: getattr(self, name) for name in PolicySettings.model_fields})


GROUPS = Settings.__bases__[:-1]
"""The groups in the order of the documentation."""


@cache
def settings() -> Settings:
    """The settings of this process.

    A file of them that others can read, and what is in it but sets nothing, are told on stderr.

    Raises:
        ConfigError: A setting has a value it cannot have; the message names it. Or the file is no
            file, or no text.
    """
    logging.getLogger("dotenv.main").setLevel(logging.ERROR)  # its warnings are ours, below
    try:
        written = _written()
        read, told = Settings(), (_open_to_others(), _on_unknown(written), _on_unread(written))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"settings: '{_file()}' is no UTF-8 text from line {line} on. Save it as UTF-8."
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper()
        raise ConfigError(
            f"settings: {name}={first['input']!r}: {first['msg']} "
            f"({error.error_count()} wrong in all). Correct it in .env.ml or the environment."
        ) from None
    for warning in filter(None, told):
        print(f"warning: {warning}", file=sys.stderr, flush=True)  # noqa: T201 - whoever reads them
    return read


def refuse_open_secrets() -> None:
    """Refuse to publish with secrets that others on this machine can read; for who publishes.

    Raises:
        ConfigError: The file of the settings holds some, and is open to them.
    """
    told = _open_to_others()
    if told is None:
        return
    fields = {n.upper() for n, one in Settings.model_fields.items() if one.annotation is SecretStr}
    secret = fields | {name.replace("S3_", "MINIO_") for name in fields}
    held = [one.key for one in _written() if one.key and one.value and one.key.upper() in secret]
    if held:
        raise ConfigError(f"{told} It holds {first_few(held)}: nothing was published.")


def _file() -> Path:
    return Path(str(Settings.model_config["env_file"]))


def _written() -> list[Binding]:
    """What the file of the settings says, in its order; nothing where there is none.

    Raises:
        ConfigError: Something else is in its place.
    """
    path = _file()
    if path.is_dir() or (path.is_symlink() and not path.exists()):
        raise ConfigError(
            f"settings: '{path}' is a folder or a link to nowhere, and no setting can be read. Put "
            "the file there, or remove it."
        )
    try:
        with path.open(encoding="utf-8") as stream:
            return list(parse_stream(stream))
    except FileNotFoundError:
        return []


def _on_unknown(written: Sequence[Binding]) -> str | None:
    """What to say of names that no setting has: what they were meant to set stays as it was."""
    known = [name.upper() for name in Settings.model_fields]
    known += [f"MINIO_{name[3:]}" for name in known if name.startswith("S3_")]
    names = [one.key for one in written if one.key]
    unknown = [name for name in names if name.upper() not in known]
    if not unknown:
        return None
    near = get_close_matches(unknown[0].upper(), known, n=1)
    meant = f" Was {near[0]} meant?" if near else ""
    return (
        f"settings: '{_file()}' has {len(unknown)} of {len(names)} names that no setting has, "
        f"and nothing is read from them: {first_few(unknown)}.{meant}"
    )


def _on_unread(written: Sequence[Binding]) -> str | None:
    """What to say of lines that set nothing."""
    lines = [one.original.line for one in written if one.error or (one.key and one.value is None)]
    if not lines:
        return None
    return (
        f"settings: '{_file()}' line {lines[0]} is not written as NAME=value, and nothing is read "
        f"from it ({len(lines)} such in all)."
    )


def _open_to_others() -> str | None:
    path = _file()
    try:
        mode = path.stat().st_mode & 0o777
    except OSError:  # most often there is none
        return None
    if not mode & 0o044:
        return None
    return f"settings: others can read '{path}' (mode {mode:o}): chmod 600 '{path}'."
